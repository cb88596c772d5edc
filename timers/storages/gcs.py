"""Buckets of Google Cloud Storage, through its door for S3 clients, with the HMAC keys that it gives out for them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from timers.errors import Invalid
from timers.parameters import Parameter, ParameterType
from timers.storages.s3.client import Access
from timers.storages.s3.parameters import (
    read_access_key_id,
    read_endpoint_url,
    read_fields,
    read_prefix,
    read_secret_access_key,
)
from timers.storages.s3.storage import S3Storage

ENDPOINT_URL = "https://storage.googleapis.com"
PARAMETERS = (
    Parameter(name="bucket", label="Bucket", required=True),
    Parameter(
        name="prefix",
        label="Prefix",
        help_text="Only what lies below it; empty for the whole bucket.",
        beside=True,
    ),
    Parameter(
        name="credentials",
        label="HMAC key",
        type=ParameterType.LINES,
        secret=True,
        rows=2,
        help_text="Of a service account; empty for a bucket that everybody may read.",
        description="Access id and secret of an HMAC key: an object, or its text.",
        placeholder='{"access_key_id": "GOOG…", "secret_access_key": "…"}',
    ),
    Parameter(
        name="endpoint_url",
        label="Endpoint URL",
        type=ParameterType.URL,
        help_text="Of another door to the store; empty for Google's own.",
        recipient="endpoint",
    ),
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_SHAPE = 'Give an HMAC key as {"access_key_id": "GOOG...", "secret_access_key": "..."}.'
_OF_CREDENTIALS: Mapping[str, Callable[[object], str]] = {
    "access_key_id": read_access_key_id,
    "secret_access_key": read_secret_access_key,
}


class GcsStorage(S3Storage):
    """A bucket of Google Cloud Storage, or a prefix of one."""

    kind = "gcs"
    label = "Google Cloud Storage"
    heading = "A bucket of Google Cloud Storage"
    parameters = PARAMETERS

    @classmethod
    def clean(cls, parameters: Mapping[str, Any], *, owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the checked parameters, the credentials as an object.

        Every user may have a bucket, at every address that may be called from here.
        """
        public = read_fields(parameters, _READERS)
        credentials = public.pop("credentials", None)
        return public, {"credentials": credentials} if credentials else {}

    @classmethod
    def access(cls, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> Access:
        return Access(parameters.get("endpoint_url", ENDPOINT_URL), "auto", "path", **secrets.get("credentials", {}))


def _bucket(value: object) -> str:
    if not isinstance(value, str) or not _BUCKET.fullmatch(value) or ".." in value:
        raise Invalid({"bucket": "Give a bucket's name: lower-case letters, digits, dots, hyphens and underscores."})
    return value


def _credentials(value: object) -> dict[str, str] | None:
    """Return the credentials as an object; None for a bucket that everybody may read."""
    if value is None or value == "":
        return None
    try:
        document = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        document = None
    if not isinstance(document, Mapping) or set(document) != set(_OF_CREDENTIALS):
        raise Invalid({"credentials": _SHAPE})
    try:
        return {name: read(document[name]) for name, read in _OF_CREDENTIALS.items()}
    except Invalid as error:
        raise Invalid({"credentials": next(iter(error.fields.values()))}) from error


_READERS: Mapping[str, Callable[[object], Any]] = {
    "bucket": _bucket,
    "prefix": read_prefix,
    "endpoint_url": read_endpoint_url,
    "credentials": _credentials,
}
