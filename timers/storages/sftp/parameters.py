"""Parameters of an SFTP storage, as users give them: checked, each error under its field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from timers import outgoing
from timers.copying import paths
from timers.errors import Invalid
from timers.parameters import Parameter, ParameterType
from timers.storages.sftp import keys
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
            "(with -p PORT where it is not 22). Compare its fingerprint with what the server's operator says."
        ),
        placeholder="ssh-ed25519 AAAA…",
    ),
    Parameter(name="username", label="User name", required=True),
    Parameter(name="password", label="Password", secret=True, help_text="Either this or a private key.", beside=True),
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
)
_PUBLIC = tuple(parameter.name for parameter in PARAMETERS if not parameter.secret)
_SECRET = tuple(parameter.name for parameter in PARAMETERS if parameter.secret)
_MAX_TEXT_LENGTH = 1_000
_MAX_KEY_LENGTH = 20_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def clean(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (public parameters, secrets); raises Invalid with every field that cannot be used."""
    cleaned: dict[str, Any] = {}
    errors = {
        str(key): f"Unknown field; known here: kind, {', '.join(_PUBLIC + _SECRET)}."
        for key in parameters
        if key not in _PUBLIC + _SECRET
    }
    for name, reader in _READERS.items():
        try:
            cleaned[name] = reader(parameters)
        except Invalid as error:
            errors.update({field: texts[0] for field, texts in error.fields.items()})
    if errors:
        raise Invalid(errors)
    secrets = cleaned.pop("secrets")
    return cleaned, secrets


def _host(parameters: Mapping[str, Any]) -> str:
    host = _text(parameters, "host", "Give the server's name or address, such as files.example.org.")
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if re.search(r"[/@?#\\\s\[\]]", bare):
        raise Invalid({"host": "Give only the server's name or address, without sftp://, user name or path."})
    if bare.count(":") == 1:
        raise Invalid({"host": "Give the port in its own field."})
    try:
        port = _port(parameters)
    except Invalid:
        port = DEFAULT_PORT
    try:
        return outgoing.check_host(bare, port)
    except TargetRefused as refused:
        raise Invalid({"host": refused.message.replace("The URL's", "The")}) from refused


def _port(parameters: Mapping[str, Any]) -> int:
    port = parameters.get("port")
    if port is None:
        return DEFAULT_PORT
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= MAX_PORT:
        raise Invalid({"port": f"Must be a number between 1 and {MAX_PORT}."})
    return port


def _username(parameters: Mapping[str, Any]) -> str:
    return _text(parameters, "username", "Give the name of the account on the server.")


def _host_key(parameters: Mapping[str, Any]) -> str:
    pasted = parameters.get("host_key")
    if not isinstance(pasted, str) or len(pasted) > _MAX_KEY_LENGTH:
        raise Invalid({"host_key": 'Give the server\'s public key, such as "ssh-ed25519 AAAA...".'})
    try:
        return "\n".join(str(key) for key in keys.read_host_keys(pasted))
    except KeyRefused as refused:
        raise Invalid({"host_key": str(refused)}) from refused


def _root(parameters: Mapping[str, Any]) -> str:
    root = parameters.get("root")
    if root is None or root == "":
        return paths.ROOT
    if not isinstance(root, str) or not root.startswith("/") or root.startswith("/~"):
        raise Invalid({"root": "Give the absolute path of a folder on the server, such as /data."})
    return paths.normalise(root, field="root")


def _secrets(parameters: Mapping[str, Any]) -> dict[str, Any]:
    secrets = {name: parameters[name] for name in _SECRET if parameters.get(name) not in (None, "")}
    for name, value in secrets.items():
        max_length = _MAX_KEY_LENGTH if name == "private_key" else _MAX_TEXT_LENGTH
        if not isinstance(value, str) or len(value) > max_length:
            raise Invalid({name: f"Must be text of at most {max_length:,} characters."})
    if ("password" in secrets) == ("private_key" in secrets):
        raise Invalid({"password": "Give either a password or a private key."})
    if "private_key" in secrets:
        _check_private_key(secrets["private_key"], secrets.get("passphrase"))
    elif "passphrase" in secrets:
        raise Invalid({"passphrase": "A passphrase belongs to a private key, and none is given."})
    return secrets


def _check_private_key(pasted: str, passphrase: str | None) -> None:
    try:
        keys.read_private_key(pasted, passphrase)
    except KeyRefused as refused:
        raise Invalid({"passphrase" if refused.of_passphrase else "private_key": str(refused)}) from refused


def _text(parameters: Mapping[str, Any], name: str, missing: str) -> str:
    value = parameters.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Invalid({name: missing})
    if len(value) > _MAX_TEXT_LENGTH or _CONTROL.search(value):
        raise Invalid({name: f"At most {_MAX_TEXT_LENGTH} characters, none of them a control character."})
    return value.strip()


_READERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "host": _host,
    "port": _port,
    "username": _username,
    "host_key": _host_key,
    "root": _root,
    "secrets": _secrets,
}
