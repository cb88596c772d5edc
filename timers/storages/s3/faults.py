"""Errors of the S3 library, translated into faults of storages."""

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

NOT_FOUND_CODES = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion"})
UPLOAD_GONE = "NoSuchUpload"

_MEANINGS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(NOT_FOUND_CODES, ("not_found", "does not exist")),
    **dict.fromkeys(
        ("403", "AccessDenied", "Forbidden", "AllAccessDisabled", "UnauthorizedAccess", "AccountProblem"),
        ("permission_denied", "the store refuses it"),
    ),
    **dict.fromkeys(
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "NotSignedUp", "401", "Unauthorized"),
        ("login_failed", "the store does not know the access key, or the secret key is wrong"),
    ),
    **dict.fromkeys(
        ("ExpiredToken", "InvalidToken", "TokenRefreshRequired"),
        ("login_failed", "the session token is invalid or has expired"),
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
        ("unavailable", "the store is overloaded; try again later"),
    ),
    UPLOAD_GONE: ("storage_error", "the unfinished upload is gone from the store"),
}
_WRONG_REGION = (
    "301",
    "307",
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
)
_CHANGED = ("412", "PreconditionFailed")
_DAMAGED = ("BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch")
_RETRYABLE = ("RequestTimeout", "OperationAborted", "InternalError", "ConditionalRequestConflict", "InvalidPart")


@contextmanager
def faults(path: str, bucket: str) -> Iterator[None]:
    """Raise every error of the library as an ExternalError about a path."""
    try:
        yield
    except ClientError as error:
        raise refusal_error(error, path, bucket) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise no_answer_error(error, path) from error


def code_of(error: ClientError) -> str:
    """Return the store's error code; the HTTP status where there is none."""
    return str(error.response.get("Error", {}).get("Code") or _status(error))


def refusal_error(error: ClientError, path: str, bucket: str) -> ExternalError:
    """Return the ExternalError for a store's refusal."""
    code, status = code_of(error), _status(error)
    if code == "NoSuchBucket":
        return fault("not_found", f"{path}: there is no bucket {bucket}.")
    if code in _CHANGED:
        return changed_error(path)
    if code in _DAMAGED:
        return damaged_error(path)
    if code in _WRONG_REGION:
        return fault("unsupported", f"{path}: the bucket {bucket} is in another region{_region_of(error)}.")
    reason, text = _MEANINGS.get(code) or _MEANINGS.get(str(status)) or ("", "")
    if reason == "not_found":
        return fault(reason, f"{path} {text}.")
    if not reason:
        retryable = status >= 500 or status == 408 or code in _RETRYABLE
        reason = "unavailable" if status > 500 else "storage_error" if retryable else "unsupported"
        text = "the store answers with an error"
    return fault(reason, f"{path}: {text} ({code}).")


def no_answer_error(error: Exception, path: str) -> ExternalError:
    """Return the ExternalError for a missing or unreadable answer."""
    inner = getattr(error, "kwargs", {}).get("error")
    if isinstance(inner, ExternalError):  # raised by the client's connections: the address was refused or not found
        reason = "connection_error" if inner.retryable else inner.reason
        return ExternalError(f"{path}: {inner.message}", retryable=inner.retryable, reason=reason)
    if isinstance(error, SSLError) and _UNTRUSTED in str(error):
        return fault("target_refused", f"{path}: the store's certificate cannot be trusted.")
    for error_type, text in _NO_ANSWER.items():
        if isinstance(error, error_type):
            host = urlsplit(getattr(error, "kwargs", {}).get("endpoint_url") or "").netloc
            return fault("connection_error", f"{path}: {text}{f' ({host})' if host else ''}.")
    if isinstance(error, ResponseParserError):
        return fault("storage_error", f"{path}: the server does not speak S3.")
    return fault("storage_error", f"{path}: the store cannot be asked ({type(error).__name__}).")


_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
_NO_ANSWER: dict[type[Exception], str] = {
    SSLError: "no secure connection to the store is possible",
    ConnectTimeoutError: "the store does not answer in time",
    ReadTimeoutError: "the store stopped answering",
    EndpointConnectionError: "the store cannot be reached",
    ConnectionClosedError: "the store closed the connection",
    ResponseStreamingError: "the connection to the store broke",
    IncompleteReadError: "the connection to the store broke",
    HTTPClientError: "the store cannot be reached",
}


def changed_error(path: str) -> ExternalError:
    """Return the error for a file that was replaced while it was read."""
    return ExternalError(f"{path} changed while it was read.", retryable=True, reason="source_changed")


def damaged_error(path: str) -> ExternalError:
    """Return the error for bytes that did not arrive in the store unchanged."""
    return ExternalError(f"{path}: the store received other bytes.", retryable=True, reason="checksum_mismatch")


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)


def _region_of(error: ClientError) -> str:
    answer: Any = error.response
    region = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
    region = region or answer.get("Error", {}).get("Region")
    return f", {region}" if region else ""
