"""Which clusters live and what they know; sending executions to one of them, and to all where a timer asks for that.

An occurrence that runs on every cluster has its own row for the one that began it, and a row with a serial for each
other one that lives and knows the function: one execution per cluster and occurrence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from timers.clock import to_us
from timers.lifecycle import PLANNED_TRIGGERS
from timers.messaging import queue
from timers.models import Process, sql
from timers.models.execution_sql import begin, inserts, moves
from timers.models.execution_sql.inserts import RoutedExecution, StartedExecution
from timers.models.leases import EXECUTIONS
from timers.services import processes
from timers.services.timers import completion
from timers.services.timers.definition_cache import CachedDefinition

MEMBER = "member"
"""The role under which a cluster gives signs of life that passed through its queue and one of its workers."""

ALIVE = timedelta(seconds=30)


def beat(cluster: str, *, functions: Iterable[str], now: datetime) -> None:
    """Note that a cluster carries out what it is sent, and which functions it knows."""
    processes.record_heartbeat(MEMBER, cluster, now=now, functions=sorted(functions))


def leave(cluster: str) -> None:
    """Note that a cluster stops; one that lives on after all says so soon."""
    processes.unregister(MEMBER, cluster)


def alive(*, now: datetime) -> dict[str, frozenset[str]]:
    """Return the clusters that live, and the functions that each knows."""
    members = Process.objects.filter(role=MEMBER, seen_at__gt=now - ALIVE).values_list("name", "details")
    return {name: frozenset(details.get("functions") or ()) for name, details in members}


def send(executions: Iterable[RoutedExecution], *, living: Iterable[str]) -> None:
    """Send messages for executions.

    One that is for a cluster goes there while that lives. When it is gone, another may take over the occurrence
    itself; what was for the other clusters is ended by `end_orphans`.
    """
    by_cluster: dict[str | None, list[tuple[str, int, int]]] = {}
    living = set(living)
    for execution in executions:
        to = execution.cluster if execution.cluster in living else None
        if to is None and execution.cluster is not None and execution.serial > 0:
            continue
        message = (sql.as_hex(execution.id), execution.run_at, execution.definition_id)
        by_cluster.setdefault(to, []).append(message)
    for to, messages in by_cluster.items():
        queue.enqueue_executions(messages, to=to)


def resend(executions: Sequence[RoutedExecution], *, now: datetime) -> None:
    """Send messages for executions as `send` does; who lives is asked only where somebody is named."""
    named = any(execution.cluster is not None for execution in executions)
    send(executions, living=alive(now=now) if named else ())


def spread(
    started: Iterable[StartedExecution], known: Mapping[int, CachedDefinition], *, cluster: str | None, now: datetime
) -> None:
    """Make the rows of the other clusters for occurrences that `cluster` has begun, in the caller's transaction."""
    wide = [
        row
        for row in started
        if known[row.definition_id].on_every and row.serial == 0 and row.trigger in PLANNED_TRIGGERS
    ]
    if not wide or cluster is None:
        return
    living = alive(now=now)
    begin.ASSIGN_CLUSTER.change(cluster=cluster, ids=[row.id for row in wide])
    others = [
        (
            uuid4().hex,
            sql.as_hex(row.timer_id),
            row.definition_id,
            row.trigger,
            _serial(other),
            row.scheduled_for,
            other,
        )
        for row in wide
        for other, functions in living.items()
        if other != cluster and known[row.definition_id].parameters["function"] in functions
    ]
    if others:
        lease_until = to_us(now + EXECUTIONS.message_lease)
        send(inserts.FOR_CLUSTERS.fetch(now=to_us(now), lease_until=lease_until, rows=others), living=living)


def _serial(cluster: str) -> int:
    """Return the serial of a cluster's rows: always the same one, so that it cannot have two for one occurrence."""
    return int.from_bytes(hashlib.sha256(cluster.encode()).digest()[:8], "big") >> 2 | 1


def end_orphans(*, now: datetime) -> int:
    """End what was for a cluster that is gone: left out if it had not begun, failed if it had; return how many."""
    waiting = moves.WAITING_FOR_CLUSTERS.fetch()
    if not waiting:
        return 0
    living = alive(now=now)
    orphans = [execution.id for execution in waiting if execution.cluster not in living]
    if not orphans:
        return 0
    ended = moves.END_ORPHANS.fetch(now=to_us(now), ids=orphans)
    completion.end_finished({sql.as_uuid(row.timer_id) for row in ended}, now=now)
    return len(ended)
