"""The states of timers, executions, transfer tasks and notices, and the moves that are allowed between them."""

from __future__ import annotations

from enum import StrEnum


class TimerStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    DELETED = "deleted"


class ExecutionStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class TransferStatus(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class NoticeStatus(StrEnum):
    """A notice waits to be sent (or is being sent), was handed over, or nobody will try again."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class Trigger(StrEnum):
    """Why an execution exists; those in PLANNED_TRIGGERS are occurrences of the schedule, one per instant."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    CATCH_UP = "catch_up"
    RERUN = "rerun"


class SkipReason(StrEnum):
    """Why an occurrence was left out."""

    OVERLAP = "overlap"
    PAUSED = "paused"
    SNOOZED = "snoozed"
    MAINTENANCE = "maintenance"
    EXCLUDED_DATE = "excluded_date"
    CATCHUP_NONE = "catchup_none"
    CATCHUP_COALESCED = "catchup_coalesced"
    CATCHUP_WINDOW = "catchup_window"
    CATCHUP_LIMIT = "catchup_limit"
    DST_GAP = "dst_gap"
    QUOTA = "quota"
    ENDED = "ended"
    SCHEDULER_ERROR = "scheduler_error"
    SKIP_IF = "skip_if"
    CLUSTER_GONE = "cluster_gone"
    UNKNOWN_FUNCTION = "unknown_function"


PLANNED_TRIGGERS = (Trigger.SCHEDULE, Trigger.CATCH_UP)

UNFINISHED = (ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.RETRYING)
FINISHED = tuple(status for status in ExecutionStatus if status not in UNFINISHED)
UNFINISHED_TRANSFER = (TransferStatus.PENDING, TransferStatus.ACTIVE)

TIMER_MOVES: dict[str, frozenset[str]] = {
    TimerStatus.ACTIVE: frozenset({TimerStatus.PAUSED, TimerStatus.ENDED, TimerStatus.DELETED}),
    TimerStatus.PAUSED: frozenset({TimerStatus.ACTIVE, TimerStatus.ENDED, TimerStatus.DELETED}),
    TimerStatus.ENDED: frozenset({TimerStatus.ACTIVE, TimerStatus.DELETED}),
    TimerStatus.DELETED: frozenset(),
}

EXECUTION_MOVES: dict[str, frozenset[str]] = {
    ExecutionStatus.PENDING: frozenset(
        # failed: lost five times without ever reporting
        {ExecutionStatus.RUNNING, ExecutionStatus.SKIPPED, ExecutionStatus.CANCELLED, ExecutionStatus.FAILED}
    ),
    ExecutionStatus.RUNNING: frozenset(
        {
            ExecutionStatus.COMPLETED,
            ExecutionStatus.FAILED,
            ExecutionStatus.CANCELLED,
            ExecutionStatus.RETRYING,
            ExecutionStatus.PENDING,  # a lost attempt, or one handed back when a worker stops or cannot do it
            ExecutionStatus.SKIPPED,  # the function was asked at its start and did not want to run
        }
    ),
    ExecutionStatus.RETRYING: frozenset({ExecutionStatus.PENDING, ExecutionStatus.CANCELLED, ExecutionStatus.FAILED}),
    ExecutionStatus.COMPLETED: frozenset(),
    ExecutionStatus.FAILED: frozenset(),
    ExecutionStatus.CANCELLED: frozenset(),
    ExecutionStatus.SKIPPED: frozenset(),
}

TRANSFER_MOVES: dict[str, frozenset[str]] = {
    TransferStatus.PENDING: frozenset({TransferStatus.ACTIVE, TransferStatus.FAILED, TransferStatus.CANCELLED}),
    TransferStatus.ACTIVE: frozenset({TransferStatus.SUCCEEDED, TransferStatus.FAILED, TransferStatus.CANCELLED}),
    TransferStatus.SUCCEEDED: frozenset(),
    TransferStatus.FAILED: frozenset(),
    TransferStatus.CANCELLED: frozenset(),
}


def check_move(moves: dict[str, frozenset[str]], source: str, target: str) -> None:
    """Raise ValueError when no move from `source` to `target` exists: that is a defect of the caller."""
    if target not in moves[source]:
        raise ValueError(f"No move from {source} to {target} exists.")
