"""The Python client of the REST API. It needs only the standard library."""

from __future__ import annotations

from timers.client.errors import TimersAPIError, TimersConnectionError
from timers.client.payloads import (
    MISSING,
    CronTimerSchedule,
    FlowTimer,
    OnceTimerSchedule,
    RecurringTimerSchedule,
    TimerJob,
    TransferTimer,
)
from timers.client.timers import TimersClient
from timers.client.transfer import TransferData
from timers.client.transport import APIResponse

__all__ = [
    "MISSING",
    "APIResponse",
    "CronTimerSchedule",
    "FlowTimer",
    "OnceTimerSchedule",
    "RecurringTimerSchedule",
    "TimerJob",
    "TimersAPIError",
    "TimersClient",
    "TimersConnectionError",
    "TransferData",
    "TransferTimer",
]
