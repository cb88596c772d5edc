"""Refusals of Azure Blob Storage: the reason, a message with the collection path, and whether trying again can help."""

from __future__ import annotations

from typing import NoReturn

from timers.storages.base import fault
from timers.storages.http_session import HttpResponse, refuse

_MEANINGS: dict[str, tuple[str, str]] = {
    "AuthenticationFailed": ("login_failed", "the account key is refused, or the clock of one side is wrong"),
    "InvalidAuthenticationInfo": ("login_failed", "the account key is refused"),
    "AccountIsDisabled": ("login_failed", "the account is disabled"),
    "AuthorizationFailure": ("login_failed", "the account key is refused, or calls from here are not allowed"),
    "AuthorizationPermissionMismatch": ("permission_denied", "the account does not allow it"),
    "BlobImmutableDueToPolicy": ("permission_denied", "a policy of the container keeps it as it is"),
    "ContainerNotFound": ("not_found", "there is no such container"),
    "ContainerBeingDeleted": ("not_found", "the container is being deleted"),
    "BlobNotFound": ("not_found", "it does not exist"),
    "BlobArchived": ("unsupported", "it is archived, and has to be brought back first"),
    "BlobBeingRehydrated": ("storage_error", "it is being brought back from the archive"),
    "SnapshotsPresent": ("permission_denied", "it has snapshots, which would be deleted too"),
    "LeaseIdMissing": ("storage_error", "somebody has a lease on it; try again later"),
    "InvalidBlockList": ("storage_error", "somebody else wrote it meanwhile; try again"),
    "Md5Mismatch": ("checksum_mismatch", "the store received other bytes"),
    "InvalidResourceName": ("bad_name", "the store does not take this name"),
    "InvalidUri": ("bad_name", "the store does not take this name"),
    "OutOfRangeInput": ("bad_name", "the store does not take this name"),
    "ServerBusy": ("unavailable", "the store is overloaded; try again later"),
    "ConditionNotMet": ("source_changed", "it changed meanwhile"),
}


def refuse_answer(response: HttpResponse, path: str) -> NoReturn:
    """Raise the fault for an answer that is no success."""
    code = response.header("x-ms-error-code") or ""
    if code not in _MEANINGS:
        refuse(response, path)
    reason, text = _MEANINGS[code]
    raise fault(reason, f"{path}: {text} ({code}).")
