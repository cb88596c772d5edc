"""What a window leaves out is recorded: once, with a count and a reason, and only as far as it really was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.engine.steps import claim_at, planned, run_due
from tests.factories import make_webhook_timer
from timers.models import Execution, Timer
from timers.services.timers import commands as timers

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
WINDOW = {"between": ["09:00", "13:00"], "weekdays": "MON-FRI"}


def make(owner: Any, *, now: datetime = NOON, seconds: int = 1800) -> Timer:
    schedule = {"type": "recurring", "interval_seconds": seconds, "start": now.isoformat(), "window": WINDOW}
    return make_webhook_timer(owner, now=now, schedule=schedule)


def skipped(timer: Timer) -> list[tuple[datetime, datetime | None, int]]:
    rows = Execution.objects.filter(timer=timer, status="skipped", skip_reason="excluded_date")
    return list(rows.order_by("scheduled_for").values_list("scheduled_for", "scheduled_until", "occurrences"))


def at(hour: float, day: int = 2) -> datetime:
    return datetime(2026, 3, day, tzinfo=UTC) + timedelta(hours=hour)


def test_a_timer_made_while_the_window_is_closed_says_what_it_skips(owner: Any) -> None:
    timer = make(owner, now=at(20))

    assert skipped(timer) == [(at(20), at(8.5, day=3), 26)]
    assert timer.schedule.next_run_at == at(9, day=3)


def test_the_last_one_before_the_closing_skips_up_to_the_next_opening(owner: Any) -> None:
    timer = make(owner)
    for number in range(3):
        run_due(at(12 + number / 2))

    timer.refresh_from_db()
    assert planned(timer) == [at(12), at(12.5), at(13), at(13.5)]
    assert skipped(timer) == [(at(13.5), at(8.5, day=3), 39)]
    assert timer.schedule.next_run_at == at(9, day=3)


def test_an_outage_over_days_leaves_no_occurrence_without_a_record(owner: Any) -> None:
    timer = make(owner)
    claim_at(at(10, day=4))

    rows = Execution.objects.filter(timer=timer)
    assert sum(row.occurrences for row in rows if row.scheduled_for < at(10, day=4)) == 92
    assert [row[2] for row in skipped(timer)] == [39, 39]
    assert set(rows.filter(status="pending").values_list("scheduled_for", flat=True)) == {at(10, day=4)}


def test_a_changed_schedule_cuts_off_what_was_skipped_ahead(owner: Any) -> None:
    timer = make(owner, now=at(20))

    timers.update(
        timer,
        changes={"schedule": {"type": "recurring", "interval_seconds": 60}},
        by=owner,
        now=at(22) + timedelta(1e-9),
    )

    assert skipped(timer) == [(at(20), at(22), 5)]


def test_a_pause_and_a_window_share_what_they_skip(owner: Any) -> None:
    timer = make(owner)
    run_due(at(12))
    timers.pause(timer, by=owner, now=at(12.25))

    timers.resume(timer, by=owner, now=at(20))

    assert list(
        Execution.objects.filter(timer=timer, skip_reason="paused").values_list("scheduled_for", "occurrences")
    ) == [(at(12.5), 2)]
    assert skipped(timer) == [(at(13.5), at(8.5, day=3), 39)]
    timer.refresh_from_db()
    assert timer.schedule.next_run_at == at(9, day=3)


def test_a_deleted_timer_skips_nothing_any_more(owner: Any) -> None:
    timer = make(owner, now=at(20))

    timers.delete(timer, by=owner, now=at(20.75))

    assert skipped(timer) == [(at(20), at(20.5), 2)]
