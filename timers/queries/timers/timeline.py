"""The timeline: past, running and planned runs of the most important timers over a stretch of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection

from timers import clock
from timers.lifecycle import ExecutionStatus, TimerStatus
from timers.models import Execution, Schedule, Timer
from timers.models.sql import as_uuid, fetch
from timers.queries.timers.listing import schedule_text, state_of, unfinished_of
from timers.scheduling.base import TICK
from timers.scheduling.bounds import BoundedSchedule, parse_schedule

MAX_TIMERS_SHOWN = 8
MAX_ROWS_PER_TIMER = 2_000
"""Maximum number of executions read for one row. Earlier ones are not drawn, and the row says so."""
SLOTS = 160
"""Number of slots into which the stretch is divided."""
MAX_PLANNED = 60
"""Planned runs that are drawn one by one; more become one stroke."""
MAX_COUNTED = 2**62


@dataclass(frozen=True)
class Zoom:
    """Stretch of time to show: `half` back and `half` ahead (`words`), a line every `step`; `label` names the whole."""

    key: str
    words: str
    label: str
    half: timedelta
    step: timedelta


ZOOMS: Mapping[str, Zoom] = {
    zoom.key: zoom
    for zoom in (
        Zoom("1h", "30 minutes", "1 h", timedelta(minutes=30), timedelta(minutes=10)),
        Zoom("6h", "3 hours", "6 h", timedelta(hours=3), timedelta(hours=1)),
        Zoom("24h", "12 hours", "24 h", timedelta(hours=12), timedelta(hours=3)),
        Zoom("7d", "3½ days", "7 d", timedelta(hours=84), timedelta(days=1)),
    )
}
DEFAULT_RANGE = "24h"


@dataclass(frozen=True)
class Mark:
    """A mark in a row: runs in one state, or planned runs, from one instant to another."""

    status: str
    begin: datetime
    end: datetime
    count: int = 1


@dataclass(frozen=True)
class TimelineRow:
    """One timer with its marks, its number of executions by state (`counts`), and its number of planned runs."""

    timer: Timer
    state: str
    rule: str
    marks: list[Mark]
    counts: Mapping[str, int] = field(default_factory=dict)
    planned: int = 0
    next_at: datetime | None = None
    running_since: datetime | None = None
    cut_before: datetime | None = None
    """Set when the timer ran so often that earlier runs are not drawn."""


@dataclass(frozen=True)
class Timeline:
    """A stretch of time on the reader's clock, with the rows of the timers."""

    zoom: Zoom
    begin: datetime
    until: datetime
    ticks: list[datetime]
    lanes: list[TimelineRow]

    @property
    def is_cut(self) -> bool:
        return any(row.cut_before is not None for row in self.lanes)

    def share(self, instant: datetime) -> float:
        """Return the place of an instant in the stretch, from 0 to 1."""
        return min(1.0, max(0.0, (instant - self.begin) / (self.until - self.begin)))


def timeline(user: Any, *, zoom: str, zone: tzinfo, now: datetime, only: Sequence[UUID] | None = None) -> Timeline:
    """Return the timeline of the most important timers, from at most seven queries over a bounded number of rows.

    `only` names the timers to show instead, which must be visible to the user. The first MAX_TIMERS_SHOWN are shown.
    """
    chosen = ZOOMS[zoom]
    begin = _floor(now - chosen.half, chosen.step, zone)
    until = begin + 2 * chosen.half + chosen.step
    timers = _timers(_most_important(user) if only is None else list(only[:MAX_TIMERS_SHOWN]))
    ran = _runs([timer.pk for timer in timers], begin=begin, until=until, now=now)
    unfinished = unfinished_of([timer.pk for timer in timers])
    lanes = [
        _row(timer, ran.get(timer.pk, []), unfinished.get(timer.pk, {}), begin=begin, until=until) for timer in timers
    ]
    return Timeline(chosen, begin, until, list(_ticks(begin, until, chosen.step, zone)), lanes)


# The stretch of time


