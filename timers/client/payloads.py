"""Timers and schedules in the form in which they are sent: every object is a dict."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, Literal, Self
from uuid import UUID

HOUR: Final = 3_600
DAY: Final = 24 * HOUR


class MissingType:
    """The type of MISSING, the value of an option that was not given. It is not sent; None is sent as null."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = MissingType()

Instant = str | dt.datetime


def wire(value: Any) -> Any:
    """Return the value as it is sent: instants with offset, durations in seconds, without MISSING fields."""
    match value:
        case Mapping():
            return {str(name): wire(item) for name, item in value.items() if item is not MISSING}
        case list() | tuple() | set() | frozenset():
            return [wire(item) for item in value if item is not MISSING]
        case dt.datetime():
            return with_offset(value).isoformat()
        case dt.timedelta():
            seconds = value.total_seconds()
            return int(seconds) if seconds.is_integer() else seconds
        case UUID():
            return str(value)
    return value


def with_offset(instant: dt.datetime) -> dt.datetime:
    """Return the instant with an offset. One without an offset is in this machine's local time."""
    return instant.astimezone() if instant.tzinfo is None else instant


class Payload(dict[str, Any]):
    """A dict that takes its fields by keyword and keeps them in the form in which they are sent."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(wire(fields))


# Schedules


class OnceTimerSchedule(Payload):
    """Schedule that runs once: at `datetime`, or now."""

    def __init__(self, datetime: Instant | MissingType = MISSING, **more: Any) -> None:
        super().__init__(type="once", datetime=datetime, **more)


class RecurringTimerSchedule(Payload):
    """Schedule that runs every `interval_seconds` from `start` (default: now) until `end`, if there is one.

    `end` is `{"condition": "time", "datetime": ...}` or `{"condition": "iterations", "n": ...}`.
    """

    def __init__(
        self,
        interval_seconds: float | dt.timedelta,
        *,
        start: Instant | MissingType = MISSING,
        end: Mapping[str, Any] | MissingType = MISSING,
        **more: Any,
    ) -> None:
        super().__init__(type="recurring", interval_seconds=interval_seconds, start=start, end=end, **more)

    @classmethod
    def every_hour(cls, **options: Any) -> Self:
        """Return a schedule that runs every hour."""
        return cls(HOUR, **options)

    @classmethod
    def every_day(cls, **options: Any) -> Self:
        """Return a schedule that runs every 24 hours."""
        return cls(DAY, **options)

    @classmethod
    def every_week(cls, **options: Any) -> Self:
        """Return a schedule that runs every 7 days."""
        return cls(7 * DAY, **options)

    @classmethod
    def every_month(cls, **options: Any) -> Self:
        """Return a schedule that runs every 30 days."""
        return cls(30 * DAY, **options)


class CronTimerSchedule(Payload):
    """Schedule that runs when the clock of `timezone` (default: UTC) matches `expression`, of five or six fields."""

    def __init__(
        self,
        expression: str,
        *,
        timezone: str | MissingType = MISSING,
        start: Instant | MissingType = MISSING,
        end: Mapping[str, Any] | MissingType = MISSING,
        dst_gap: Literal["shift", "skip"] | MissingType = MISSING,
        dst_overlap: Literal["first", "second", "both"] | MissingType = MISSING,
        **more: Any,
    ) -> None:
        super().__init__(
            type="cron",
            expression=expression,
            timezone=timezone,
            start=start,
            end=end,
            dst_gap=dst_gap,
            dst_overlap=dst_overlap,
            **more,
        )


# Timers


class TransferTimer(Payload):
    """Timer that copies files on a schedule. `more` are further fields: tags, policies, paused, description."""

    def __init__(
        self, *, name: str | MissingType = MISSING, schedule: Mapping[str, Any], body: Mapping[str, Any], **more: Any
    ) -> None:
        super().__init__(timer_type="transfer", name=name, schedule=schedule, body=body, **more)


class FlowTimer(Payload):
    """Timer that starts a workflow on a schedule.

    `flow_id` is the workflow's name; it is sent as `name` in the body, as in every start request. `body` is
    either the other fields of the request (`input`, `version`, ...) or, as in other SDKs, `{"body": {...}}` around the
    input.
    """

    def __init__(
        self,
        *,
        flow_id: str | UUID,
        name: str | MissingType = MISSING,
        schedule: Mapping[str, Any],
        body: Mapping[str, Any] | MissingType = MISSING,
        **more: Any,
    ) -> None:
        request = _start_request(flow_id, body or {})
        super().__init__(timer_type="workflow", name=name, schedule=schedule, body=request, **more)


def _start_request(flow_id: str | UUID, body: Mapping[str, Any]) -> dict[str, Any]:
    if "body" in body:
        return {"name": flow_id, "input": body["body"]}
    return {"name": flow_id, **body}


class TimerJob(Payload):
    """Timer in its older form. It calls a URL, once or every `interval` seconds."""

    def __init__(
        self,
        *,
        name: str,
        callback_url: str,
        callback_body: Mapping[str, Any] | MissingType = MISSING,
        start_time: Instant | MissingType = MISSING,
        interval: float | dt.timedelta | MissingType | None = MISSING,
        stop_after: Mapping[str, Any] | MissingType = MISSING,
        **more: Any,
    ) -> None:
        super().__init__(
            name=name,
            callback_url=callback_url,
            callback_body=callback_body,
            start_time=start_time,
            interval=interval,
            stop_after=stop_after,
            **more,
        )
