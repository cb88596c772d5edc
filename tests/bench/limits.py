"""The limit that the claim is compared with: the same work done by the leanest SQL on the same database."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median

from django.db import connection

from timers import clock

_KEY = {"postgresql": "bigserial", "sqlite": "integer"}
_TABLES = (
    "create table lean_timer (id {key} primary key, next_run bigint, step bigint, fired int default 0)",
    "create table lean_execution "
    "(id {key} primary key, timer_id bigint, due bigint, status varchar(12), created bigint)",
    "create index lean_due on lean_timer (next_run)",
    "create index lean_of_timer on lean_execution (timer_id, due)",
)
_FILL = """
with recursive s(g) as (select 1 union all select g + 1 from s where g < %s)
insert into lean_timer (next_run, step) select %s + g, 86400000000 from s"""
_POSTGRESQL = """
with due as (
  select id, next_run from lean_timer where next_run <= %s order by next_run limit %s for update skip locked),
moved as (update lean_timer t set next_run = t.next_run + t.step, fired = fired + 1 from due where t.id = due.id
  returning t.id, due.next_run as due)
insert into lean_execution (timer_id, due, status, created) select id, due, 'pending', %s from moved returning id"""
_CHOSEN = "select id from lean_timer where next_run <= %s order by next_run limit %s"
_SQLITE = (
    "insert into lean_execution (timer_id, due, status, created) select id, next_run, 'pending', %s from lean_timer "
    f"where id in ({_CHOSEN})",
    f"update lean_timer set next_run = next_run + step, fired = fired + 1 where id in ({_CHOSEN})",
)


def fill(number: int) -> None:
    """Make the leanest tables, with so many timers due."""
    with connection.cursor() as cursor:
        for statement in ("drop table if exists lean_timer", "drop table if exists lean_execution"):
            cursor.execute(statement)
        for statement in _TABLES:
            cursor.execute(statement.format(key=_KEY[connection.vendor]))
        cursor.execute(_FILL, [number, clock.to_us(clock.now()) - 3_600_000_000])
        cursor.execute("analyze")


def lean_rate(number: int, batch: int) -> float:
    """Return how many timers per second the leanest statement fires in batches, by the median batch."""
    fill(number)
    now = clock.to_us(clock.now())
    return batch / median(_seconds(lambda: _lean_step(now, batch)) for _ in range(number // batch))


def claim_rates(number: int, batch: int) -> tuple[float, float]:
    """Return how many timers per second our claim fires, messages included, and the leanest SQL: batches alternate.

    `number` timers must be due at one instant.
    """
    from timers.engine.dispatch.claim_intervals import claim, next_instant

    fill(number)
    due, now = next_instant(), clock.to_us(clock.now())
    assert due is not None
    horizon = due + timedelta(milliseconds=500)
    ours, lean = [], []
    for _ in range(number // batch):
        lean.append(_seconds(lambda: _lean_step(now, batch)))
        ours.append(_seconds(lambda: claim(now=due, horizon=horizon, batch=batch).executions))
    return batch / median(ours), batch / median(lean)


def _seconds(step: Callable[[], int]) -> float:
    began = time.perf_counter()
    assert step()
    return time.perf_counter() - began


def _lean_step(now: int, batch: int) -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL, [now, batch, now])
            return len(cursor.fetchall())
        cursor.execute("begin immediate")
        cursor.execute(_SQLITE[0], [now, now, batch])
        number = max(0, cursor.rowcount)
        cursor.execute(_SQLITE[1], [now, batch])
        cursor.execute("commit")
        return number
