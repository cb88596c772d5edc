"""When timers run: previews, the row that the claim reads, and the plan for what has come due.

`plan_due` writes nothing: the claim carries its moves out in its own transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from timers import clock
from timers.lifecycle import TimerStatus, Trigger
from timers.models import Timer
from timers.scheduling import left_out, text
from timers.scheduling.bounds import BoundedSchedule, jitter_delay, parse_schedule
from timers.scheduling.catchup import CatchUpPlan, CatchUpPolicy, SkippedRun, plan, plan_paused
from timers.scheduling.policies import Policies


@dataclass(frozen=True)
class SchedulePreview:
    """Preview of a schedule: its next planned instants, its description and its warnings."""

    next: list[datetime]
    description: str
    warnings: list[str]


class DueSchedule(NamedTuple):
    """A schedule row that has come due, as the claim reads it, with the rule from its definition."""

    timer_id: UUID
    definition_id: int
    document: Mapping[str, Any]
    kind: str
    next_planned_at: datetime
    max_runs: int | None
    fired_count: int
    catch_up: str
    catch_up_window_us: int | None
    jitter_us: int
    catch_up_limit: int
    all_paused: bool | int
    """True (1 in SQLite) while everything of its owner is paused: then due occurrences are left out."""
    planning_failures: int = 0


@dataclass(frozen=True)
class Fire:
    """One occurrence to carry out: its planned instant, and when it may start (with jitter)."""

    planned: datetime
    run_at: datetime
    trigger: Trigger


@dataclass(frozen=True)
class Move:
    """Move of one schedule row. With an `error` nothing else counts: the row is set aside for a while."""

    timer_id: UUID
    definition_id: int
    read_planned_at: datetime
    fire: tuple[Fire, ...] = ()
    skipped: tuple[SkippedRun, ...] = ()
    next_planned_at: datetime | None = None
    next_run_at: datetime | None = None
    watermark_at: datetime | None = None
    error: str | None = None


def plan_due(due: Sequence[DueSchedule], *, now: datetime, horizon: datetime) -> list[Move]:
    """Return one move per due schedule. What goes wrong inside one is its move's error and touches no neighbour."""
    return [_plan_one(row, now=now, horizon=horizon) for row in due]


def _plan_one(row: DueSchedule, *, now: datetime, horizon: datetime) -> Move:
    try:
        rule = stored(row.document)
        return _move(row, rule, _planned(row, rule, now=now, horizon=horizon))
    except Exception as error:
        return Move(row.timer_id, row.definition_id, row.next_planned_at, error=f"{type(error).__name__}: {error}")


def _planned(row: DueSchedule, rule: BoundedSchedule, *, now: datetime, horizon: datetime) -> CatchUpPlan:
    if row.all_paused:
        return plan_paused(rule, due_since=row.next_planned_at, horizon=horizon)
    window = None if row.catch_up_window_us is None else timedelta(microseconds=row.catch_up_window_us)
    return plan(
        rule,
        due_since=row.next_planned_at,
        now=now,
        horizon=horizon,
        policy=CatchUpPolicy(row.catch_up),
        window=window,
        limit=row.catch_up_limit,
        runs_left=None if row.max_runs is None else row.max_runs - row.fired_count,
        jitter=timedelta(microseconds=row.jitter_us),
    )


def _move(row: DueSchedule, rule: BoundedSchedule, planned: CatchUpPlan) -> Move:
    jitter = timedelta(microseconds=row.jitter_us)
    closed = _left_out(row, rule, planned)
    dealt_with = [fire.planned for fire in planned.fire] + [run.last for run in planned.skipped]
    return Move(
        row.timer_id,
        row.definition_id,
        row.next_planned_at,
        fire=tuple(
            Fire(start.planned, run_at(row.timer_id, start.planned, jitter), start.trigger) for start in planned.fire
        ),
        skipped=tuple(sorted([*planned.skipped, *closed], key=lambda run: run.first)),
        next_planned_at=planned.next_planned,
        next_run_at=planned.next_planned and run_at(row.timer_id, planned.next_planned, jitter),
        watermark_at=max(dealt_with, default=None),
    )


def _left_out(row: DueSchedule, rule: BoundedSchedule, planned: CatchUpPlan) -> list[SkippedRun]:
    """Return what a closed window leaves out on the way to the next planned instant."""
    if planned.next_planned is None and (rule.max_runs is not None or not planned.fire):
        return []

    return left_out.between(rule, after=row.next_planned_at, before=planned.next_planned)


def run_at(timer_id: UUID, planned: datetime, jitter: timedelta) -> datetime:
    """Return when the occurrence planned for that instant may start."""
    return planned + jitter_delay(timer_id=timer_id, planned=planned, jitter=jitter) if jitter else planned


def stored(document: Mapping[str, Any]) -> BoundedSchedule:
    """Return the schedule of a document that was checked when it was saved; it names its own start."""
    return parse_schedule(document, now=clock.EPOCH, refuse_never=False)


def preview(document: object, *, limit: int, after: datetime | None, now: datetime) -> SchedulePreview:
    """Return what a schedule would do. Raises Invalid naming schedule.*; one that never fires is no error."""
    schedule = parse_schedule(document, now=now, refuse_never=False)
    upcoming = list(islice(_from(schedule, created=now, after=after), limit))
    return SchedulePreview(
        upcoming, text.describe(schedule), text.warnings(schedule, now=now if after is None else after)
    )


def _from(schedule: BoundedSchedule, *, created: datetime, after: datetime | None) -> Any:
    instant = schedule.first(created=created) if after is None else schedule.next_after(after)
    runs = 0
    while instant is not None and (schedule.max_runs is None or runs < schedule.max_runs):
        yield instant
        runs += 1
        instant = schedule.next_after(instant)


def next_runs(timer: Timer, *, limit: int, now: datetime) -> list[datetime]:
    """Return the next planned instants, none when the timer is not active."""
    row = timer.schedule
    if timer.status != TimerStatus.ACTIVE or row.next_run_at is None or row.next_planned_at is None:
        return []
    assert timer.definition is not None  # every timer has one from its creation on
    schedule = stored(timer.definition.schedule)
    left = limit if row.max_runs is None else min(limit, row.max_runs - row.fired_count)
    upcoming = [row.next_planned_at]
    while len(upcoming) < left and (instant := schedule.next_after(upcoming[-1])) is not None:
        upcoming.append(instant)
    return upcoming[:left]


def rule_fields(schedule: BoundedSchedule, policies: Policies) -> dict[str, Any]:
    """Return the columns of a schedule row that come from the rule and the policies."""
    window = policies.catch_up_window_seconds
    return {
        "kind": schedule.kind,
        "interval_us": getattr(schedule.rule, "interval_us", None),
        "end_at": schedule.end,
        "max_runs": schedule.max_runs,
        "overlap": policies.overlap,
        "catch_up": policies.catch_up,
        "catch_up_window_us": None if window is None else round(window * 1_000_000),
        "catch_up_limit": policies.catch_up_limit,
        "jitter_us": round(policies.jitter_seconds * 1_000_000),
        "has_window": schedule.window is not None,
    }
