"""Parameters of an S3 collection: the bucket, its location, and the keys to it.

They are checked before they are stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from timers import outgoing
from timers.copying import paths
from timers.errors import Invalid
from timers.parameters import Parameter, ParameterType
from timers.targets import TargetRefused

DEFAULT_REGION = "us-east-1"
PARAMETERS = (
    Parameter(name="bucket", label="Bucket", required=True),
    Parameter(
        name="prefix",
        label="Prefix",
        help_text="Only what lies below it; empty for the whole bucket.",
        beside=True,
    ),
    Parameter(
        name="endpoint_url",
        label="Endpoint URL",
        type=ParameterType.URL,
        help_text="Of your store, like https://s3.example.org; empty for Amazon.",
        recipient="endpoint",
    ),
    Parameter(name="region", label="Region", help_text="Like eu-central-1; empty for us-east-1.", beside=True),
    Parameter(name="access_key_id", label="Access key id", required=True),
    Parameter(name="secret_access_key", label="Secret access key", required=True, secret=True, beside=True),
    Parameter(name="session_token", label="Session token", secret=True, help_text="Only for keys that end soon."),
    Parameter(
        name="addressing",
        label="Bucket addressing",
        type=ParameterType.CHOICE,
        choices=(("path", "in the path"), ("virtual", "in the host's name")),
        empty_label="where the store expects it",
        beside=True,
    ),
)
_SECRETS = [parameter.name for parameter in PARAMETERS if parameter.secret]
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RESERVED_STARTS = ("xn--", "sthree-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_REGION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_KEY_ID = re.compile(r"[!-~]{1,200}")
_SECRET = re.compile(r"[!-~]{4,4096}")
_MAX_PREFIX_BYTES = 512


def clean(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (public parameters, secrets); raises Invalid naming every field that cannot work."""
    public = read_fields(parameters, _READERS)
    secrets: dict[str, Any] = {name: public.pop(name) for name in _SECRETS if name in public}
    return public, secrets


def read_fields(parameters: Mapping[str, Any], readers: Mapping[str, Callable[[object], Any]]) -> dict[str, Any]:
    """Return the checked values that are not None; raises Invalid naming every field that cannot work."""
    problems: dict[str, Any] = {
        str(name): f"Unknown field; known here: kind, {', '.join(readers)}."
        for name in parameters
        if name not in readers
    }
    cleaned: dict[str, Any] = {}
    for name, read in readers.items():
        try:
            cleaned[name] = read(parameters.get(name))
        except Invalid as error:
            problems |= error.fields
    if problems:
        raise Invalid(problems)
    return {name: value for name, value in cleaned.items() if value is not None}


def _bucket(value: object) -> str:
    if not isinstance(value, str) or not _BUCKET.fullmatch(value) or ".." in value or _ADDRESS.fullmatch(value):
        raise Invalid({"bucket": "Give a bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens."})
    if value.startswith(_RESERVED_STARTS) or value.endswith(_RESERVED_ENDS):
        raise Invalid(
            {"bucket": "This is not an ordinary bucket: aliases, directory and table buckets cannot be used."}
        )
    return value


def read_prefix(value: object) -> str | None:
    """Return the prefix without a leading and with a trailing slash; None for the whole bucket."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not paths.is_storable(value):
        raise Invalid({"prefix": "Give the prefix as text, such as backups/2026/."})
    parts = value.strip("/").split("/")
    if parts == [""]:
        return None
    if not all(paths.is_name(part) for part in parts):
        raise Invalid({"prefix": "The prefix cannot contain '//', '.' or '..' as a name, nor the character NUL."})
    if len(value.encode()) > _MAX_PREFIX_BYTES:
        raise Invalid({"prefix": f"The prefix can have at most {_MAX_PREFIX_BYTES} bytes."})
    return "/".join(parts) + "/"


def read_endpoint_url(value: object) -> str | None:
    """Return the URL of a store that may be called from here; None for the usual one."""
    if value is None or value == "":
        return None
    try:
        target = outgoing.check(value)  # type: ignore[arg-type]  # anything but text is refused there
    except TargetRefused as refusal:
        raise Invalid({"endpoint_url": refusal.message}) from refusal
    if target.query or "#" in str(value):
        raise Invalid({"endpoint_url": "The URL cannot have a query or a fragment."})
    return str(target).rstrip("/")


def _region(value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _REGION.fullmatch(value):
        raise Invalid({"region": "Give a region's name, such as eu-central-1."})
    return value


def _addressing(value: object) -> str | None:
    if value is None or value == "":
        return None
    known = ("path", "virtual")
    if value not in known:
        raise Invalid({"addressing": f"Must be one of {', '.join(known)}, or left out."})
    return str(value)


def read_access_key_id(value: object) -> str:
    """Return the id of an access key."""
    if not isinstance(value, str) or not _KEY_ID.fullmatch(value):
        raise Invalid({"access_key_id": "Give the access key's id: printable characters without blanks."})
    return value


def read_secret_access_key(value: object) -> str:
    """Return the secret of an access key."""
    if not isinstance(value, str) or not _SECRET.fullmatch(value):
        raise Invalid({"secret_access_key": "Give the secret access key: printable characters without blanks."})
    return value


def _session_token(value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _SECRET.fullmatch(value):
        raise Invalid({"session_token": "Give the session token: printable characters without blanks."})
    return value


_READERS = {
    "bucket": _bucket,
    "prefix": read_prefix,
    "endpoint_url": read_endpoint_url,
    "region": _region,
    "addressing": _addressing,
    "access_key_id": read_access_key_id,
    "secret_access_key": read_secret_access_key,
    "session_token": _session_token,
}
