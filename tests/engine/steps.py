"""The steps from due to recorded, one at a time and with instants named by the test."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from timers.actions.base import Outcome
from timers.engine.dispatch.claim_intervals import Claimed, claim
from timers.models import Execution, Timer
from timers.services.attempt_values import AttemptResult, StartedAttempt
from timers.services.executions import complete
from timers.services.executions.begin import begin

OK = Outcome.completed({"ok": True})
BROKEN = Outcome.failed("It broke.", reason="http_500", retryable=True)
HOPELESS = Outcome.failed("It cannot work.", reason="http_400")


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def claim_at(now: datetime, *, ahead: float = 0.0) -> Claimed:
    """Claim all that is due at that instant."""
    total = claim(now=now, horizon=now + seconds(ahead))
    while total.full:
        more = claim(now=now, horizon=now + seconds(ahead))
        total = Claimed(total.executions + more.executions, total.skipped + more.skipped, full=more.full)
    return total


def begin_due(now: datetime, *, owner: str = "w1", only: Iterable[Execution] | None = None) -> list[StartedAttempt]:
    """Begin what is pending and due, as a worker does that was told of all of it."""
    due = Execution.objects.filter(status="pending", run_at__lte=now) if only is None else only
    return begin([each.pk for each in due], owner=owner, now=now)


def end(begun: Iterable[StartedAttempt], outcome: Outcome, now: datetime, *, owner: str = "w1") -> set[Any]:
    """Record that these attempts ended so."""
    return complete.finish([AttemptResult(each, outcome, now, now) for each in begun], owner=owner, now=now)


def run_due(now: datetime, outcome: Outcome = OK) -> list[StartedAttempt]:
    """Claim, begin and end what is due at one instant."""
    claim_at(now)
    begun = begin_due(now)
    end(begun, outcome, now)
    return begun


def statuses(timer: Timer) -> list[str]:
    """Return the states of a timer's executions in planned order."""
    return list(
        Execution.objects.filter(timer=timer).order_by("scheduled_for", "serial").values_list("status", flat=True)
    )


def planned(timer: Timer) -> list[datetime]:
    """Return the planned instants of a timer's executions in order."""
    return list(Execution.objects.filter(timer=timer).order_by("scheduled_for").values_list("scheduled_for", flat=True))


def reloaded(execution: Any) -> Execution:
    return Execution.objects.get(pk=getattr(execution, "execution_id", None) or execution.pk)
