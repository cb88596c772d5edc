"""What runs, what is left out and why, and what comes next, for everything that can be due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timers.lifecycle import SkipReason, Trigger
from timers.scheduling.bounds import BoundedSchedule, parse_schedule
from timers.scheduling.catchup import CatchUpPlan, CatchUpPolicy, Occurrence, SkippedRun, missed_in_pause, plan
from timers.scheduling.interval import IntervalSchedule

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CATCH_UP, SCHEDULE = Trigger.CATCH_UP, Trigger.SCHEDULE
NONE, LATEST, ALL = CatchUpPolicy.NONE, CatchUpPolicy.LATEST, CatchUpPolicy.ALL


def every(interval: timedelta, **end: Any) -> BoundedSchedule:
    document = {"type": "recurring", "interval_seconds": interval.total_seconds(), "start": START, "end": end or None}
    return parse_schedule(document, now=START)


def plan_at(late: timedelta, policy: CatchUpPolicy = LATEST, **changes: Any) -> CatchUpPlan:
    """Return the plan for an hourly schedule whose first occurrence has been due for so long."""
    given: dict[str, Any] = {
        "schedule": every(HOUR),
        "due_since": START,
        "now": START + late,
        "horizon": START + late,
        "policy": policy,
        "window": DAY,
    }
    given |= changes
    return plan(given.pop("schedule"), **given)


def instants(*hours: int) -> list[datetime]:
    return [START + hour * HOUR for hour in hours]


def skipped(first: int, last: int, reason: SkipReason) -> SkippedRun:
    return SkippedRun(START + first * HOUR, START + last * HOUR, last - first + 1, reason)


# --- nothing missed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", CatchUpPolicy)
@pytest.mark.parametrize("late", [timedelta(0), SECOND, MINUTE])
def test_a_little_late_is_simply_late(policy: CatchUpPolicy, late: timedelta) -> None:
    assert plan_at(late, policy) == CatchUpPlan((Occurrence(START, SCHEDULE),), (), START + HOUR)


@pytest.mark.parametrize("policy", CatchUpPolicy)
def test_what_lies_ahead_of_now_is_claimed_up_to_the_horizon(policy: CatchUpPolicy) -> None:
    schedule = every(timedelta(seconds=0.1))

    planned = plan_at(
        timedelta(0), policy, schedule=schedule, now=START - SECOND / 20, horizon=START + timedelta(seconds=0.4)
    )

    assert [fire.planned for fire in planned.fire] == [START + number * SECOND / 10 for number in range(5)]
    assert {fire.trigger for fire in planned.fire} == {SCHEDULE}
    assert planned.skipped == ()
    assert planned.next_planned == START + timedelta(seconds=0.5)


def test_nothing_is_done_before_it_is_due() -> None:
    assert plan_at(-MINUTE) == CatchUpPlan((), (), START)


@pytest.mark.parametrize("policy", CatchUpPolicy)
def test_a_single_instant_in_the_past_runs_however_old_it_is(policy: CatchUpPolicy) -> None:
    schedule = parse_schedule({"type": "once", "datetime": START}, now=START)

    planned = plan_at(400 * DAY, policy, schedule=schedule, window=timedelta(0))

    assert planned == CatchUpPlan((Occurrence(START, SCHEDULE),), (), None)


# --- missed -----------------------------------------------------------------------------------------------------------


def test_none_leaves_out_what_is_missed_and_runs_the_one_that_is_on_time() -> None:
    planned = plan_at(3 * HOUR + MINUTE, NONE)

    assert planned.fire == (Occurrence(START + 3 * HOUR, SCHEDULE),)
    assert planned.skipped == (skipped(0, 2, SkipReason.CATCHUP_NONE),)
    assert planned.next_planned == START + 4 * HOUR


def test_none_leaves_out_the_newest_one_too_when_that_is_missed() -> None:
    planned = plan_at(3 * HOUR + 2 * MINUTE, NONE)

    assert planned.fire == ()
    assert planned.skipped == (skipped(0, 3, SkipReason.CATCHUP_NONE),)


def test_latest_runs_the_newest_of_those_that_are_due() -> None:
    planned = plan_at(3 * HOUR + 2 * MINUTE, LATEST)

    assert planned.fire == (Occurrence(START + 3 * HOUR, CATCH_UP),)
    assert planned.skipped == (skipped(0, 2, SkipReason.CATCHUP_COALESCED),)


def test_latest_is_an_ordinary_run_when_the_newest_is_on_time() -> None:
    assert plan_at(3 * HOUR, LATEST).fire == (Occurrence(START + 3 * HOUR, SCHEDULE),)


def test_all_runs_the_missed_ones_oldest_first() -> None:
    planned = plan_at(3 * HOUR + SECOND, ALL)

    assert [fire.planned for fire in planned.fire] == instants(0, 1, 2, 3)
    assert [fire.trigger for fire in planned.fire] == [CATCH_UP, CATCH_UP, CATCH_UP, SCHEDULE]
    assert planned.skipped == ()


def test_all_runs_the_newest_ones_when_they_are_too_many() -> None:
    planned = plan_at(9 * HOUR + 2 * MINUTE, ALL, limit=3)

    assert [fire.planned for fire in planned.fire] == instants(7, 8, 9)
    assert planned.skipped == (skipped(0, 6, SkipReason.CATCHUP_LIMIT),)


def test_all_stops_at_a_hundred() -> None:
    planned = plan_at(200 * HOUR + 2 * MINUTE, ALL, window=None)

    assert len(planned.fire) == 100
    assert planned.skipped == (skipped(0, 100, SkipReason.CATCHUP_LIMIT),)


def test_what_is_older_than_the_window_is_left_out_for_that() -> None:
    late = 9 * HOUR + 2 * MINUTE

    assert plan_at(late, LATEST, window=5 * HOUR).skipped == (
        skipped(0, 4, SkipReason.CATCHUP_WINDOW),
        skipped(5, 8, SkipReason.CATCHUP_COALESCED),
    )
    assert plan_at(late, ALL, window=5 * HOUR, limit=2).skipped == (
        skipped(0, 4, SkipReason.CATCHUP_WINDOW),
        skipped(5, 7, SkipReason.CATCHUP_LIMIT),
    )
    assert plan_at(late, NONE, window=5 * HOUR).skipped == (skipped(0, 9, SkipReason.CATCHUP_NONE),)


@pytest.mark.parametrize("policy", [LATEST, ALL])
def test_nothing_is_made_up_when_all_is_older_than_the_window(policy: CatchUpPolicy) -> None:
    planned = plan_at(3 * HOUR + 30 * MINUTE, policy, window=10 * MINUTE)

    assert planned == CatchUpPlan((), (skipped(0, 3, SkipReason.CATCHUP_WINDOW),), START + 4 * HOUR)


def test_the_window_spares_what_is_merely_late() -> None:
    assert plan_at(MINUTE, LATEST, window=timedelta(0)).fire == (Occurrence(START, SCHEDULE),)


def test_the_edge_of_the_window_is_inside() -> None:
    assert plan_at(2 * HOUR, ALL, window=2 * HOUR).skipped == ()
    assert plan_at(2 * HOUR, ALL, window=2 * HOUR - SECOND).skipped == (skipped(0, 0, SkipReason.CATCHUP_WINDOW),)


def test_a_window_may_be_as_long_as_it_likes() -> None:
    assert plan_at(3 * HOUR, ALL, window=timedelta.max).skipped == ()


def test_being_late_counts_from_the_end_of_jitter() -> None:
    assert plan_at(20 * MINUTE, NONE).fire == ()
    assert plan_at(20 * MINUTE, NONE, jitter=20 * MINUTE).fire == (Occurrence(START, SCHEDULE),)


def test_a_year_of_seconds_is_planned_without_walking_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []
    number_until = IntervalSchedule._number_until

    def counted(rule: IntervalSchedule, instant: datetime) -> int:
        asked.append(instant)
        return number_until(rule, instant)

    monkeypatch.setattr(IntervalSchedule, "_number_until", counted)

    planned = plan_at(365 * DAY, LATEST, schedule=every(SECOND))

    assert [run.count for run in planned.skipped] == [364 * 86_400, 86_400]
    assert len(planned.fire) == 1
    assert len(asked) < 30


def test_a_year_of_a_cron_rule_is_counted_over_its_clock_changes() -> None:
    rule = {"type": "cron", "expression": "0 30 1,2 * * ?", "timezone": "Europe/Berlin", "dst_overlap": "both"}
    schedule = parse_schedule(rule, now=START)
    first = schedule.next_after(START)
    assert first is not None

    planned = plan(
        schedule, due_since=first, now=first + 365 * DAY, horizon=first + 365 * DAY, policy=LATEST, window=None
    )

    assert planned.skipped[0].count == 2 * 365 + 1
    assert planned.fire[0].planned == first + 365 * DAY


# --- the last runs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("runs_left", "hours"), [(0, []), (1, [0]), (2, [0, 1]), (3, [0, 1, 2])])
def test_no_more_run_than_are_left(runs_left: int, hours: list[int]) -> None:
    planned = plan_at(2 * HOUR, ALL, runs_left=runs_left)

    assert [fire.planned for fire in planned.fire] == instants(*hours)
    assert planned.skipped == ()
    assert planned.next_planned is None


def test_runs_that_are_left_over_wait_for_the_next() -> None:
    assert plan_at(2 * HOUR, ALL, runs_left=4).next_planned == START + 3 * HOUR


def test_what_is_left_out_is_no_run() -> None:
    planned = plan_at(3 * HOUR + 2 * MINUTE, NONE, runs_left=1)

    assert planned == CatchUpPlan((), (skipped(0, 3, SkipReason.CATCHUP_NONE),), START + 4 * HOUR)


def test_after_the_end_nothing_follows() -> None:
    schedule = every(HOUR, condition="time", datetime="2026-06-01T14:00:00Z")

    planned = plan_at(9 * HOUR, LATEST, schedule=schedule)

    assert planned.fire == (Occurrence(START + 2 * HOUR, CATCH_UP),)
    assert planned.skipped == (skipped(0, 1, SkipReason.CATCHUP_COALESCED),)
    assert planned.next_planned is None


# --- everything against the sentences of the rule ---------------------------------------------------------------------


@dataclass(frozen=True)
class Situation:
    """An outage of a schedule of every `interval` seconds; all durations are in seconds."""

    interval: int
    late: int
    ahead: int
    window: int | None
    limit: int
    policy: CatchUpPolicy

    def plan(self, runs_left: int | None) -> CatchUpPlan:
        return plan(
            every(self.interval * SECOND),
            due_since=START,
            now=START + self.late * SECOND,
            horizon=START + (self.late + self.ahead) * SECOND,
            policy=self.policy,
            window=None if self.window is None else self.window * SECOND,
            limit=self.limit,
            runs_left=runs_left,
        )

    def fates(self) -> list[tuple[int, Trigger | SkipReason]]:
        """Return every occurrence, in seconds after the start, and what the rule says about it."""
        due = list(range(0, self.late + 1, self.interval))
        missed = [at for at in due if self.late - at > 60 or at != due[-1]]
        kept = [at for at in missed if self.window is None or self.late - at <= self.window]
        runs = {NONE: [], LATEST: [at for at in kept if at == due[-1]], ALL: kept[-self.limit :]}[self.policy]
        fates: list[tuple[int, Trigger | SkipReason]] = []
        for at in range(0, self.late + self.ahead + 1, self.interval):
            if at not in missed:
                fates.append((at, SCHEDULE))
            elif at in runs:
                fates.append((at, CATCH_UP))
            elif self.policy is NONE:
                fates.append((at, SkipReason.CATCHUP_NONE))
            elif at not in kept:
                fates.append((at, SkipReason.CATCHUP_WINDOW))
            else:
                fates.append((at, {LATEST: SkipReason.CATCHUP_COALESCED, ALL: SkipReason.CATCHUP_LIMIT}[self.policy]))
        return fates


situations = st.builds(
    Situation,
    interval=st.integers(1, 200),
    late=st.integers(0, 900),
    ahead=st.integers(0, 100),
    window=st.none() | st.integers(0, 1_000),
    limit=st.integers(1, 20),
    policy=st.sampled_from(CatchUpPolicy),
)


@settings(max_examples=400, deadline=None)
@given(situations)
def test_every_occurrence_has_exactly_the_fate_of_the_rule(situation: Situation) -> None:
    planned = situation.plan(runs_left=None)

    found: list[tuple[int, Trigger | SkipReason]] = []
    found += [((fire.planned - START) // SECOND, fire.trigger) for fire in planned.fire]
    for run in planned.skipped:
        first, last = (run.first - START) // SECOND, (run.last - START) // SECOND
        covered = range(first, last + 1, situation.interval)
        assert (covered[-1], len(covered)) == (last, run.count)
        found += [(at, run.reason) for at in covered]
    assert sorted(found) == situation.fates()
    assert planned.next_planned == START + (situation.fates()[-1][0] + situation.interval) * SECOND


@given(situations, st.integers(0, 30))
def test_a_number_of_runs_cuts_the_plan_short(situation: Situation, runs_left: int) -> None:
    whole, cut = situation.plan(runs_left=None), situation.plan(runs_left=runs_left)

    assert cut.fire == whole.fire[:runs_left]
    assert cut.skipped == (whole.skipped if runs_left else ())
    assert cut.next_planned == (whole.next_planned if len(whole.fire) < runs_left else None)


# --- pauses -----------------------------------------------------------------------------------------------------------


def test_a_pause_leaves_out_what_lay_within_it() -> None:
    found = missed_in_pause(every(HOUR), since=START + HOUR, until=START + 4 * HOUR)

    assert found == skipped(1, 4, SkipReason.PAUSED)


def test_a_pause_between_two_occurrences_leaves_out_nothing() -> None:
    assert missed_in_pause(every(HOUR), since=START + MINUTE, until=START + 59 * MINUTE) is None


def test_a_pause_leaves_out_a_single_instant() -> None:
    schedule = parse_schedule({"type": "once", "datetime": START}, now=START)

    assert missed_in_pause(schedule, since=START - DAY, until=START + DAY) == skipped(0, 0, SkipReason.PAUSED)
