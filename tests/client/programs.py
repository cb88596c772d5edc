"""The programs of the published API text, line by line where possible.

Each takes a client and the ids of two collections. The text was written for dates that now lie in the past; `SHIFT`
moves them, so the same program runs with the literal dates and with dates still to come.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from timers.client import (
    OnceTimerSchedule,
    RecurringTimerSchedule,
    TimerJob,
    TimersClient,
    TransferData,
    TransferTimer,
)

CALLBACK_URL = "https://flows.globus.org/webhook/trigger-flow"


@dataclass(frozen=True)
class Dates:
    """The dates of the text, moved by a number of years."""

    years: int = 0

    def text(self, literal: str) -> str:
        """Return the text of an instant such as 2024-12-01T02:00:00Z, moved."""
        return f"{int(literal[:4]) + self.years}{literal[4:]}"

    def naive(self, *parts: int) -> datetime.datetime:
        """Return an instant in local time, moved."""
        return datetime.datetime(parts[0] + self.years, *parts[1:])  # type: ignore[misc,arg-type]  # noqa: DTZ001


LITERAL = Dates()
TO_COME = Dates(years=datetime.datetime.now(datetime.UTC).year + 1 - 2024)


def daily_backup(timers_client: TimersClient, source: str, destination: str, dates: Dates = LITERAL) -> str:
    """Create a transfer that repeats daily from a given instant; return the timer's id."""
    timers_client.add_app_transfer_data_access_scope([source, destination])
    transfer_data = TransferData(
        source_endpoint=source, destination_endpoint=destination, label="Automated Daily Backup"
    )
    transfer_data.add_item("/data/current/", "/backup/daily/", recursive=True)
    daily_schedule = RecurringTimerSchedule(
        interval_seconds=24 * 60 * 60,
        start=dates.text("2024-12-01T02:00:00Z"),
    )
    backup_timer = TransferTimer(name="Daily Data Backup", schedule=daily_schedule, body=transfer_data)
    timer_response = timers_client.create_timer(backup_timer)
    timer_id = timer_response["timer"]["id"]
    print(f"Created daily backup timer: {timer_id}")
    return str(timer_id)


def maintenance_window(timers_client: TimersClient, source: str, destination: str, dates: Dates = LITERAL) -> str:
    """Create a transfer at one instant in local time; return the timer's id."""
    transfer_data = TransferData(source_endpoint=source, destination_endpoint=destination)
    transfer_data.add_item("/data/current/", "/backup/daily/", recursive=True)
    future_time = dates.naive(2024, 12, 15, 14, 30, 0)
    once_schedule = OnceTimerSchedule(datetime=future_time)
    maintenance_transfer = TransferTimer(name="Maintenance Window Transfer", schedule=once_schedule, body=transfer_data)
    one_time_timer = timers_client.create_timer(maintenance_transfer)
    print(f"Scheduled one-time transfer: {one_time_timer['timer']['id']}")
    return str(one_time_timer["timer"]["id"])


def schedules(dates: Dates = LITERAL) -> dict[str, RecurringTimerSchedule]:
    """Return every repeating schedule of the text, by what the text calls it."""
    return {
        "weekly_schedule": RecurringTimerSchedule(
            interval_seconds=7 * 24 * 60 * 60,
            start=dates.text("2024-12-01T02:00:00Z"),
            end={"condition": "time", "datetime": dates.text("2025-12-01T02:00:00Z")},
        ),
        "monthly_schedule": RecurringTimerSchedule(
            interval_seconds=30 * 24 * 60 * 60,
            start=dates.text("2024-12-01T00:00:00Z"),
            end={"condition": "iterations", "n": 12},
        ),
        "hourly_sync": RecurringTimerSchedule.every_hour(start=dates.text("2024-12-01T00:00:00Z")),
        "daily_report": RecurringTimerSchedule.every_day(
            start=dates.text("2024-12-01T06:00:00Z"),
            end={"condition": "iterations", "n": 365},
        ),
        "smart_schedule": RecurringTimerSchedule(
            interval_seconds=60 * 60,
            start=dates.text("2024-12-01T00:00:00Z"),
            end={"condition": "time", "datetime": dates.text("2025-01-01T00:00:00Z")},
        ),
        "limited_timer": RecurringTimerSchedule(
            interval_seconds=6 * 60 * 60,
            start=dates.text("2024-12-01T00:00:00Z"),
            end={"condition": "iterations", "n": 100},
        ),
        "business_hours_schedule": RecurringTimerSchedule(
            interval_seconds=24 * 60 * 60,
            start=dates.text("2024-12-01T09:00:00-05:00"),
            end={"condition": "time", "datetime": dates.text("2025-12-01T09:00:00-05:00")},
        ),
    }


