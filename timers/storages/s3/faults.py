"""What the S3 library says when something goes wrong, in the words of storages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from timers.errors import ExternalError
from timers.storages.base import fault

MISSING = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion"})
GONE = "NoSuchUpload"

_SAID: dict[str, tuple[str, str]] = {
    **dict.fromkeys(MISSING, ("not_found", "does not exist")),
    **dict.fromkeys(
        ("403", "AccessDenied", "Forbidden", "AllAccessDisabled", "UnauthorizedAccess", "AccountProblem"),
        ("permission_denied", "the store refuses it"),
    ),
    **dict.fromkeys(
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "NotSignedUp", "401", "Unauthorized"),
        ("login_failed", "the store does not know the access key, or the secret is not its own"),
    ),
    **dict.fromkeys(
        ("ExpiredToken", "InvalidToken", "TokenRefreshRequired"),
        ("login_failed", "the session token is no longer, or was never, valid"),
    ),
    "RequestTimeTooSkewed": ("login_failed", "this machine's clock and the store's differ too much"),
    **dict.fromkeys(("KeyTooLongError", "KeyTooLong"), ("name_too_long", "the name is too long for the store")),
    "InvalidObjectState": ("unsupported", "it is archived and must be restored first"),
    "EntityTooLarge": ("unsupported", "it is larger than the store takes"),
    **dict.fromkeys(
        ("NotImplemented", "MethodNotAllowed", "501", "405"), ("unsupported", "the store cannot do what is needed")
    ),
    **dict.fromkeys(
        ("QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "ServiceQuotaExceededException"),
        ("quota", "the store's quota is used up"),
    ),
    **dict.fromkeys(("XMinioStorageFull", "InsufficientStorage", "507"), ("no_space", "the store is full")),
    **dict.fromkeys(
        ("SlowDown", "ServiceUnavailable", "Throttling", "TooManyRequests", "RequestLimitExceeded", "503", "429"),
        ("storage_error", "the store is overloaded and asks for patience"),
    ),
    GONE: ("storage_error", "the unfinished upload is gone from the store"),
}
_OF_REGION = ("301", "307", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException")
_CHANGED = ("412", "PreconditionFailed")
_DAMAGED = ("BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch")
_HEALING = ("RequestTimeout", "OperationAborted", "InternalError", "ConditionalRequestConflict", "InvalidPart")


@contextmanager
def faults(path: str, bucket: str) -> Iterator[None]:
    """Raise whatever the library raises as an ExternalError about a path."""
    try:
        yield
    except ClientError as error:
        raise refused(error, path, bucket) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise unreached(error, path) from error


def code_of(error: ClientError) -> str:
    """Return the store's own word for what is wrong; a status where it gave none."""
    return str(error.response.get("Error", {}).get("Code") or _status(error))


def refused(error: ClientError, path: str, bucket: str) -> ExternalError:
    """Return what a store's refusal means."""
    code, status = code_of(error), _status(error)
    if code == "NoSuchBucket":
        return fault("not_found", f"{path}: there is no bucket {bucket}.")
    if code in _CHANGED:
        return changed(path)
    if code in _DAMAGED:
        return damaged(path)
    if code in _OF_REGION:
        return fault("unsupported", f"{path}: the bucket {bucket} is in another region{_region_of(error)}.")
    reason, words = _SAID.get(code) or _SAID.get(str(status)) or ("", "")
    if reason == "not_found":
        return fault(reason, f"{path} {words}.")
    if not reason:
        heals = status >= 500 or status == 408 or code in _HEALING
        reason, words = ("storage_error" if heals else "unsupported"), "the store answers with an error"
    return fault(reason, f"{path}: {words} ({code}).")


def unreached(error: Exception, path: str) -> ExternalError:
    """Return what it means that no answer came, or none that can be read."""
    inner = getattr(error, "kwargs", {}).get("error")
    if isinstance(inner, ExternalError):  # the address was refused or not found, see the client's connections
        reason = "connection_error" if inner.retryable else inner.reason
        return ExternalError(f"{path}: {inner.message}", retryable=inner.retryable, reason=reason)
    for kind, words in _UNREACHED.items():
        if isinstance(error, kind):
            where = urlsplit(getattr(error, "kwargs", {}).get("endpoint_url") or "").netloc
            return fault("connection_error", f"{path}: {words}{f' ({where})' if where else ''}.")
    if isinstance(error, ResponseParserError):
        return fault("storage_error", f"{path}: what answers does not speak S3.")
    return fault("storage_error", f"{path}: the store cannot be asked ({type(error).__name__}).")


_UNREACHED: dict[type[Exception], str] = {
    SSLError: "no secure connection to the store is possible",
    ConnectTimeoutError: "the store does not answer in time",
    ReadTimeoutError: "the store stopped answering",
    EndpointConnectionError: "the store cannot be reached",
    ConnectionClosedError: "the store closed the connection",
    ResponseStreamingError: "the connection to the store broke",
    IncompleteReadError: "the connection to the store broke",
    HTTPClientError: "the store cannot be reached",
}


def changed(path: str) -> ExternalError:
    """Return the error for a file that was replaced while it was read."""
    return ExternalError(f"{path} changed while it was read.", retryable=True, reason="source_changed")


def damaged(path: str) -> ExternalError:
    """Return the error for bytes that arrived in the store as others."""
    return ExternalError(f"{path}: the store received other bytes.", retryable=True, reason="checksum_mismatch")


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)


def _region_of(error: ClientError) -> str:
    answer: Any = error.response
    named = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
    named = named or answer.get("Error", {}).get("Region")
    return f", {named}" if named else ""
