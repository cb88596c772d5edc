"""Parameters of an SFTP storage, as users give them: checked, each error under its field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from timers import outgoing, targets
from timers.copying import paths
from timers.errors import Invalid
from timers.parameters import Parameter, ParameterType
from timers.storages.sftp import keys
from timers.storages.sftp.algorithms import OLD
from timers.storages.sftp.keys import KeyRefused
from timers.targets import MAX_PORT, TargetRefused

DEFAULT_PORT = 22
PARAMETERS = (
    Parameter(
        name="host",
        label="Host",
        required=True,
        help_text="A name or an address, like files.example.org.",
        recipient="host",
        width="wide",
    ),
    Parameter(
        name="port",
        label="Port",
        type=ParameterType.WHOLE,
        default=DEFAULT_PORT,
        minimum=1,
        maximum=MAX_PORT,
        recipient="port",
        width="narrow",
        beside=True,
    ),
    Parameter(
        name="host_key",
        label="Host key",
        type=ParameterType.LINES,
        required=True,
        help_text=(
            "How the server is known; another one is refused. Get it with: ssh-keyscan -t ed25519 HOST "
            "(with -p PORT where it is not 22). Compare its fingerprint with what the server's operator says. "
            "A line @cert-authority NAMES KEY takes servers whose key is signed by an authority."
        ),
        placeholder="ssh-ed25519 AAAA…",
    ),
    Parameter(name="username", label="User name", required=True),
    Parameter(
        name="password",
        label="Password",
        secret=True,
        help_text="This or a private key; both where the server asks for both.",
        beside=True,
    ),
    Parameter(
        name="private_key",
        label="Private key",
        type=ParameterType.LINES,
        secret=True,
        help_text="Of OpenSSH or in PEM form: ed25519, ECDSA or RSA.",
        rows=4,
    ),
    Parameter(name="passphrase", label="Passphrase of the key", secret=True, help_text="If it has one."),
    Parameter(name="root", label="Folder on the server", help_text="Like /data; empty for /.", beside=True),
    Parameter(
        name="jump_host",
        label="Jump host",
        help_text="A server to go through, as with ssh -J; mostly empty.",
        recipient="jump host",
        width="wide",
    ),
    Parameter(
        name="jump_port",
        label="Port of the jump host",
        type=ParameterType.WHOLE,
        default=DEFAULT_PORT,
        minimum=1,
        maximum=MAX_PORT,
        recipient="port of the jump host",
        width="narrow",
        beside=True,
    ),
    Parameter(name="jump_host_key", label="Host key of the jump host", type=ParameterType.LINES),
    Parameter(name="jump_username", label="User name on the jump host"),
    Parameter(name="jump_password", label="Password on the jump host", secret=True, beside=True),
    Parameter(
        name="jump_private_key", label="Private key for the jump host", type=ParameterType.LINES, secret=True, rows=4
    ),
    Parameter(name="jump_passphrase", label="Passphrase of the key for the jump host", secret=True),
    Parameter(
        name="algorithms",
        label="Old algorithms",
        help_text=(
            "Mostly empty. For a server that offers nothing newer, an administrator can open some of these here: "
            f"{' '.join(OLD)}."
        ),
    ),
)
_PUBLIC = tuple(parameter.name for parameter in PARAMETERS if not parameter.secret)
_SECRET = tuple(parameter.name for parameter in PARAMETERS if parameter.secret)
_JUMP = "jump_"
_MAX_TEXT_LENGTH = 1_000
_MAX_KEY_LENGTH = 20_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def clean(parameters: Mapping[str, Any], *, may_open_algorithms: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (public parameters, secrets); raises Invalid with every field that cannot be used."""
    errors = {
        str(key): f"Unknown field; known here: kind, {', '.join(_PUBLIC + _SECRET)}."
        for key in parameters
        if key not in _PUBLIC + _SECRET
    }
    public: dict[str, Any] = {}
    secrets: dict[str, Any] = {}
    has_jump = _is_given(parameters, f"{_JUMP}host")
    readers: list[Callable[[], None]] = [
        lambda: public.update(_server(parameters, "", is_direct=not has_jump)),
        lambda: public.update(root=_root(parameters)),
        lambda: secrets.update(_secrets(parameters, "")),
        lambda: public.update(_algorithms(parameters, may_open=may_open_algorithms)),
    ]
    if has_jump:
        readers.append(lambda: public.update(_server(parameters, _JUMP, is_direct=True)))
        readers.append(lambda: secrets.update(_secrets(parameters, _JUMP)))
    else:
        readers.append(lambda: _refuse_without_jump_host(parameters))
    for read in readers:
        try:
            read()
        except Invalid as error:
            errors.update({field: texts[0] for field, texts in error.fields.items()})
    if errors:
        raise Invalid(errors)
    return public, secrets