def _floor(instant: datetime, step: timedelta, zone: tzinfo) -> datetime:
    """Return the last instant at which the reader's clock shows a multiple of the step."""
    local = instant.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    shown = local.replace(tzinfo=None) - midnight.replace(tzinfo=None)
    return instant - shown % step if step < timedelta(days=1) else midnight.astimezone(instant.tzinfo)


def _ticks(begin: datetime, until: datetime, step: timedelta, zone: tzinfo) -> Iterator[datetime]:
    """Yield the instants with a line. Days begin at midnight, even when the clock changes."""
    at = begin
    while at <= until:
        yield at
        following = at + step
        if step >= timedelta(days=1):
            day = (at.astimezone(zone) + step).date()
            following = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(begin.tzinfo)
        at = following


# Selection of timers


def _most_important(user: Any) -> list[UUID]:
    """Return the timers to show: a few that run, fail or run next, then more of each, then the newest."""
    schedules = Schedule.objects.all() if user.is_staff else Schedule.objects.filter(timer__owner=user)
    busy = Execution.objects.visible_to(user).unfinished().exclude(status=ExecutionStatus.PENDING)
    running = list(busy.order_by("timer").values_list("timer_id", flat=True).distinct()[:MAX_TIMERS_SHOWN])
    failing = schedules.filter(consecutive_failures__gt=0).exclude(timer__status=TimerStatus.DELETED)
    failed = list(failing.order_by("pk").values_list("pk", flat=True)[:MAX_TIMERS_SHOWN])
    upcoming = schedules.filter(next_run_at__isnull=False).order_by("next_run_at", "pk")
    coming = list(upcoming.values_list("pk", flat=True)[:MAX_TIMERS_SHOWN])
    weighed = [*running[:4], *failed[:2], *coming[:2], *running[4:], *failed[2:], *coming[2:]]
    chosen = list(dict.fromkeys(weighed))
    if len(chosen) < MAX_TIMERS_SHOWN:
        newest = Timer.objects.visible_to(user).not_deleted().order_by("-created_at", "pk")
        chosen = list(dict.fromkeys([*chosen, *newest.values_list("pk", flat=True)[:MAX_TIMERS_SHOWN]]))
    return chosen[:MAX_TIMERS_SHOWN]


def _timers(ids: list[UUID]) -> list[Timer]:
    """Return the timers by name, so that rows keep their places while states change."""
    timers = Timer.objects.filter(pk__in=ids).not_deleted().select_related("schedule", "definition")
    return sorted(timers, key=lambda timer: (timer.name.casefold(), str(timer.pk)))


# Past runs


@dataclass(frozen=True)
class _Slot:
    """Executions of one timer in one slot and one state; instants are microseconds."""

    status: str
    count: int
    planned: int
    begin: int
    end: int


