"""What a fault means for a transfer: whether it may heal, whom it concerns, and what the options make of it."""

from __future__ import annotations

from timers.errors import ExternalError
from timers.storages.base import SourceFault

WHOLE_TRANSFER_REASONS = {"no_space", "quota", "connection_error", "unavailable"}
"""Faults that the next file would meet too: the whole transfer waits, not only the file."""

FATAL_REASONS = {"login_failed", "host_key_refused", "target_refused"}
"""Faults that every file would meet: the transfer fails at once."""

LIMITED_REASONS = {"storage_error", "source_changed", "checksum_mismatch"}
"""Faults that often heal, but not always: a file that meets them again and again is given up."""

MAX_FILE_FAULTS = 6
"""Number of faults in a row after which such a file is given up, about five minutes after the first."""


class TransferFailed(Exception):
    """The transfer cannot succeed: it fails now, with this error."""

    def __init__(self, error: ExternalError) -> None:
        super().__init__(error.message)
        self.error = error


def error_of(problem: ExternalError | SourceFault) -> ExternalError:
    """Return the error itself of a fault of either side."""
    return problem.error if isinstance(problem, SourceFault) else problem


def may_heal(error: ExternalError, *, faults: int, fail_on_quota: bool) -> bool:
    """Return whether a later attempt can succeed, after `faults` faults in a row before this one."""
    if not error.retryable or (fail_on_quota and error.reason in {"no_space", "quota"}):
        return False
    return error.reason not in LIMITED_REASONS or faults < MAX_FILE_FAULTS
