"""One attempt that is carried out: the context of its action, its outcome, and who may record that."""

from __future__ import annotations

import threading
import traceback
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

from timers.actions.base import ACTIONS, Action, Context, Outcome, OutcomeKind
from timers.clock import Clock
from timers.engine.worker.thread_group import ActionTimedOut
from timers.errors import ExternalError
from timers.services.attempt_values import AttemptResult, StartedAttempt

MAX_TRACEBACK_LENGTH = 20_000

DEADLINE_GRACE_SECONDS = 1.0
"""Extra time for an action that watches its deadline itself, to report its end."""

NEVER = float("inf")


@dataclass(eq=False)
class RunningAttempt:
    """A begun attempt inside this process. Only the thread that removes it from the runner's dict records its end."""

    begun: StartedAttempt
    secrets: tuple[bytes, ...] = ()
    thread: int | None = None
    started_at: datetime | None = None
    gives_up_at: float = NEVER
    """By the monotonic clock: when the attempt is recorded as over, whatever the action does."""
    is_cancelled: bool = False
    is_lost: bool = False
    is_rapid: bool = False
    """True when it was begun ahead of its instant; its end is then written with others of its kind."""
    notes: dict[str, Any] = field(default_factory=dict)

    def cancelled(self) -> bool:
        return self.is_cancelled

    def begin(self, clock: Clock) -> Context:
        """Note that this thread carries it out from now on; return the context of the action."""
        what = self.begun.instructions
        self.started_at = clock.now()
        deadline = None
        if what.timeout_seconds is not None:
            grace = DEADLINE_GRACE_SECONDS if what.watches_deadline else 0.0
            deadline = self.started_at + timedelta(seconds=what.timeout_seconds)
            self.gives_up_at = min(self.gives_up_at, clock.monotonic() + what.timeout_seconds + grace)
        self.thread = threading.get_ident()
        return Context(
            execution_id=self.begun.execution_id,
            timer_id=self.begun.timer_id,
            owner_id=what.owner_id,
            name=what.name,
            parameters=what.parameters,
            attempt=self.begun.attempt,
            scheduled_for=self.begun.scheduled_for,
            started_at=self.started_at,
            deadline=deadline,
            cancelled=self.cancelled,
            signing_secrets=self.secrets,
            trigger=self.begun.trigger,
            notes=self.notes,
        )

    def said(self) -> dict[str, Any] | None:
        """Return a copy of what the action has noted so far; it may still be running."""
        copies = {key: list(note) if isinstance(note, list) else note for key, note in self.notes.items()}
        return copies or None

    def finished(self, outcome: Outcome, now: datetime) -> AttemptResult:
        return AttemptResult(self.begun, outcome, self.started_at or now, now)


def carry_out(attempt: RunningAttempt, context: Context) -> Outcome:
    """Return how the action ended. Whatever it raises becomes an outcome, but for ActionTimedOut."""
    if attempt.begun.instructions.problem is not None:
        return Outcome.failed(attempt.begun.instructions.problem, reason="error")
    return perform(attempt.begun.instructions.action, context)


def perform(kind: str, context: Context) -> Outcome:
    """Return how an action of that kind ended. Whatever it raises becomes an outcome, but for ActionTimedOut."""
    try:
        outcome = _action(kind).run(context)
        return _cancelled(outcome) if context.cancelled() else outcome
    except ExternalError as error:
        if context.cancelled():
            return Outcome.cancelled()
        return Outcome.failed(
            error.message, reason=error.reason, retryable=error.retryable, retry_after=error.retry_after
        )
    except ActionTimedOut:
        raise
    except BaseException as error:
        return Outcome.cancelled() if context.cancelled() else _defect(error)
    finally:
        _close_connections()


def timed_out(attempt: RunningAttempt) -> Outcome:
    """Return the outcome of an attempt that did not end in time."""
    return too_long(attempt.begun.instructions.timeout_seconds, details=attempt.said())


def too_long(seconds: float | None, *, details: dict[str, Any] | None = None) -> Outcome:
    """Return the outcome of what did not end within so many seconds."""
    return Outcome.failed(
        f"It did not end within {seconds:g} seconds.", reason="timed_out", retryable=True, details=details
    )


def _cancelled(outcome: Outcome) -> Outcome:
    """Return the outcome of an attempt that was cancelled meanwhile."""
    if outcome.ending is OutcomeKind.WAITING:  # what goes on elsewhere is stopped when this is recorded
        return outcome
    return Outcome(
        ending=OutcomeKind.CANCELLED, error_message="Cancelled.", result=outcome.result, details=outcome.details
    )


def _defect(error: BaseException) -> Outcome:
    """Return the outcome of something that nobody meant to raise; it is tried again only as often as the timer says."""
    text = "".join(traceback.format_exception(error))
    return Outcome.failed(
        f"{type(error).__name__}: {error}",
        reason="error",
        retryable=True,
        details={"traceback": text[-MAX_TRACEBACK_LENGTH:]},
    )


def release_connections() -> None:
    """Close what the actions hold open in this process, which ends."""
    for _, action in ACTIONS.items():
        action.close()


@lru_cache(maxsize=64)
def _action(kind: str) -> Action:
    return ACTIONS.get(kind)()


_connected: set[int] = set()
"""Threads that have opened a connection to a database; asking Django in each of them would take longer than a run."""


def _note_connection(**_: Any) -> None:
    _connected.add(threading.get_ident())


connection_created.connect(_note_connection, dispatch_uid="timers.engine.worker.execute")


def _close_connections() -> None:
    """Close what the action opened: this thread holds no connection from one action to the next."""
    me = threading.get_ident()
    if me in _connected:
        _connected.discard(me)
        connections.close_all()
