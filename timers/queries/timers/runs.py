"""Durations of a timer's last runs, and its runs by day."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import connection

from timers import clock
from timers.lifecycle import UNFINISHED, ExecutionStatus
from timers.models import Execution, Timer
from timers.scheduling.clock_changes import changes_between

MAX_RUNS = 60
MAX_TIMES_USUAL = 6
MAX_DURATION_ROWS = 300
"""Number of rows read for MAX_RUNS: skipped occurrences stand between the runs."""

WEEKS = 26
MAX_ROWS = 100_000
"""Maximum number of executions read for the days. A timer that runs more often shows fewer days, and says so."""

_DAY_US = 24 * 3600 * 1_000_000
_STEPS = (
    *(unit * factor for unit in (0.001, 0.01, 0.1) for factor in (1, 2, 5)),
    *(1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0),
    *(60.0 * factor for factor in (1, 2, 3, 4, 5, 10, 15, 20, 30)),
    *(3600.0 * factor for factor in (1, 2, 3, 4, 8, 12, 24)),
)
"""Distances between the lines of a scale, in seconds; longer ones are whole days."""


# Durations


@dataclass(frozen=True)
class RunDuration:
    """Duration of one run. `took` is in seconds, up to now for an unfinished run, None if it never began."""

    id: uuid.UUID
    status: str
    planned: datetime
    took: float | None


@dataclass(frozen=True)
class Durations:
    """Durations of the last runs, oldest first. `median` and `p95` are in seconds, of completed runs only.

    `top` is the height of the scale: a round number not below any ended run, unless a few of them would make all
    others look flat. Longer runs are cut.
    """

    runs: list[RunDuration]
    median: float | None
    p95: float | None
    top: float

    @property
    def scale(self) -> list[float]:
        """The values of the three lines, top to bottom."""
        return [self.top, self.top * 2 / 3, self.top / 3]

    @property
    def cut(self) -> int:
        """The number of runs that exceed the scale."""
        return sum(run.took is not None and run.took > self.top for run in self.runs)

    @property
    def newest_first(self) -> list[RunDuration]:
        return self.runs[::-1]


def durations(timer: Timer, *, now: datetime) -> Durations | None:
    """Return the durations of the last runs, from one query; None for fewer than two runs with a duration."""
    columns = ("pk", "status", "scheduled_for", "started_at", "finished_at")
    rows = Execution.objects.filter(timer=timer).order_by("-scheduled_for", "-serial").values_list(*columns)
    ran = [row for row in rows[:MAX_DURATION_ROWS] if row[1] != ExecutionStatus.SKIPPED][:MAX_RUNS]
    runs = [
        RunDuration(pk, status, planned, _took(began, ended, now))
        for pk, status, planned, began, ended in reversed(ran)
    ]
    if sum(run.took is not None for run in runs) < 2:
        return None
    completed = sorted(run.took for run in runs if run.status == ExecutionStatus.COMPLETED and run.took is not None)
    return Durations(runs, quantile(completed, 0.5), quantile(completed, 0.95), _top(_longest_shown(runs)))


def _longest_shown(runs: Sequence[RunDuration]) -> float:
    """Return the duration that the scale must reach: the longest, at most MAX_TIMES_USUAL times the 90th percentile."""
    ended = sorted(run.took for run in runs if run.took is not None and run.status not in UNFINISHED)
    usual = quantile(ended, 0.9)
    if usual is None:
        return max(run.took for run in runs if run.took is not None)
    return min(ended[-1], max(usual, 0.001) * MAX_TIMES_USUAL)


def _took(began: datetime | None, ended: datetime | None, now: datetime) -> float | None:
    return None if began is None else max(0.0, ((ended or now) - began).total_seconds())


def quantile(ordered: Sequence[float], part: float) -> float | None:
    """Return the quantile `part` of the ordered values, None when there are none."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else None


def _top(longest: float) -> float:
    day = 24 * 3600.0
    return 3 * next((step for step in _STEPS if step * 3 >= longest), math.ceil(longest / 3 / day) * day)


# Days