def _server(parameters: Mapping[str, Any], prefix: str, *, is_direct: bool) -> dict[str, Any]:
    """Return host, port, user name and host key of the server, or of the jump host."""
    values: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for name, read in {
        "host": lambda field: _host(parameters, field, f"{prefix}port", is_direct=is_direct),
        "port": lambda field: _port(parameters, field),
        "username": lambda field: _text(parameters, field, "Give the name of the account on the server."),
        "host_key": lambda field: _host_key(parameters, field),
    }.items():
        try:
            values[f"{prefix}{name}"] = read(f"{prefix}{name}")
        except Invalid as error:
            errors.update(error.fields)
    if errors:
        raise Invalid(errors)
    return values


def _host(parameters: Mapping[str, Any], field: str, port_field: str, *, is_direct: bool) -> str:
    """Return a host in its canonical form. One behind a jump host is for that to find: only its form is checked."""
    host = _text(parameters, field, "Give the server's name or address, such as files.example.org.")
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if re.search(r"[/@?#\\\s\[\]]", bare):
        raise Invalid({field: "Give only the server's name or address, without sftp://, user name or path."})
    if bare.count(":") == 1:
        raise Invalid({field: "Give the port in its own field."})
    try:
        port = _port(parameters, port_field)
    except Invalid:
        port = DEFAULT_PORT
    try:
        if is_direct:
            return outgoing.check_host(bare, port)
        return targets.parse_url(f"http://[{bare}]:{port}/" if ":" in bare else f"http://{bare}:{port}/").host
    except TargetRefused as refused:
        raise Invalid({field: refused.message.replace("The URL's", "The")}) from refused


def _port(parameters: Mapping[str, Any], field: str) -> int:
    port = parameters.get(field)
    if port is None:
        return DEFAULT_PORT
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= MAX_PORT:
        raise Invalid({field: f"Must be a number between 1 and {MAX_PORT}."})
    return port


def _host_key(parameters: Mapping[str, Any], field: str) -> str:
    pasted = parameters.get(field)
    if not isinstance(pasted, str) or len(pasted) > _MAX_KEY_LENGTH:
        raise Invalid({field: 'Give the server\'s public key, such as "ssh-ed25519 AAAA...".'})
    try:
        return "\n".join(str(key) for key in keys.read_host_keys(pasted))
    except KeyRefused as refused:
        raise Invalid({field: str(refused)}) from refused


def _root(parameters: Mapping[str, Any]) -> str:
    root = parameters.get("root")
    if root is None or root == "":
        return paths.ROOT
    if not isinstance(root, str) or not root.startswith("/") or root.startswith("/~"):
        raise Invalid({"root": "Give the absolute path of a folder on the server, such as /data."})
    return paths.normalise(root, field="root")


def _algorithms(parameters: Mapping[str, Any], *, may_open: bool) -> dict[str, str]:
    if not _is_given(parameters, "algorithms"):
        return {}
    names = _text(parameters, "algorithms", "Give the names of algorithms.").replace(",", " ").split()
    if unknown := [name for name in names if name not in OLD]:
        raise Invalid({"algorithms": f"{unknown[0]} cannot be opened; known here: {', '.join(OLD)}."})
    if not may_open:
        raise Invalid({"algorithms": "Only administrators can open old algorithms."})
    return {"algorithms": " ".join(dict.fromkeys(names))}


def _secrets(parameters: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the secrets of the server, or of the jump host."""
    password, private_key, passphrase = (f"{prefix}{name}" for name in ("password", "private_key", "passphrase"))
    secrets = {name: parameters[name] for name in (password, private_key, passphrase) if _is_given(parameters, name)}
    for name, value in secrets.items():
        max_length = _MAX_KEY_LENGTH if name == private_key else _MAX_TEXT_LENGTH
        if not isinstance(value, str) or len(value) > max_length:
            raise Invalid({name: f"Must be text of at most {max_length:,} characters."})
    if password not in secrets and private_key not in secrets:
        raise Invalid({password: "Give a password, a private key, or both."})
    if private_key in secrets:
        _check_private_key(secrets[private_key], secrets.get(passphrase), (private_key, passphrase))
    elif passphrase in secrets:
        raise Invalid({passphrase: "A passphrase belongs to a private key, and none is given."})
    return secrets


def _check_private_key(pasted: str, passphrase: str | None, fields: tuple[str, str]) -> None:
    try:
        keys.read_private_key(pasted, passphrase)
    except KeyRefused as refused:
        raise Invalid({fields[refused.of_passphrase]: str(refused)}) from refused


def _refuse_without_jump_host(parameters: Mapping[str, Any]) -> None:
    given = [name for name in _PUBLIC + _SECRET if name.startswith(_JUMP) and _is_given(parameters, name)]
    if left := [name for name in given if name != f"{_JUMP}port"]:  # a form offers a port at first
        raise Invalid(dict.fromkeys(left, "This belongs to a jump host, and none is given."))


def _is_given(parameters: Mapping[str, Any], name: str) -> bool:
    return parameters.get(name) not in (None, "")


def _text(parameters: Mapping[str, Any], name: str, missing: str) -> str:
    value = parameters.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Invalid({name: missing})
    if len(value) > _MAX_TEXT_LENGTH or _CONTROL.search(value):
        raise Invalid({name: f"At most {_MAX_TEXT_LENGTH} characters, none of them a control character."})
    return value.strip()
