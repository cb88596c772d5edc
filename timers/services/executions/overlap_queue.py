"""Occurrences that wait until the running one of their timer has ended (overlap queue_* and cancel_previous)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from timers.clock import to_us
from timers.models.execution_sql import leases
from timers.models.leases import EXECUTIONS
from timers.scheduling.overlap import OverlapPolicy
from timers.services.executions import cluster_routing

QUEUEING = frozenset({OverlapPolicy.QUEUE_ONE, OverlapPolicy.QUEUE_ALL, OverlapPolicy.CANCEL_PREVIOUS})


def wake_next(timer_ids: Iterable[UUID], *, now: datetime) -> int:
    """Send a message for the first execution that waits of each timer; return how many there were."""
    first: list[UUID | str] = []
    for timer_id in timer_ids:
        waiting = leases.FIRST_WAITING.fetch(timer_id=timer_id.hex, now=to_us(now))
        first += [execution.id for execution in waiting]
    return wake(first, now=now) if first else 0


def wake(execution_ids: Iterable[Any], *, now: datetime) -> int:
    """Send messages for those of the executions that are pending, and have the reaper repeat those that get lost."""
    woken = leases.WAKE.fetch(lease_until=to_us(now + EXECUTIONS.message_lease), ids=list(execution_ids))
    if woken:
        cluster_routing.resend(woken, now=now)
    return len(woken)
