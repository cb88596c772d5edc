"""The states of timers, executions, transfers, workflow runs and notifications, and the allowed moves between them."""

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
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class NoticeStatus(StrEnum):
    """State of a notification: pending until it is sent; failed once no further try is made."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class WorkflowStatus(StrEnum):
    """State of a workflow run."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    TERMINATED = "terminated"


class StepStatus(StrEnum):
    """State of a step of a workflow run. A step that a worker gives back is scheduled again."""

    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"  # it failed, but the workflow goes on without it
    FAILED = "failed"
    FAILED_WITH_TERMINAL_ERROR = "failed_with_terminal_error"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


class Trigger(StrEnum):
    """Origin of an execution. Executions of PLANNED_TRIGGERS are occurrences of the schedule, one per instant."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    CATCH_UP = "catch_up"
    RERUN = "rerun"


class SkipReason(StrEnum):
    """Reason why an occurrence was skipped."""

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
RUNNABLE_TRANSFER = (TransferStatus.PENDING, TransferStatus.ACTIVE)
UNFINISHED_TRANSFER = (*RUNNABLE_TRANSFER, TransferStatus.PAUSED)
UNFINISHED_STEP = (StepStatus.SCHEDULED, StepStatus.IN_PROGRESS)

TIMER_MOVES: dict[str, frozenset[str]] = {
    TimerStatus.ACTIVE: frozenset({TimerStatus.PAUSED, TimerStatus.ENDED, TimerStatus.DELETED}),
    TimerStatus.PAUSED: frozenset({TimerStatus.ACTIVE, TimerStatus.ENDED, TimerStatus.DELETED}),
    TimerStatus.ENDED: frozenset({TimerStatus.ACTIVE, TimerStatus.DELETED}),
    TimerStatus.DELETED: frozenset(),
}

EXECUTION_MOVES: dict[str, frozenset[str]] = {
    ExecutionStatus.PENDING: frozenset(
        # failed: five attempts were lost
        {ExecutionStatus.RUNNING, ExecutionStatus.SKIPPED, ExecutionStatus.CANCELLED, ExecutionStatus.FAILED}
    ),
    ExecutionStatus.RUNNING: frozenset(
        {
            ExecutionStatus.COMPLETED,
            ExecutionStatus.FAILED,
            ExecutionStatus.CANCELLED,
            ExecutionStatus.RETRYING,
            ExecutionStatus.PENDING,  # a lost attempt, or one that a worker requeued
            ExecutionStatus.SKIPPED,  # `skip_if` of the function said so when the attempt began
        }
    ),
    ExecutionStatus.RETRYING: frozenset({ExecutionStatus.PENDING, ExecutionStatus.CANCELLED, ExecutionStatus.FAILED}),
    ExecutionStatus.COMPLETED: frozenset(),
    ExecutionStatus.FAILED: frozenset(),
    ExecutionStatus.CANCELLED: frozenset(),
    ExecutionStatus.SKIPPED: frozenset(),
}

TRANSFER_MOVES: dict[str, frozenset[str]] = {
    TransferStatus.PENDING: frozenset(
        {TransferStatus.ACTIVE, TransferStatus.PAUSED, TransferStatus.FAILED, TransferStatus.CANCELLED}
    ),
    TransferStatus.ACTIVE: frozenset(
        {TransferStatus.PAUSED, TransferStatus.SUCCEEDED, TransferStatus.FAILED, TransferStatus.CANCELLED}
    ),
    TransferStatus.PAUSED: frozenset(
        {TransferStatus.PENDING, TransferStatus.ACTIVE, TransferStatus.FAILED, TransferStatus.CANCELLED}
    ),
    TransferStatus.SUCCEEDED: frozenset(),
    TransferStatus.FAILED: frozenset(),
    TransferStatus.CANCELLED: frozenset(),
}

WORKFLOW_MOVES: dict[str, frozenset[str]] = {
    WorkflowStatus.RUNNING: frozenset(set(WorkflowStatus) - {WorkflowStatus.RUNNING}),
    **{status: frozenset() for status in WorkflowStatus if status != WorkflowStatus.RUNNING},
}

STEP_MOVES: dict[str, frozenset[str]] = {
    StepStatus.SCHEDULED: frozenset(set(StepStatus) - {StepStatus.SCHEDULED}),
    StepStatus.IN_PROGRESS: frozenset(set(StepStatus) - {StepStatus.IN_PROGRESS}),
    **{status: frozenset() for status in StepStatus if status not in UNFINISHED_STEP},
}


def check_move(moves: dict[str, frozenset[str]], source: str, target: str) -> None:
    """Raise ValueError when no move from `source` to `target` exists, which is a bug of the caller."""
    if target not in moves[source]:
        raise ValueError(f"No move from {source} to {target} exists.")
