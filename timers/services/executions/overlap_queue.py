"""Occurrences that wait until the running one of their timer has ended (overlap queue_* and cancel_previous)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from timers.clock import to_us
from timers.models import sql
from timers.models.leases import EXECUTION_MESSAGE_LEASE
from timers.scheduling.overlap import OverlapPolicy
from timers.services.attempt_values import UNFINISHED_SQL
from timers.services.executions import cluster_routing

QUEUEING = frozenset({OverlapPolicy.QUEUE_ONE, OverlapPolicy.QUEUE_ALL, OverlapPolicy.CANCEL_PREVIOUS})

_FIRST = f"""
select id from timers_execution
where timer_id = %s and {UNFINISHED_SQL} and status = 'pending' and serial = 0 and started_at is null and run_at <= %s
order by scheduled_for limit 1"""

_WAKE = """
update timers_execution set lease_until = %%s where %s and status = 'pending'
returning id, run_at, definition_id, cluster, serial"""


def wake_next(timer_ids: Iterable[UUID], *, now: datetime) -> int:
    """Send a message for the first one that waits of each timer; return how many there were."""
    first = [sql.as_hex(found[0][0]) for each in timer_ids if (found := sql.fetch(_FIRST, [each.hex, to_us(now)]))]
    return wake(first, now=now) if first else 0


def wake(execution_ids: Iterable[str], *, now: datetime) -> int:
    """Send messages for those of the executions that are pending, and have the reaper look after them."""
    wanted = sql.listed(execution_ids)
    items = sql.fetch(_WAKE % sql.among("id"), [to_us(now + EXECUTION_MESSAGE_LEASE), wanted])
    if items:
        cluster_routing.resend(items, now=now)
    return len(items)
