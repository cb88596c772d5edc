"""Examples: windows, calendar days and load that decide when a function runs."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.codetimers.conftest import Stage, module_of
from timers import timer
from timers.services.timers import commands as timers
from timers.services.timers import schedules

pytestmark = pytest.mark.django_db


def next_runs(stage: Stage, name: str, number: int) -> list[str]:
    timer = stage.timer(name)
    zone = ZoneInfo(timer.definition.schedule.get("timezone", "UTC"))  # type: ignore[union-attr]
    found = schedules.next_runs(timer, limit=number, now=stage.now)
    return [f"{each.astimezone(zone):%a %d %b %H:%M}" for each in found]


def test_a_task_runs_in_business_hours_only_and_says_what_it_skipped(stage: Stage) -> None:
    @timer(interval=3600, between=("09:00", "17:00"), weekdays="MON-FRI", timezone="Europe/Berlin")
    def business_task() -> None: ...

    stage.install(module_of(business_task))  # Monday, 13:00 in Berlin
    stage.pass_time(24 * 3600, step=3600)

    name = "shop.jobs.business_task"
    hours = [each.scheduled_for.hour for each in stage.executions(name, status="completed")]
    assert hours == [*range(13, 17), *range(8, 13)]
    (skipped,) = stage.executions(name, status="skipped")
    assert (skipped.skip_reason, skipped.occurrences) == ("excluded_date", 15)
    assert (skipped.scheduled_for, skipped.scheduled_until) == (
        datetime(2026, 3, 2, 17, tzinfo=UTC),
        datetime(2026, 3, 3, 7, tzinfo=UTC),
    )


def test_a_window_that_is_closed_at_the_declaration_is_told_at_once(stage: Stage) -> None:
    @timer(interval=0.5, between=("02:00", "03:00"))
    def at_night() -> None: ...

    stage.install(module_of(at_night))

    (skipped,) = stage.executions("shop.jobs.at_night")
    assert (skipped.status, skipped.skip_reason, skipped.occurrences) == ("skipped", "excluded_date", 14 * 7200 - 1)


def test_the_end_of_a_business_day_is_a_cron_rule(stage: Stage) -> None:
    @timer(cron="0 0 18 ? * MON-FRI", timezone="America/New_York")
    def end_of_day() -> None: ...

    stage.install(module_of(end_of_day))
    stage.now = datetime(2026, 3, 6, 23, tzinfo=UTC)
    stage.run_due()

    assert next_runs(stage, "shop.jobs.end_of_day", 2) == ["Mon 09 Mar 18:00", "Tue 10 Mar 18:00"]
    assert stage.statuses("shop.jobs.end_of_day")[-1] == "completed"


def test_the_first_and_the_last_day_of_the_month_are_cron_rules(stage: Stage) -> None:
    @timer(cron="0 30 6 1 * ?")
    def first_of_month() -> None: ...

    @timer(cron="0 0 22 L * ?")
    def last_of_month() -> None: ...

    @timer(cron="0 0 22 LW * ?")
    def last_working_day() -> None: ...

    stage.install(module_of(first_of_month, last_of_month, last_working_day))

    assert next_runs(stage, "shop.jobs.first_of_month", 2) == ["Wed 01 Apr 06:30", "Fri 01 May 06:30"]
    assert next_runs(stage, "shop.jobs.last_of_month", 2) == ["Tue 31 Mar 22:00", "Thu 30 Apr 22:00"]
    assert next_runs(stage, "shop.jobs.last_working_day", 3)[-1] == "Fri 29 May 22:00"


def test_load_decides_at_the_start_and_the_reason_is_recorded(stage: Stage) -> None:
    load = iter([0.93, 0.5, 0.1])

    class Adaptive:
        name = "adaptive"

        def is_busy(self) -> str | None:
            self.load = next(load)
            return f"The load is {self.load}." if self.load > 0.8 else None

        @timer(interval=3600, skip_if=is_busy)
        def process(self) -> str:
            return "intensive" if self.load < 0.3 else "standard"

    stage.install(module_of(Adaptive))
    stage.pass_time(3 * 3600, step=3600)

    skipped, standard, intensive = stage.executions("adaptive.process")
    assert (skipped.status, skipped.skip_reason, skipped.error_message) == ("skipped", "skip_if", "The load is 0.93.")
    assert (skipped.attempt, skipped.started_at) == (0, None)
    assert [standard.result, intensive.result] == [{"value": "standard"}, {"value": "intensive"}]
    assert stage.timer("adaptive.process").schedule.run_count == 2


def test_a_condition_without_arguments_and_one_that_fails(stage: Stage) -> None:
    @timer(interval=60, skip_if=lambda: True)
    def never() -> None: ...

    @timer(interval=60, skip_if=lambda: 1 // 0)
    def broken() -> None: ...

    stage.install(module_of(never, broken))
    stage.pass_time(60)

    (skipped,), (failed,) = stage.executions("shop.jobs.never"), stage.executions("shop.jobs.broken")
    assert (skipped.status, skipped.error_message) == ("skipped", "Its condition returned true.")
    assert (failed.status, failed.failure_reason) == ("failed", "error")


def test_a_run_by_hand_asks_neither_window_nor_condition(stage: Stage) -> None:
    @timer(interval=60, skip_if=lambda: True, between=("01:00", "02:00"))
    def by_hand() -> str:
        return "ran"

    (made,) = stage.install(module_of(by_hand))
    timers.run_now(made, by=None, now=stage.now)
    stage.run_due()

    assert [each.result for each in stage.executions("shop.jobs.by_hand", trigger="manual")] == [{"value": "ran"}]
