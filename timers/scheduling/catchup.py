"""The catch-up decision: which due occurrences run, which are skipped and why, and the next one (docs/policies.md).

A decision costs a few look-ups in the schedule and one per occurrence that runs, however long an outage was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from timers.lifecycle import SkipReason, Trigger
from timers.scheduling.base import TICK
from timers.scheduling.bounds import BoundedSchedule

MISSED_AFTER = timedelta(seconds=60)
"""Lateness up to which an occurrence does not count as missed."""

DEFAULT_LIMIT = 100
"""Maximum number of missed occurrences that the policy `all` runs, unless the timer sets another one."""


class CatchUpPolicy(StrEnum):
    """The values of `catch_up`."""

    NONE = "none"
    """Missed occurrences are skipped."""
    LATEST = "latest"
    """Only the newest due occurrence runs."""
    ALL = "all"
    """Missed occurrences run one after the other, oldest first."""


@dataclass(frozen=True)
class Occurrence:
    """One planned instant that runs, with its trigger."""

    planned: datetime
    trigger: Trigger


@dataclass(frozen=True)
class SkippedRun:
    """Neighbouring occurrences that are skipped for one reason: the first, the last, and their number."""

    first: datetime
    last: datetime
    count: int
    reason: SkipReason


@dataclass(frozen=True)
class CatchUpPlan:
    """The decision to record: `fire` and `skipped`, oldest first, and the next planned instant, None if none is left.

    Each due occurrence is in exactly one of the two. Occurrences after the last allowed run do not exist.
    """

    fire: tuple[Occurrence, ...]
    skipped: tuple[SkippedRun, ...]
    next_planned: datetime | None


def plan(
    schedule: BoundedSchedule,
    *,
    due_since: datetime,
    now: datetime,
    horizon: datetime,
    policy: CatchUpPolicy,
    window: timedelta | None,
    limit: int = DEFAULT_LIMIT,
    runs_left: int | None = None,
    jitter: timedelta = timedelta(0),
) -> CatchUpPlan:
    """Return the decision on the occurrences from `due_since`, which is one itself, to `horizon`, both inclusive.

    `horizon` is not before `now`; occurrences between the two are claimed ahead and simply run. `window` is the maximum
    age of a missed occurrence that runs, None for any age. `jitter` is that of the timer: lateness counts from its end.
    """
    if runs_left is not None and runs_left <= 0:
        return CatchUpPlan(fire=(), skipped=(), next_planned=None)
    missed_before = now - MISSED_AFTER - jitter if schedule.rule.repeats else due_since
    due = _Due(schedule, since=due_since, newest=_latest(schedule, due_since, now), missed_before=missed_before)
    caught_up = due.caught_up(policy, due.oldest_within(window, now), limit)
    skipped = due.left_out(policy, due.oldest_within(window, now), caught_up)
    ahead, next_planned = _ahead(schedule, due_since, now, horizon)
    fire = [Occurrence(planned, Trigger.CATCH_UP) for planned in caught_up]
    fire += [Occurrence(planned, Trigger.SCHEDULE) for planned in (*due.on_time(), *ahead)]
    if runs_left is not None and len(fire) >= runs_left:
        return CatchUpPlan(tuple(fire[:runs_left]), skipped, next_planned=None)
    return CatchUpPlan(tuple(fire), skipped, next_planned)


def missed_in_pause(schedule: BoundedSchedule, *, since: datetime, until: datetime) -> SkippedRun | None:
    """Return the occurrences from `since` to `until`, both inclusive, as skipped by a pause; None if there are none."""
    first = schedule.next_after(since - TICK)
    if first is None or first > until:
        return None
    return _skipped(schedule, first, until, SkipReason.PAUSED)


def plan_paused(schedule: BoundedSchedule, *, due_since: datetime, horizon: datetime) -> CatchUpPlan:
    """Return the decision while all is paused: every occurrence from `due_since` to `horizon` is skipped."""
    skipped = _skipped(schedule, due_since, horizon, SkipReason.PAUSED)
    return CatchUpPlan(fire=(), skipped=(skipped,), next_planned=schedule.next_after(skipped.last))


_LEFT_OUT_BY = {
    CatchUpPolicy.NONE: SkipReason.CATCHUP_NONE,
    CatchUpPolicy.LATEST: SkipReason.CATCHUP_COALESCED,
    CatchUpPolicy.ALL: SkipReason.CATCHUP_LIMIT,
}


@dataclass(frozen=True)
class _Due:
    """The due occurrences from `since` to `newest`. All but the newest are missed, and any before `missed_before`."""

    schedule: BoundedSchedule
    since: datetime
    newest: datetime | None
    missed_before: datetime

    def on_time(self) -> tuple[datetime, ...]:
        """Return the newest occurrence if it is not missed. It may be late, but it simply runs."""
        return () if self.newest is None or self.newest < self.missed_before else (self.newest,)

    def last_missed(self) -> datetime | None:
        if self.newest is None or self.newest < self.missed_before:
            return self.newest
        return _latest(self.schedule, self.since, self.newest - TICK)

    def oldest_within(self, window: timedelta | None, now: datetime) -> datetime:
        """Return the instant before which a missed occurrence is too old to run."""
        return self.since if window is None or now - self.since <= window else now - window

    def caught_up(self, policy: CatchUpPolicy, oldest: datetime, limit: int) -> list[datetime]:
        """Return the missed occurrences that run, oldest first."""
        planned = self.last_missed()
        if policy is CatchUpPolicy.NONE or (policy is CatchUpPolicy.LATEST and self.on_time()):
            return []
        most = 1 if policy is CatchUpPolicy.LATEST else limit
        occurrences: list[datetime] = []
        while planned is not None and planned >= oldest and len(occurrences) < most:
            occurrences.append(planned)
            planned = _latest(self.schedule, self.since, planned - TICK)
        return occurrences[::-1]

    def left_out(self, policy: CatchUpPolicy, oldest: datetime, caught_up: list[datetime]) -> tuple[SkippedRun, ...]:
        """Return the missed occurrences that do not run: all that are older than those in `caught_up`."""
        last = _latest(self.schedule, self.since, caught_up[0] - TICK) if caught_up else self.last_missed()
        if last is None:
            return ()
        if policy is CatchUpPolicy.NONE or self.since >= oldest:
            return (_skipped(self.schedule, self.since, last, _LEFT_OUT_BY[policy]),)
        too_old = _skipped(self.schedule, self.since, min(last, oldest - TICK), SkipReason.CATCHUP_WINDOW)
        rest = self.schedule.next_after(too_old.last)
        if rest is None or rest > last:
            return (too_old,)
        return (too_old, _skipped(self.schedule, rest, last, _LEFT_OUT_BY[policy]))


def _ahead(
    schedule: BoundedSchedule, since: datetime, now: datetime, horizon: datetime
) -> tuple[list[datetime], datetime | None]:
    """Return the occurrences after `now` up to `horizon`, and the next one after them."""
    planned = since if since > now else schedule.next_after(now)
    occurrences: list[datetime] = []
    while planned is not None and planned <= horizon:
        occurrences.append(planned)
        planned = schedule.next_after(planned)
    return occurrences, planned


def _latest(schedule: BoundedSchedule, since: datetime, until: datetime) -> datetime | None:
    """Return the latest occurrence from `since`, which is one itself, to `until`; None if `until` is before `since`."""
    if until < since:
        return None
    occurrence = schedule.last_until(until)
    return since if occurrence is None else max(since, occurrence)


def _skipped(schedule: BoundedSchedule, first: datetime, until: datetime, reason: SkipReason) -> SkippedRun:
    """Return the occurrences from `first`, which is one itself, to `until`, as skipped together."""
    last = schedule.last_until(until)
    last = first if last is None else max(first, last)
    return SkippedRun(first, last, 1 + schedule.count_between(first, last), reason)
