"""Typed readers of environment variables. Every error is one sentence that names the variable."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

SMTP_SECONDS = 10
"""Time limit of one step of the conversation with the mail server."""


class SettingError(Exception):
    """A variable is missing or malformed; the message is one sentence for the operator."""


def text(name: str, default: str = "") -> str:
    """Return the variable without surrounding blanks, or `default` when unset or empty."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool = False) -> bool:
    """Return whether the variable is true (1, true, yes, on)."""
    value = text(name).lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    if value == "":
        return default
    raise SettingError(f"{name} must be one of 1, true, yes, on, 0, false, no, off; it is {value!r}.")


def choice(name: str, default: str, *, among: tuple[str, ...]) -> str:
    """Return the variable in lower case, one of the words `among`."""
    value = text(name, default).lower()
    if value not in among:
        raise SettingError(f"{name} must be one of {', '.join(among)}; it is {value!r}.")
    return value


def number(name: str, default: int, *, minimum: int, maximum: int) -> int:
    """Return a whole number within the bounds."""
    value = text(name)
    if value == "":
        return default
    if not (value.isascii() and value.isdigit() and minimum <= int(value) <= maximum):
        raise SettingError(f"{name} must be a whole number from {minimum} to {maximum}; it is {value!r}.")
    return int(value)


def folder(name: str, default: Path) -> Path:
    """Return an absolute folder. A missing one is created, accessible for its owner only."""
    value = text(name, str(default))
    try:
        path = Path(value).expanduser().resolve()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingError(f"{name} names a folder that cannot be created: {value} ({reason}).") from error
    return path


def state_folder(name: str) -> Path:
    """Return the folder for a program's state of this user: $XDG_STATE_HOME/NAME or ~/.local/state/NAME."""
    base = text("XDG_STATE_HOME")
    return (Path(base) if base.startswith("/") else Path("~/.local/state")) / name


def folders(name: str, default: Path) -> tuple[Path, ...]:
    """Return the absolute folders of a list separated by ':'. They need not exist."""
    return tuple(Path(part).expanduser().resolve() for part in text(name, str(default)).split(":") if part.strip())


def words(name: str) -> tuple[str, ...]:
    """Return the words of a list separated by ','."""
    return tuple(part.strip() for part in text(name).split(",") if part.strip())


def kinds(name: str) -> dict[str, str]:
    """Return the kinds of a list separated by ',', each as `kind=package.module.Class`."""
    entries: dict[str, str] = {}
    for word in words(name):
        kind, _, path = (part.strip() for part in word.partition("="))
        if not kind or "." not in path:
            raise SettingError(f"{name} must list kinds as kind=package.module.Class; {word!r} is none.")
        entries[kind] = path
    return entries


def hosts(name: str) -> tuple[str, ...]:
    """Return the host names of a list separated by ','. A leading dot means all subdomains, `*` any host."""
    names = words(name)
    for host in names:
        if any(character.isspace() or character in "/@?#" for character in host):
            raise SettingError(f"{name} must list host names separated by commas; {host!r} is not one.")
    return names


def redis(name: str) -> str:
    """Return the URL of a Redis server, or empty text when unset."""
    value = text(name)
    if value and urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
        raise SettingError(f"{name} must begin with redis://, rediss:// or unix://; it is {value!r}.")
    return value


