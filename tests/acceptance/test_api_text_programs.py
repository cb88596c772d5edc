"""The programs of the published API text against a running installation, with their own dates and with later ones."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.client import programs
from tests.client.programs import LITERAL, TO_COME
from timers.client import OnceTimerSchedule, TimersAPIError, TimersClient, TransferData, TransferTimer

pytestmark = pytest.mark.acceptance

SECONDS = 60


@pytest.fixture
def client(live_timers: Any) -> TimersClient:
    for path in ("data/current/today.txt", "datasets/raw/1.csv", "datasets/processed/1.csv", "logs/1.log"):
        file = live_timers.source_root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    return TimersClient(live_timers.base_url, live_timers.token)


def soon(seconds: float) -> None:
    """Stand in for the waits of the text, which are made for timers that run for hours."""
    time.sleep(0.2)


def timer_of(client: TimersClient, timer_id: str) -> dict[str, Any]:
    timer: dict[str, Any] = client.get_timer(timer_id)["timer"]
    return timer


def next_run_of(timer: dict[str, Any]) -> datetime:
    assert timer["next_run_time"] == timer["next_run"]
    return datetime.fromisoformat(timer["next_run"])


def test_timers_are_created_listed_and_managed(client: TimersClient, live_timers: Any) -> None:
    places = (live_timers.source_collection, live_timers.destination_collection)
    created = {}

    for dates in (LITERAL, TO_COME):
        daily = created[dates] = programs.daily_backup(client, *places, dates)
        sync = programs.multi_path_sync(client, *places, dates)
        trigger = programs.flow_trigger(client, dates)
        _assert_on_the_grid(timer_of(client, daily), dates.text("2024-12-01T02:00:00Z"), timedelta(days=1))
        _assert_on_the_grid(timer_of(client, sync), dates.text("2024-12-01T01:00:00Z"), timedelta(days=1))
        _assert_on_the_grid(timer_of(client, trigger), dates.text("2024-12-01T00:00:00Z"), timedelta(days=1))
        assert timer_of(client, sync)["body"]["sync_level"] == 3
        assert timer_of(client, trigger)["timer_type"] == "webhook"
        _assert_schedules_of_the_text(client, places, dates)

    listed = programs.show_timers(client, created[LITERAL])
    assert created[LITERAL] in {timer["id"] for timer in listed}
    assert sorted(timer["id"] for timer in client.iter_timers(page_size=3)) == sorted(timer["id"] for timer in listed)

    for dates, timer_id in created.items():
        _assert_managed(client, timer_id, programs.manage_timer(client, timer_id, dates))


def _assert_schedules_of_the_text(client: TimersClient, places: tuple[str, str], dates: programs.Dates) -> None:
    for name, schedule in programs.schedules(dates).items():
        timer = programs.create_with(client, *places, schedule, name)
        end = schedule.get("end", {}).get("datetime")
        if end and datetime.fromisoformat(end) < datetime.now(UTC):
            assert (timer["status"], timer["next_run"]) == ("ended", None), name
        else:
            _assert_on_the_grid(timer, schedule["start"], timedelta(seconds=schedule["interval_seconds"]))


def _assert_on_the_grid(timer: dict[str, Any], start: str, interval: timedelta) -> None:
    first, following = datetime.fromisoformat(start), next_run_of(timer)

    assert timer["status"] == "active"
    assert (following - first) % interval == timedelta()
    assert following == first or datetime.now(UTC) - timedelta(minutes=1) < following < datetime.now(UTC) + interval


def _assert_managed(client: TimersClient, timer_id: str, answered: list[dict[str, Any]]) -> None:
    paused, resumed, updated, deleted = answered

    assert [timer["status"] for timer in answered] == ["paused", "active", "active", "deleted"]
    assert paused["next_run"] is None
    assert next_run_of(resumed) > datetime.now(UTC)
    assert updated["name"] == "Updated Daily Backup Timer"
    assert updated["schedule"]["interval_seconds"] == 43_200
    assert deleted["next_run"] is None
    assert timer_of(client, timer_id)["status"] == "deleted"
    assert timer_id not in {timer["id"] for timer in client.iter_timers()}
    with pytest.raises(TimersAPIError) as caught:
        client.resume_timer(timer_id)
    assert (caught.value.http_status, caught.value.code) == (409, "conflict")


def test_timers_run_and_are_monitored(client: TimersClient, live_timers: Any) -> None:
    places = (live_timers.source_collection, live_timers.destination_collection)

    to_come = programs.maintenance_window(client, *places, TO_COME)
    assert next_run_of(timer_of(client, to_come)) == TO_COME.naive(2024, 12, 15, 14, 30).astimezone()
    assert client.get_timer_executions(to_come)["executions"] == []

    past = programs.maintenance_window(client, *places, LITERAL)
    assert programs.monitor_timer_execution(client, past, SECONDS, wait=soon)
    [execution] = client.iter_executions(past)
    assert datetime.fromisoformat(execution["scheduled_for"]) == LITERAL.naive(2024, 12, 15, 14, 30).astimezone()
    assert (live_timers.destination_root / "backup/daily/today.txt").read_text() == "data/current/today.txt"
    assert timer_of(client, past)["status"] == "ended"

    failing = TransferData(*places)
    failing.add_item("/no/such/file.txt", "/copy.txt")
    made = client.create_timer(TransferTimer(name="Fails", schedule=OnceTimerSchedule(), body=failing))
    assert not programs.monitor_timer_execution(client, made["timer"]["id"], SECONDS, wait=soon)
    [execution] = client.iter_executions(made["timer"]["id"])
    assert "/no/such/file.txt" in execution["error_message"]
    assert execution["failure_reason"]


def test_our_own_methods_work_against_an_installation(client: TimersClient, live_timers: Any) -> None:
    daily = programs.daily_backup(client, live_timers.source_collection, live_timers.destination_collection)

    started = client.run_timer(daily)["execution"]
    finished = client.wait_for_execution(started["id"], timeout=SECONDS, poll=0.1)
    preview = client.preview_schedule(programs.schedules(TO_COME)["monthly_schedule"], limit=20)

    assert started["trigger"] == "manual"
    assert finished["status"] == "completed"
    assert [execution["id"] for execution in client.iter_executions(daily)] == [started["id"]]
    assert len(preview["next"]) == 12
    with pytest.raises(TimersAPIError) as caught:
        client.cancel_execution(started["id"])
    assert caught.value.http_status == 409
    with pytest.raises(TimersAPIError) as caught:
        client.create_timer({"timer_type": "transfer", "name": "x", "schedule": {"type": "sometimes"}, "body": {}})
    assert caught.value.http_status == 400
    assert any(name.startswith("schedule") for name in caught.value.fields)
    with pytest.raises(TimersAPIError) as caught:
        TimersClient(live_timers.base_url, "wrong").list_timers()
    assert caught.value.http_status == 401