@dataclass(frozen=True)
class RunDay:
    """Counts of the runs planned for one day of the reader's calendar."""

    date: date
    runs: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class RunDays:
    """Half a year of days, in weeks from Monday on, oldest first. The last week ends today."""

    weeks: list[list[RunDay]]
    zone: str
    since: datetime | None = None
    """Set when there were too many executions to count: earlier days are not shown."""
    busiest: int = field(default=0)

    @property
    def all(self) -> list[RunDay]:
        return [day for week in self.weeks for day in week]

    @property
    def failing(self) -> list[RunDay]:
        """The days with a failed run."""
        return [day for day in self.all if day.failed]

    @property
    def first(self) -> date:
        """The first day that is counted, at least partly."""
        return self.weeks[0][0].date if self.since is None else self.since.astimezone(ZoneInfo(self.zone)).date()

    @property
    def runs(self) -> int:
        return sum(day.runs for day in self.all)

    @property
    def table(self) -> list[RunWeek]:
        """The weeks with planned runs, newest first."""
        weeks = [RunWeek(week) for week in self.weeks[::-1]]
        return [week for week in weeks if any(day.runs or day.skipped for day in week.days)]


@dataclass(frozen=True)
class RunWeek:
    """One line of the table below the chart."""

    days: list[RunDay]

    @property
    def monday(self) -> date:
        return self.days[0].date

    @property
    def runs(self) -> int:
        return sum(day.runs for day in self.days)

    @property
    def skipped(self) -> int:
        return sum(day.skipped for day in self.days)

    @property
    def failing(self) -> list[RunDay]:
        return [day for day in self.days if day.failed]


def days(timer: Timer, *, zone: ZoneInfo, now: datetime) -> RunDays:
    """Return the runs by day of the last 26 weeks, from one query over a bounded number of rows."""
    today = now.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday(), weeks=WEEKS - 1)
    began = datetime.combine(monday, time(), zone)
    ended = datetime.combine(today + timedelta(days=1), time(), zone)
    counted, read, oldest = _count(timer, zone, began, ended)
    all_days = [
        counted.get(day, RunDay(day)) for day in (monday + timedelta(days=n) for n in range((today - monday).days + 1))
    ]
    return RunDays(
        weeks=[all_days[start : start + 7] for start in range(0, len(all_days), 7)],
        zone=zone.key,
        since=oldest if read >= MAX_ROWS else None,
        busiest=max(day.runs for day in all_days),
    )


def _count(
    timer: Timer, zone: ZoneInfo, began: datetime, ended: datetime
) -> tuple[dict[date, RunDay], int, datetime | None]:
    """Return the days with executions, the number of executions read, and the instant of the oldest one."""
    offset, parameters = _offset(zone, began, ended)
    statement = (
        "select day, status, count(*), min(scheduled_for) from ("
        f" select (scheduled_for + {offset}) / {_DAY_US} as day, status, scheduled_for from timers_execution"
        " where timer_id = %s and scheduled_for >= %s and scheduled_for < %s"
        " order by scheduled_for desc limit %s) as walk group by day, status"
    )
    timer_id = Execution._meta.get_field("timer").get_db_prep_value(timer.pk, connection)
    bounds = [timer_id, clock.to_us(began), clock.to_us(ended), MAX_ROWS]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*parameters, *bounds])
        rows = cursor.fetchall()
    counts_by_day: dict[date, dict[str, int]] = {}
    for day, status, count, _ in rows:
        counts_by_day.setdefault(clock.EPOCH.date() + timedelta(days=int(day)), {})[status] = count
    oldest = min((row[3] for row in rows), default=None)
    return (
        {day: _day(day, counts) for day, counts in counts_by_day.items()},
        sum(row[2] for row in rows),
        None if oldest is None else clock.from_us(oldest),
    )


def _day(day: date, counts: dict[str, int]) -> RunDay:
    skipped = counts.get(ExecutionStatus.SKIPPED, 0)
    return RunDay(day, sum(counts.values()) - skipped, counts.get(ExecutionStatus.FAILED, 0), skipped)


def _offset(zone: ZoneInfo, began: datetime, ended: datetime) -> tuple[str, list[int]]:
    """Return SQL for the zone's UTC offset at an instant, in microseconds, with a case for each clock change."""
    first = began.utcoffset() or timedelta(0)
    changes = changes_between(zone.key, began, ended)[::-1]
    if not changes:
        return "%s", [_us(first)]
    cases = " ".join("when scheduled_for >= %s then %s" for _ in changes)
    known = [value for change in changes for value in (clock.to_us(change.at), _us(change.after))]
    return f"case {cases} else %s end", [*known, _us(first)]


def _us(length: timedelta) -> int:
    return length // timedelta(microseconds=1)
