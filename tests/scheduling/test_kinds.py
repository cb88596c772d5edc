"""Every kind keeps the contract of a schedule."""

from __future__ import annotations

from tests.contracts.schedule import ScheduleContract


class TestOnce(ScheduleContract):
    documents = [
        {"type": "once", "datetime": "2026-12-15T14:30:00Z"},
        {"type": "once", "datetime": "2026-12-15 14:30:00.000001+05:30"},
        {"type": "once"},
    ]


class TestRecurring(ScheduleContract):
    documents = [
        {"type": "recurring", "interval_seconds": 60},
        {"type": "recurring", "interval_seconds": 0.1, "start": "2026-01-01"},
        {"type": "recurring", "interval_seconds": 1 / 3, "start": "2026-01-01T00:00:00.123456"},
        {"type": "recurring", "interval_seconds": 100 * 365 * 86_400, "start": "1970-01-01"},
    ]


class TestCron(ScheduleContract):
    documents = [
        {"type": "cron", "expression": "* * * * * *"},
        {"type": "cron", "expression": "*/5 * * * *", "timezone": "Asia/Kathmandu"},
        {"type": "cron", "expression": "0 30 2 * * ?", "timezone": "America/New_York"},
        {
            "type": "cron",
            "expression": "0 0/30 1,2 ? * SUN",
            "timezone": "Australia/Lord_Howe",
            "dst_overlap": "second",
        },
        {
            "type": "cron",
            "expression": "@monthly",
            "timezone": "Pacific/Apia",
            "dst_gap": "skip",
            "dst_overlap": "both",
        },
        {"type": "cron", "expression": "0 0 0 29 2 WED", "timezone": "Europe/Berlin"},
    ]