def create_with(timers_client: TimersClient, source: str, destination: str, schedule: Any, name: str) -> dict[str, Any]:
    """Create a transfer with a given schedule; return the timer."""
    body = TransferData(source, destination)
    body.add_item("/data/current/", f"/backup/{name}/", recursive=True)
    timer: dict[str, Any] = timers_client.create_timer(TransferTimer(name=name, schedule=schedule, body=body))["timer"]
    return timer


def show_timers(timers_client: TimersClient, timer_id: str) -> list[dict[str, Any]]:
    """List timers, show one in detail and its history; return the list."""
    timers_list = timers_client.list_timers(limit=50)
    for timer in timers_list["timers"]:
        print(f"Timer: {timer['name']} ({timer['id']})")
        print(f"  Status: {timer['status']}")
        print(f"  Next run: {timer.get('next_run_time', 'N/A')}")

    timer_details = timers_client.get_timer(timer_id)
    print(f"Timer created: {timer_details['timer']['created_at']}")
    print(f"Schedule: {timer_details['timer']['schedule']}")

    executions = timers_client.get_timer_executions(timer_id, limit=10)
    for execution in executions["executions"]:
        print(f"Execution {execution['id']}: {execution['status']}")
        if execution.get("completion_time"):
            print(f"  Completed: {execution['completion_time']}")
        if execution.get("error_message"):
            print(f"  Error: {execution['error_message']}")
    return list(timers_list["timers"])


def manage_timer(timers_client: TimersClient, timer_id: str, dates: Dates = LITERAL) -> list[dict[str, Any]]:
    """Pause, resume, update and delete a timer; return what each step answered."""
    paused = timers_client.pause_timer(timer_id)
    print("Timer paused")
    resumed = timers_client.resume_timer(timer_id)
    print("Timer resumed")
    update_data = {
        "name": "Updated Daily Backup Timer",
        "schedule": {
            "type": "recurring",
            "interval_seconds": 12 * 60 * 60,
            "start": dates.text("2024-12-01T02:00:00Z"),
        },
    }
    updated = timers_client.update_timer(timer_id, update_data)
    print("Timer schedule updated")
    deleted = timers_client.delete_timer(timer_id)
    print("Timer deleted")
    return [answer["timer"] for answer in (paused, resumed, updated, deleted)]


def multi_path_sync(timers_client: TimersClient, source: str, destination: str, dates: Dates = LITERAL) -> str:
    """Create a nightly transfer of three folders, compared by checksum; return the timer's id."""
    multi_transfer_data = TransferData(
        source_endpoint=source,
        destination_endpoint=destination,
        label="Multi-Path Sync",
        sync_level="checksum",
        verify_checksum=True,
    )
    multi_transfer_data.add_item("/datasets/raw/", "/archive/raw/", recursive=True)
    multi_transfer_data.add_item("/datasets/processed/", "/archive/processed/", recursive=True)
    multi_transfer_data.add_item("/logs/", "/archive/logs/", recursive=True)
    nightly_sync = TransferTimer(
        name="Nightly Multi-Path Sync",
        schedule=RecurringTimerSchedule.every_day(start=dates.text("2024-12-01T01:00:00Z")),
        body=multi_transfer_data,
    )
    sync_timer = timers_client.create_timer(nightly_sync)
    return str(sync_timer["timer"]["id"])


def monitor_timer_execution(
    timers_client: TimersClient,
    timer_id: str,
    timeout: float = 3600,
    *,
    wait: Callable[[float], None] = time.sleep,
) -> bool:
    """Monitor timer execution with error handling; the text's waits of 30 and 60 seconds go through `wait`."""
    start_time = time.time()
    while time.time() - start_time < timeout:
        try:
            executions = timers_client.get_timer_executions(timer_id, limit=5)
            for execution in executions["executions"]:
                status = execution["status"]
                if status == "completed":
                    print(f"Execution {execution['id']} completed successfully")
                    return True
                if status == "failed":
                    error_msg = execution.get("error_message", "Unknown error")
                    print(f"Execution {execution['id']} failed: {error_msg}")
                    exec_details = timers_client.get_execution(execution["id"])
                    print(f"Failure details: {exec_details.get('failure_reason', 'N/A')}")
                    return False
                if status in ["running", "pending"]:
                    print(f"Execution {execution['id']} is {status}")
            wait(30)
        except Exception as e:  # the text's own words
            print(f"Error monitoring timer: {e}")
            wait(60)
    print(f"Monitoring timeout after {timeout} seconds")
    return False


def flow_trigger(timers_client: TimersClient, dates: Dates = LITERAL, callback_url: str = CALLBACK_URL) -> str:
    """Create a job of the older kind, which calls a URL daily; return the timer's id."""
    webhook_timer_job = TimerJob(
        name="Periodic Flow Trigger",
        callback_url=callback_url,
        interval=24 * 60 * 60,
        start_time=dates.text("2024-12-01T00:00:00Z"),
    )
    webhook_timer = timers_client.create_job(webhook_timer_job)
    return str(webhook_timer["timer"]["id"])
