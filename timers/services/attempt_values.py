"""Values that the services of executions share: started attempts and their results."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from timers.actions.base import Outcome
from timers.clock import from_us
from timers.lifecycle import ExecutionStatus
from timers.models import Execution, sql
from timers.models.execution_sql.inserts import StartedExecution
from timers.services.timers.definition_cache import CachedDefinition


@dataclass(frozen=True, slots=True)
class StartedAttempt:
    """An attempt held by this worker. `attempt` is its fencing number, `lost_attempts` counts the lost ones before."""

    execution_id: UUID
    timer_id: UUID
    trigger: str
    scheduled_for: datetime
    attempt: int
    lost_attempts: int
    instructions: CachedDefinition
    serial: int = 0

    @classmethod
    def of_row(cls, row: StartedExecution, instructions: CachedDefinition) -> StartedAttempt:
        """Return the attempt of an execution that a statement has started."""
        return cls(
            sql.as_uuid(row.id),
            sql.as_uuid(row.timer_id),
            row.trigger,
            from_us(row.scheduled_for),
            row.attempt,
            row.lost_attempts,
            instructions,
            row.serial,
        )

    @classmethod
    def of(cls, execution: Execution, instructions: CachedDefinition) -> StartedAttempt:
        """Return the current attempt of an execution."""
        return cls(
            execution.pk,
            execution.timer_id,
            execution.trigger,
            execution.scheduled_for,
            execution.attempt,
            execution.lost_attempts,
            instructions,
        )


LOST = "lost"
"""Failure reason of an execution whose workers died repeatedly."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of an attempt that has ended."""

    begun: StartedAttempt
    outcome: Outcome
    started_at: datetime
    finished_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedExecution:
    """An execution that has ended. `in_series`: it counts for failures in a row."""

    begun: StartedAttempt
    outcome: Outcome
    status: str
    in_series: bool

    def failures_after(self, before: int) -> int:
        """Return the number of failures in a row after this execution; `before` is the number before it."""
        if not self.in_series or self.status not in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED):
            return before
        return before + 1 if self.status == ExecutionStatus.FAILED else 0
