"""Letting what is due happen, one step at a time."""

from __future__ import annotations

from datetime import datetime

from tests.engine.steps import begin_due, claim_at, end
from timers import clock
from timers.actions.base import ACTIONS, Context
from timers.engine.transfers.slice_runner import run_slice
from timers.lifecycle import UNFINISHED_TRANSFER
from timers.models import Transfer

MAX_SLICES = 20


def run_due(now: datetime) -> None:
    """Begin what is due and let its actions run; transfers only begin."""
    claim_at(now)
    for begun in begin_due(now):
        known = begun.instructions
        context = Context(
            execution_id=begun.execution_id,
            timer_id=begun.timer_id,
            owner_id=known.owner_id,
            name=known.name,
            parameters=known.parameters,
            attempt=begun.attempt,
            scheduled_for=begun.scheduled_for,
            started_at=now,
            deadline=None,
        )
        end([begun], ACTIONS.get(known.action)().run(context), now)


def copy_all() -> None:
    """Let every transfer go on until it has ended."""
    for _ in range(MAX_SLICES):
        unfinished = list(Transfer.objects.filter(status__in=UNFINISHED_TRANSFER).values_list("pk", flat=True))
        if not unfinished:
            return
        for key in unfinished:
            run_slice(str(key), now=clock.now())
    raise AssertionError("A transfer does not end.")
