"""Values that the services of executions hand to one another: an attempt that has started, and how one ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from timers.actions.base import Outcome
from timers.lifecycle import ExecutionStatus
from timers.models import Execution
from timers.services.timers.definition_cache import CachedDefinition


@dataclass(frozen=True, slots=True)
class StartedAttempt:
    """An attempt that is ours: `attempt` is its fencing number, `lost_attempts` how many of those before got lost."""

    execution_id: UUID
    timer_id: UUID
    trigger: str
    scheduled_for: datetime
    attempt: int
    lost_attempts: int
    instructions: CachedDefinition
    serial: int = 0

    @classmethod
    def of(cls, execution: Execution, instructions: CachedDefinition) -> StartedAttempt:
        """Return the attempt that an execution is at."""
        return cls(
            execution.pk,
            execution.timer_id,
            execution.trigger,
            execution.scheduled_for,
            execution.attempt,
            execution.lost_attempts,
            instructions,
        )


UNFINISHED_SQL = "status in ('pending', 'running', 'retrying')"
"""Word for word the condition of the index `execution_unfinished`, which SQLite else does not use."""


LOST = "lost"
"""Why an execution failed whose workers died again and again."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """An attempt that ended."""

    begun: StartedAttempt
    outcome: Outcome
    started_at: datetime
    finished_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedExecution:
    """An execution that has ended. `in_series` says whether it counts for failures in a row."""

    begun: StartedAttempt
    outcome: Outcome
    status: str
    in_series: bool

    def failures_after(self, before: int) -> int:
        """Return how many failures in a row there are now."""
        if not self.in_series or self.status not in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED):
            return before
        return before + 1 if self.status == ExecutionStatus.FAILED else 0