def _runs(ids: list[UUID], *, begin: datetime, until: datetime, now: datetime) -> dict[UUID, list[_Slot]]:
    """Return the executions of each timer, oldest first, from one query that reads a bounded index range per timer."""
    if not ids:
        return {}
    width = max(1, (clock.to_us(until) - clock.to_us(begin)) // SLOTS)
    of_one = (
        "select * from (select timer_id, status, count(*), min(scheduled_for) as planned,"
        " min(coalesce(started_at, scheduled_for)), max(coalesce(finished_at, %s)) from ("
        " select timer_id, status, scheduled_for, started_at, finished_at, (scheduled_for - %s) / %s as slot"
        " from timers_execution where timer_id = %s and scheduled_for >= %s and scheduled_for < %s"
        " order by scheduled_for desc limit %s) as seen_{0} group by timer_id, status, slot) as part_{0}"
        " union all select * from (select timer_id, status, 1, scheduled_for, coalesce(started_at, scheduled_for),"
        " coalesce(finished_at, %s) from timers_execution where timer_id = %s and scheduled_for < %s"
        " order by scheduled_for desc, serial desc limit 1) as before_{0}"
    )
    column = Execution._meta.get_field("timer")
    since, present = clock.to_us(begin), clock.to_us(now)
    parameters: list[Any] = []
    for pk in ids:
        key = column.get_db_prep_value(pk, connection)
        parameters += [present, since, width, key, since, clock.to_us(until), MAX_ROWS_PER_TIMER, present, key, since]
    statement = " union all ".join(of_one.format(number) for number in range(len(ids)))
    slots: dict[UUID, list[_Slot]] = {}
    for timer_id, status, count, planned, first, last in fetch(f"{statement} order by 4", parameters):
        if planned >= since or last > since:
            slot = _Slot(status, count, planned, first, max(first, last))
            slots.setdefault(as_uuid(timer_id), []).append(slot)
    return slots


def _row(
    timer: Timer, slots: list[_Slot], unfinished: Mapping[str, datetime | None], *, begin: datetime, until: datetime
) -> TimelineRow:
    counts: dict[str, int] = {}
    for slot in slots:
        counts[slot.status] = counts.get(slot.status, 0) + slot.count
    marks = [
        Mark(slot.status, clock.from_us(slot.begin), clock.from_us(slot.end), slot.count)
        for slot in slots
        if slot.status != ExecutionStatus.PENDING
    ]
    schedule = _rule(timer)
    planned, ahead = _planned(timer, schedule, until=until)
    in_sight = [slot for slot in slots if slot.planned >= clock.to_us(begin)]
    is_cut = sum(slot.count for slot in in_sight) >= MAX_ROWS_PER_TIMER
    cut_before = clock.from_us(in_sight[0].planned) if is_cut else None
    return TimelineRow(
        timer=timer,
        state=state_of(timer, unfinished),
        rule=schedule_text(timer.definition.schedule if timer.definition else {}).rule,
        marks=[*_cut_mark(begin, cut_before), *marks, *ahead, *_pause_marks(timer, until=until)],
        counts=counts,
        planned=planned,
        next_at=timer.schedule.next_run_at,
        running_since=unfinished.get(ExecutionStatus.RUNNING),
        cut_before=cut_before,
    )


def _cut_mark(begin: datetime, cut_before: datetime | None) -> list[Mark]:
    return [] if cut_before is None else [Mark("unseen", begin, cut_before)]


# Planned runs


def _rule(timer: Timer) -> BoundedSchedule | None:
    try:
        assert timer.definition is not None
        return parse_schedule(timer.definition.schedule, now=clock.EPOCH, refuse_never=False)
    except Exception:  # one broken rule must not hide all others
        return None


def _planned(timer: Timer, schedule: BoundedSchedule | None, *, until: datetime) -> tuple[int, list[Mark]]:
    """Return the number of runs planned before `until`, and their marks: a single one for many runs."""
    row = timer.schedule
    first = row.next_planned_at
    if row.next_run_at is None or first is None or first >= until:
        return 0, []
    left = MAX_COUNTED if row.max_runs is None else max(0, row.max_runs - row.fired_count)
    instants = list(islice(_instants(first, schedule, until), min(left, MAX_PLANNED + 1)))
    if len(instants) <= MAX_PLANNED or schedule is None:
        return len(instants), [Mark("planned", at, at) for at in instants]
    count = 1 + schedule.count_between(first, until - TICK)
    last = (
        until
        if count <= left or row.interval_us is None
        else first + (left - 1) * timedelta(microseconds=row.interval_us)
    )
    return min(count, left), [Mark("planned", first, min(last, until), min(count, left))]


def _instants(first: datetime, schedule: BoundedSchedule | None, until: datetime) -> Iterator[datetime]:
    at: datetime | None = first
    while at is not None and at < until:
        yield at
        at = schedule.next_after(at) if schedule is not None else None


def _pause_marks(timer: Timer, *, until: datetime) -> list[Mark]:
    if timer.status != TimerStatus.PAUSED or timer.status_changed_at >= until:
        return []
    return [Mark("paused", timer.status_changed_at, min(until, timer.paused_until or until))]
