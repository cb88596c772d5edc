"""Which clusters live and what they know; sending executions to one of them, and to all where a timer asks for that.

An occurrence that runs on every cluster has its own row for the one that began it, and a row with a serial for each
other one that lives and knows the function: one execution per cluster and occurrence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from timers.clock import to_us
from timers.lifecycle import PLANNED_TRIGGERS, SkipReason
from timers.messaging import queue
from timers.models import Process
from timers.models import sql as rows
from timers.models.leases import EXECUTION_MESSAGE_LEASE
from timers.services import processes
from timers.services.timers import completion
from timers.services.timers.definition_cache import CachedDefinition

MEMBER = "member"
"""The role under which a cluster gives signs of life that passed through its queue and one of its workers."""

ALIVE = timedelta(seconds=30)

_CHILD_COLUMNS = {
    "id": "uuid",
    "timer_id": "uuid",
    "definition_id": "bigint",
    "cause": "text",
    "serial": "bigint",
    "scheduled_for": "bigint",
    "cluster": "text",
}

_CHILDREN = """
insert into timers_execution (id, timer_id, definition_id, trigger, serial, status, scheduled_for, run_at, created_at,
  lease_until, attempt, lost_attempts, cancel_requested, occurrences, cluster)
select v.id, v.timer_id, v.definition_id, v.cause, v.serial, 'pending', v.scheduled_for, v.scheduled_for, %s, %s,
  0, 0, {false}, 1, v.cluster
from {table} where true
on conflict do nothing returning id, run_at, definition_id, cluster, serial"""


def beat(cluster: str, *, functions: Iterable[str], now: datetime) -> None:
    """Note that a cluster carries out what it is sent, and which functions it knows."""
    processes.record_heartbeat(MEMBER, cluster, now=now, functions=sorted(functions))


def leave(cluster: str) -> None:
    """Note that a cluster stops; one that lives on after all says so soon."""
    processes.unregister(MEMBER, cluster)


def alive(*, now: datetime) -> dict[str, frozenset[str]]:
    """Return the clusters that live, and the functions that each knows."""
    found = Process.objects.filter(role=MEMBER, seen_at__gt=now - ALIVE).values_list("name", "details")
    return {name: frozenset(details.get("functions") or ()) for name, details in found}


def send(items: Sequence[Sequence[Any]], *, living: Iterable[str]) -> None:
    """Send messages for executions (id, instant to start at, definition, cluster, serial).

    One that is for a cluster goes there while that lives. When it is gone, another may take over the occurrence
    itself; what was for the other clusters is ended by `end_orphans`.
    """
    by_cluster: dict[str | None, list[tuple[str, int, int]]] = {}
    living = set(living)
    for execution_id, run_at, definition_id, cluster, serial in items:
        to = cluster if cluster in living else None
        if to is None and cluster is not None and serial > 0:
            continue
        by_cluster.setdefault(to, []).append((rows.as_hex(execution_id), run_at, definition_id))
    for to, group in by_cluster.items():
        queue.enqueue_executions(group, to=to)


def resend(items: Sequence[Sequence[Any]], *, now: datetime) -> None:
    """Send messages for executions as `send` does; who lives is asked only where somebody is named."""
    named = any(item[3] is not None for item in items)
    send(items, living=alive(now=now) if named else ())


def spread(
    begun: Sequence[Sequence[Any]], known: Mapping[int, CachedDefinition], *, cluster: str | None, now: datetime
) -> None:
    """Make the rows of the other clusters for occurrences that `cluster` has begun, in the caller's transaction.

    `begun` are rows of id, timer, definition, trigger, .., scheduled_for and serial, as `attempts.START` returns them.
    """
    wide = [row for row in begun if known[row[2]].on_every and row[7] == 0 and row[3] in PLANNED_TRIGGERS]
    if not wide or cluster is None:
        return
    living = alive(now=now)
    rows.change(
        f"update timers_execution set cluster = %s where {rows.among('id')}",
        [cluster, rows.listed([rows.as_hex(row[0]) for row in wide])],
    )
    children = [
        (uuid4().hex, rows.as_hex(row[1]), row[2], row[3], _serial(other), row[6], other)
        for row in wide
        for other, functions in living.items()
        if other != cluster and known[row[2]].parameters["function"] in functions
    ]
    if children:
        table = rows.table("v", **_CHILD_COLUMNS)
        sql = _CHILDREN.format(table=table, false="false" if rows.on_postgresql() else "0")
        send(rows.fetch(sql, [to_us(now), to_us(now + EXECUTION_MESSAGE_LEASE), *rows.rows(children)]), living=living)


def _serial(cluster: str) -> int:
    """Return the serial of a cluster's rows: always the same one, so that it cannot have two for one occurrence."""
    return int.from_bytes(hashlib.sha256(cluster.encode()).digest()[:8], "big") >> 2 | 1


def end_orphans(*, now: datetime) -> int:
    """End what was for a cluster that is gone: left out if it had not begun, failed if it had; return how many."""
    waiting = rows.fetch(
        "select id, cluster from timers_execution where status in ('pending', 'running', 'retrying') "
        "and cluster is not null and serial > 0 and trigger in ('schedule', 'catch_up') and status <> 'running'"
    )
    gone = {row[1] for row in waiting} - set(alive(now=now)) if waiting else set()
    orphans = [rows.as_hex(row[0]) for row in waiting if row[1] in gone]
    if not orphans:
        return 0
    found = rows.fetch(
        "update timers_execution set status = case when started_at is null then 'skipped' else 'failed' end, "
        "skip_reason = case when started_at is null then %s end, "
        "failure_reason = case when started_at is null then null else 'lost' end, "
        "error_message = 'Its cluster is gone.', finished_at = %s, lease_until = null "
        f"where {rows.among('id')} and status in ('pending', 'retrying') returning timer_id",
        [SkipReason.CLUSTER_GONE, to_us(now), rows.listed(orphans)],
    )
    completion.end_finished({rows.as_uuid(row[0]) for row in found}, now=now)
    return len(found)
