"""Executions that a worker hands to others: it stops, or it does not know the function."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from timers.clock import to_us
from timers.lifecycle import PLANNED_TRIGGERS, SkipReason
from timers.models import sql
from timers.models.leases import EXECUTION_MESSAGE_LEASE
from timers.services.attempt_values import AttemptResult
from timers.services.executions import cluster_routing

REROUTE_DELAY = timedelta(seconds=5)
"""How long an execution rests whose function no living cluster knows."""


def requeue(ids: Iterable[UUID | str], *, owner: str, now: datetime) -> int:
    """Let others carry these out at once: a worker that stops has not begun them, or not come to their end.

    A running one is pending again; its attempt did not happen and counts neither as one nor as a loss.
    """
    wanted = sql.listed([sql.as_hex(each) for each in ids])
    with sql.turn():
        sql.change(
            "update timers_execution set status = 'pending', attempt = attempt - 1, lease_owner = null "
            f"where {sql.among('id')} and status = 'running' and lease_owner = %s",
            [wanted, owner],
        )
        items = sql.fetch(
            "update timers_execution set lease_until = %s "
            f"where {sql.among('id')} and status = 'pending' and lease_until is not null "
            "returning id, run_at, definition_id, cluster, serial",
            [to_us(now + EXECUTION_MESSAGE_LEASE), wanted],
        )
        cluster_routing.resend(items, now=now)
    return len(items)


def reroute(unknown: Sequence[AttemptResult], *, owner: str | None, now: datetime) -> None:
    """Send executions to a cluster that knows their function; where none lives they rest for some seconds.

    They have not begun: the attempt does not count. To be called in a transaction.
    """
    living = cluster_routing.alive(now=now)
    for each in unknown:
        if each.begun.serial > 0 and each.begun.trigger in PLANNED_TRIGGERS:
            _leave_out(each, now=now)
            continue
        begun = each.begun
        function = begun.instructions.parameters.get("function")
        knowing = [cluster for cluster, functions in living.items() if function in functions]
        lease = EXECUTION_MESSAGE_LEASE if knowing else REROUTE_DELAY
        items = sql.fetch(
            "update timers_execution set status = 'pending', attempt = attempt - 1, lease_owner = null, "
            "started_at = case when attempt <= 1 then null else started_at end, lease_until = %s, error_message = %s, "
            "cluster = null "
            "where id = %s and status = 'running' and attempt = %s and lease_owner = %s "
            "returning id, run_at, definition_id",
            [to_us(now + lease), each.outcome.error_message, begun.execution_id.hex, begun.attempt, owner],
        )
        if items and knowing:
            cluster_routing.send([(*items[0][:3], random.choice(knowing), 0)], living=living)


def _leave_out(each: AttemptResult, *, now: datetime) -> None:
    """Skip what was meant for this cluster, which does not know the function after all."""
    sql.change(
        "update timers_execution set status = 'skipped', skip_reason = %s, attempt = 0, started_at = null, "
        "finished_at = %s, lease_until = null, lease_owner = null, error_message = %s "
        "where id = %s and status = 'running' and attempt = %s",
        [
            SkipReason.UNKNOWN_FUNCTION,
            to_us(now),
            each.outcome.error_message,
            each.begun.execution_id.hex,
            each.begun.attempt,
        ],
    )
