"""Executions that a worker leaves to others: it stops, or it does not know the function."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from timers.clock import to_us
from timers.lifecycle import PLANNED_TRIGGERS
from timers.models import sql
from timers.models.execution_sql import leases, moves
from timers.models.leases import EXECUTIONS
from timers.services.attempt_values import AttemptResult
from timers.services.executions import cluster_routing

REROUTE_DELAY = timedelta(seconds=5)
"""Time for which an execution rests whose function no living cluster knows."""


def requeue(ids: Iterable[UUID | str], *, owner: str, now: datetime) -> int:
    """Let others carry these out at once: a worker that stops has not begun them, or not come to their end.

    A running one is pending again; its attempt did not happen and counts neither as one nor as a loss.
    """
    returned = [sql.as_hex(execution_id) for execution_id in ids]
    with sql.turn():
        moves.REQUEUE.change(ids=returned, owner=owner)
        woken = leases.WAKE_WAITING.fetch(lease_until=to_us(now + EXECUTIONS.message_lease), ids=returned)
        cluster_routing.resend(woken, now=now)
    return len(woken)


def reroute(unknown: Sequence[AttemptResult], *, owner: str | None, now: datetime) -> None:
    """Send executions to a cluster that knows their function; where none lives they rest for some seconds.

    They have not begun: the attempt does not count. To be called in a transaction.
    """
    living = cluster_routing.alive(now=now)
    for result in unknown:
        begun, message = result.begun, result.outcome.error_message
        row = {"id": begun.execution_id.hex, "attempt": begun.attempt, "message": message}
        if begun.serial > 0 and begun.trigger in PLANNED_TRIGGERS:  # it was for this cluster alone
            moves.SKIP_UNKNOWN.change(now=to_us(now), **row)
            continue
        function = begun.instructions.parameters.get("function")
        knowing = [cluster for cluster, functions in living.items() if function in functions]
        lease = EXECUTIONS.message_lease if knowing else REROUTE_DELAY
        rerouted = moves.REROUTE.fetch(lease_until=to_us(now + lease), owner=owner, **row)
        if rerouted and knowing:
            execution = rerouted[0]._replace(cluster=random.choice(knowing), serial=0)
            cluster_routing.send([execution], living=living)