def secret(name: str, *, kept_in: Path | None) -> str:
    """Return the secret from the variable, else from the file `kept_in` (created once, mode 0600)."""
    value = text(name)
    if value:
        if len(value) < 16:
            raise SettingError(f"{name} must have at least 16 characters.")
        return value
    if kept_in is None:
        raise SettingError(f"{name} must be set when DATABASE_URL is not SQLite.")
    try:
        descriptor = os.open(kept_in, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    except OSError as error:
        raise SettingError(f"{name} is unset and {kept_in} cannot be written ({error.strerror}).") from error
    return _kept_secret(name, kept_in)


def _kept_secret(name: str, path: Path) -> str:
    value = path.read_text().strip()
    if len(value) < 16:
        raise SettingError(f"{name} is unset and the secret in {path} is damaged.")
    return value


def url(name: str, default: str) -> str:
    """Return an http or https URL without a slash at the end."""
    value = text(name, default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingError(f"{name} must be a URL like https://timers.example.org; it is {value!r}.")
    return value


def smtp(name: str) -> dict[str, object]:
    """Return the arguments of Django's SMTP backend, nothing when unset. Errors do not contain the value.

    `smtp://` uses STARTTLS unless `tls=none` is given; `smtps://` is TLS from the start.
    """
    value = text(name)
    if not value:
        return {}
    wrong = SettingError(f"{name} must be like smtp://user:password@host:587 or smtps://user:password@host:465.")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in {"smtp", "smtps"} or not host or port == 0 or parts.path.strip("/") or parts.fragment:
        raise wrong
    if bool(parts.username) != bool(parts.password):
        raise SettingError(f"{name} must name both user and password, or neither; write special characters as %40.")
    on_tls = parts.scheme == "smtps"
    return {
        "host": host,
        "port": port or (465 if on_tls else 587),
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "use_tls": _starttls(name, parts.query, on_tls=on_tls),
        "use_ssl": on_tls,
        "timeout": SMTP_SECONDS,
    }


def _starttls(name: str, query: str, *, on_tls: bool) -> bool:
    """Return whether the connection uses STARTTLS."""
    if query not in {"", "tls=starttls", "tls=none"} or (query and on_tls):
        raise SettingError(f"{name} may end in ?tls=starttls or ?tls=none after smtp://, and in nothing else.")
    return not on_tls and query != "tls=none"


def mailbox(name: str, default: str) -> str:
    """Return the sender of e-mail, `timers@example.org` or `Timers <timers@example.org>`."""
    value = text(name)
    if not value:
        return default
    _, address = parseaddr(value)
    local, _, domain = address.rpartition("@")
    written_well = value == address or value.endswith(f"<{address}>")
    if not (local and domain and written_well and address.isascii() and value.isprintable() and " " not in address):
        raise SettingError(f"{name} must be an address like Timers <timers@example.org>; it is {value!r}.")
    return value


def database(name: str, default: Path) -> dict[str, object]:
    """Return Django's settings of the database of a URL; `default` is the SQLite file when unset."""
    value = text(name)
    if not value:
        return sqlite(default)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise SettingError(f"{name} is not a URL ({error}).") from error
    if parts.scheme in {"sqlite", "sqlite3"}:
        path = unquote(parts.path)
        # sqlite:///relative and sqlite:////absolute, as everywhere
        return sqlite(Path(path[1:] if path.startswith("/") else path).resolve())
    if parts.scheme not in {"postgresql", "postgres"}:
        raise SettingError(f"{name} must begin with postgresql:// or sqlite:///; it begins with {parts.scheme!r}.")
    if not parts.path.strip("/"):
        raise SettingError(f"{name} must name a database, like postgresql://user:password@host:5432/name.")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return postgresql(
        name=unquote(parts.path.strip("/")),
        user=unquote(parts.username or query.pop("user", "")),
        password=unquote(parts.password or query.pop("password", "")),
        host=unquote(query.pop("host", "") or parts.hostname or ""),
        port=str(port or query.pop("port", "")),
        options=query,
    )


def sqlite(path: Path) -> dict[str, object]:
    """Return Django's settings of an SQLite file: WAL, IMMEDIATE transactions, fully synchronous."""
    if not path.parent.is_dir():
        raise SettingError(f"DATABASE_URL names an SQLite file in a folder that does not exist: {path.parent}.")
    _keep_private(path)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32768;",
        },
    }


def _keep_private(path: Path) -> None:
    """Make a file readable for its owner only, before anything is written into it; SQLite's own files follow it."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)


def postgresql(
    *, name: str, user: str, password: str, host: str, port: str, options: dict[str, str]
) -> dict[str, object]:
    """Return Django's settings of a PostgreSQL database. Connections stay open and are checked before use."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": user,
        "PASSWORD": password,
        "HOST": host,
        "PORT": port,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 10, "prepare_threshold": 5, **options},  # Django's own cursors prepare nothing
    }
