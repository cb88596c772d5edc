"""The plan for what has come due: nothing is written, and no timer harms its neighbour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from timers.errors import Invalid
from timers.lifecycle import SkipReason, Trigger
from timers.services.timers.schedules import DueSchedule, plan_due, preview

TIMER = UUID("11111111-2222-4333-8444-555555555555")
HOUR = timedelta(hours=1)
START = "2026-03-02T12:00:00+00:00"


def _due(now: datetime, **changes: Any) -> DueSchedule:
    fields = {
        "timer_id": TIMER,
        "definition_id": 1,
        "document": {"type": "recurring", "interval_seconds": 3600, "start": START},
        "kind": "recurring",
        "next_planned_at": now,
        "max_runs": None,
        "fired_count": 0,
        "catch_up": "latest",
        "catch_up_window_us": None,
        "jitter_us": 0,
        "catch_up_limit": 100,
        "all_paused": False,
    }
    return DueSchedule(**{**fields, **changes})


def test_what_is_due_fires_and_the_next_one_is_on_the_grid(now: datetime) -> None:
    (move,) = plan_due([_due(now)], now=now + timedelta(seconds=3), horizon=now + timedelta(seconds=3.5))

    assert [(fire.planned, fire.trigger) for fire in move.fire] == [(now, Trigger.SCHEDULE)]
    assert (move.next_planned_at, move.next_run_at, move.watermark_at) == (now + HOUR, now + HOUR, now)


def test_after_an_outage_the_newest_runs_and_the_others_are_counted(now: datetime) -> None:
    later = now + 5 * HOUR + timedelta(minutes=5)

    (move,) = plan_due([_due(now)], now=later, horizon=later)

    assert [(fire.planned, fire.trigger) for fire in move.fire] == [(now + 5 * HOUR, Trigger.CATCH_UP)]
    assert [(run.count, run.reason) for run in move.skipped] == [(5, SkipReason.CATCHUP_COALESCED)]


def test_a_rule_that_cannot_be_planned_is_its_own_error_only(now: datetime) -> None:
    broken = _due(now, document={"type": "cron", "expression": "not a rule"}, kind="cron")

    bad, good = plan_due([broken, _due(now)], now=now, horizon=now)

    assert bad.error is not None
    assert bad.fire == ()
    assert len(good.fire) == 1


def test_jitter_delays_the_start_and_not_the_plan(now: datetime) -> None:
    (move,) = plan_due([_due(now, jitter_us=600_000_000)], now=now, horizon=now)

    (fire,) = move.fire
    assert fire.planned == now
    assert timedelta() <= fire.run_at - now <= timedelta(minutes=10)
    assert move.next_planned_at == now + HOUR
    assert move.next_run_at is not None
    assert timedelta() <= move.next_run_at - move.next_planned_at <= timedelta(minutes=10)


def test_the_last_run_leaves_nothing_to_come(now: datetime) -> None:
    (move,) = plan_due([_due(now, max_runs=3, fired_count=2)], now=now, horizon=now)

    assert len(move.fire) == 1
    assert (move.next_planned_at, move.next_run_at) == (None, None)


def test_a_preview_tells_when_and_in_words(now: datetime) -> None:
    shown = preview(
        {"type": "cron", "expression": "0 30 2 * * ?", "timezone": "America/New_York"}, limit=7, after=None, now=now
    )

    assert len(shown.next) == 7
    assert "02:30" in shown.description
    assert any("8 Mar" in warning for warning in shown.warnings)


def test_a_preview_of_a_rule_that_never_fires_warns(now: datetime) -> None:
    shown = preview({"type": "cron", "expression": "0 0 0 30 2 ?"}, limit=5, after=None, now=now)

    assert shown.next == []
    assert shown.warnings


def test_a_preview_of_a_wrong_rule_names_the_field(now: datetime) -> None:
    with pytest.raises(Invalid) as caught:
        preview({"type": "cron", "expression": "* *"}, limit=5, after=None, now=now)

    assert set(caught.value.fields) == {"schedule.expression"}


def test_a_preview_stops_after_the_last_run(now: datetime) -> None:
    rule = {"type": "recurring", "interval_seconds": 60, "end": {"condition": "iterations", "n": 2}}

    assert preview(rule, limit=10, after=None, now=now).next == [now, now + timedelta(minutes=1)]


def test_a_preview_ends_where_the_calendar_does(now: datetime) -> None:
    rule = {"type": "cron", "expression": "0 0 0 29 2 *"}

    shown = preview(rule, limit=5, after=datetime(9991, 1, 1, tzinfo=UTC), now=now)

    assert [instant.year for instant in shown.next] == [9992, 9996]


def test_a_once_rule_without_an_instant_is_now_and_surprises_nobody(now: datetime) -> None:
    shown = preview({"type": "once"}, limit=5, after=None, now=now)

    assert (shown.next, shown.warnings) == ([now], [])


def test_a_preview_of_later_days_warns_of_their_clock_changes(now: datetime) -> None:
    rule = {"type": "cron", "expression": "0 30 2 * * ?", "timezone": "America/New_York"}

    shown = preview(rule, limit=3, after=datetime(2027, 3, 12, tzinfo=UTC), now=now)

    assert any("14 Mar 2027" in warning for warning in shown.warnings)
