"""Examples of documents, for the OpenAPI document and its page."""

from __future__ import annotations

from typing import Any

TIMER_ORDERS = ["created_at", "-created_at", "name", "-name", "next_run", "-next_run"]

TAGS: dict[str, Any] = {"team": "data", "reviewers": ["ana", "bo"]}
CRON = {"type": "cron", "expression": "0 0 9 * * *", "timezone": "UTC"}
NEXT = ["2026-12-01T09:00:00+00:00", "2026-12-02T09:00:00+00:00", "2026-12-03T09:00:00+00:00"]

_TIMER_ID = "4f5ab2a1-6f3e-4c0c-9a35-0b7e6f1d2c33"
_EXECUTION_ID = "a3f4b9d2-58a1-4b0e-8f0e-6a7f3f0c9e11"
_TRANSFER_ID = "7c1d8f50-2b7e-4f2a-b1f8-9a4f4f6d1e22"
_SOURCE_ID = "aaaaaaaa-0000-4000-8000-000000000001"
_DESTINATION_ID = "aaaaaaaa-0000-4000-8000-000000000002"

_WEBHOOK = {"url": "https://example.org/hooks/nightly", "method": "POST", "json": {"job": "nightly"}}

NEW_TIMER: dict[str, Any] = {
    "timer": {
        "timer_type": "webhook",
        "name": "Nightly report",
        "schedule": CRON,
        "body": _WEBHOOK,
        "tags": TAGS,
        "policies": {"overlap": "skip", "max_attempts": 5},
    }
}
NEW_JOB = {
    "name": "Periodic trigger",
    "callback_url": "https://example.org/hooks/trigger",
    "callback_body": {"input": "value"},
    "start_time": "2026-12-01T00:00:00+00:00",
    "interval": 86400,
    "stop_after": {"n_runs": 30},
}

SCHEDULING: dict[str, Any] = {
    "paused": True,
    "own": {"reason": "The network is being rebuilt.", "since": "2026-12-01T08:00:00+00:00", "by": "alice"},
    "everybody": None,
}

EXECUTION: dict[str, Any] = {
    "id": _EXECUTION_ID,
    "timer_id": _TIMER_ID,
    "status": "completed",
    "trigger": "schedule",
    "scheduled_for": "2026-11-30T09:00:00+00:00",
    "started_at": "2026-11-30T09:00:00.004000+00:00",
    "completion_time": "2026-11-30T09:00:00.254000+00:00",
    "lateness_seconds": 0.004,
    "duration_seconds": 0.25,
    "attempt": 1,
    "result": {"status": 200},
    "error_message": None,
    "failure_reason": None,
    "skip_reason": None,
    "occurrences": 1,
    "scheduled_until": None,
    "transfer_id": None,
    "workflow_id": None,
}
MANUAL_EXECUTION = {
    **EXECUTION,
    "status": "pending",
    "trigger": "manual",
    "started_at": None,
    "completion_time": None,
    "lateness_seconds": None,
    "duration_seconds": None,
    "attempt": 0,
    "result": None,
}
EXECUTION_PAGE = {"executions": [EXECUTION], "marker": None}

TIMER: dict[str, Any] = {
    "id": _TIMER_ID,
    "job_id": _TIMER_ID,
    "name": "Nightly report",
    "description": "",
    "timer_type": "webhook",
    "status": "active",
    "status_reason": None,
    "paused_until": None,
    "schedule": {**CRON, "dst_gap": "shift", "dst_overlap": "first"},
    "body": _WEBHOOK,
    "tags": TAGS,
    "policies": {
        "overlap": "skip",
        "catch_up": "latest",
        "catch_up_window_seconds": 86400,
        "max_attempts": 5,
        "backoff_seconds": 30,
        "timeout_seconds": 30.0,
        "jitter_seconds": 0,
        "pause_after_failures": 0,
        "breaker_cooldown_seconds": None,
        "notify": [],
    },
    "owner": "ana",
    "created_at": "2026-11-29T17:20:05.123456+00:00",
    "updated_at": "2026-11-29T17:20:05.123456+00:00",
    "next_run": NEXT[0],
    "next_run_time": NEXT[0],
    "last_run_at": "2026-11-30T09:00:00.004000+00:00",
    "run_count": 1,
    "failure_count": 0,
    "consecutive_failures": 0,
}
_RESTING = {"next_run": None, "next_run_time": None}
TIMER_PAGE = {"timers": [TIMER], "marker": None}
TIMER_ANSWER = {"timer": {**TIMER, "results": [EXECUTION]}}
PAUSED_TIMER = {"timer": {**TIMER_ANSWER["timer"], "status": "paused", "status_reason": "Disk replaced.", **_RESTING}}
DELETED_TIMER = {"timer": {**TIMER_ANSWER["timer"], "status": "deleted", **_RESTING}}
BULK_ANSWER = {
    "results": [
        {"timer": TIMER},
        {"error": {"code": "invalid", "message": "name: Give it a name.", "fields": {"name": ["Give it a name."]}}},
    ]
}

NEW_COLLECTION: dict[str, Any] = {
    "display_name": "Archive",
    "storage": {
        "kind": "s3",
        "bucket": "archive",
        "endpoint_url": "https://s3.example.org",
        "access_key_id": "AKIAEXAMPLE",
        "secret_access_key": "shown to nobody",
    },
}
HEALTH: dict[str, Any] = {
    "status": "reachable",
    "checked_at": "2026-11-30T08:59:00+00:00",
    "message": "Files can be read and written.",
    "reason": None,
    "readable": True,
    "writable": True,
    "error": None,
    "list_seconds": 0.041,
    "read_bytes_per_second": 48_000_000,
    "write_bytes_per_second": 21_000_000,
}
COLLECTION_TEST: dict[str, Any] = {
    "read": True,
    "write": True,
    **{name: value for name, value in HEALTH.items() if name not in ("readable", "writable", "error")},
}
COLLECTION: dict[str, Any] = {
    "id": _DESTINATION_ID,
    "display_name": "Archive",
    "description": "",
    "storage": {"kind": "s3", "bucket": "archive", "endpoint_url": "https://s3.example.org"},
    "default_directory": "/",
    "entity_type": "GCSv5_guest_collection",
    "high_assurance": False,
    "abilities": {
        "write": True,
        "rename": False,
        "times": False,
        "permissions": False,
        "properties": True,
        "exact_names": True,
        "both_kinds": True,
        "folders": True,
        "resume": True,
        "checksums": ["md5", "sha256"],
        "quick_stat": False,
        "links": False,
        "streams": 8,
    },
    "health": HEALTH,
    "owner": "ana",
    "created_at": "2026-11-29T17:20:05.123456+00:00",
    "updated_at": "2026-11-29T17:20:05.123456+00:00",
}
COLLECTION_PAGE = {"collections": [COLLECTION], "marker": None}
LISTING = {
    "path": "/reports",
    "entries": [
        {"name": "2026", "type": "dir", "size": 0, "modified_at": "2026-11-01T08:00:00+00:00", "addressable": True},
        {
            "name": "summary.csv",
            "type": "file",
            "size": 4096,
            "modified_at": "2026-11-30T08:00:00+00:00",
            "addressable": True,
        },
    ],
    "truncated": False,
}
NEW_TRANSFER: dict[str, Any] = {
    "source_endpoint": _SOURCE_ID,
    "destination_endpoint": _DESTINATION_ID,
    "label": "Nightly copy",
    "sync_level": 3,
    "min_age_seconds": 600,
    "skip_source_errors": True,
    "bandwidth": [{"between": ["08:00", "18:00"], "weekdays": "MON-FRI", "max_bytes_per_second": 5_000_000}],
    "DATA": [
        {
            "source_path": "/reports/",
            "destination_path": '/backup/{{ planned_at|date:"%Y/%m/%d" }}/reports/',
            "recursive": True,
        }
    ],
}
TRANSFER: dict[str, Any] = {
    "id": _TRANSFER_ID,
    "type": "transfer",
    "status": "succeeded",
    "dry_run": False,
    "label": "Nightly copy",
    "source_endpoint": _SOURCE_ID,
    "destination_endpoint": _DESTINATION_ID,
    "files": 2,
    "directories": 1,
    "symlinks": 0,
    "bytes_total": 8192,
    "files_transferred": 1,
    "files_skipped": 1,
    "files_failed": 0,
    "warnings": 0,
    "bytes_transferred": 4096,
    "bytes_checksummed": 8192,
    "bytes_per_second": 2048,
    "seconds_left": None,
    "faults": 0,
    "phase": "copy",
    "current": [],
    "options": {
        "sync_level": 3,
        "verify_checksum": True,
        "preserve_timestamp": False,
        "delete_destination_extra": False,
        "delete_source": False,
        "keep_replaced": None,
        "filter_rules": None,
        "min_age_seconds": 600,
        "recursive_symlinks": "ignore",
    },
    "error_message": None,
    "failure_reason": None,
    "deadline": "2026-12-01T09:00:00+00:00",
    "paused_at": None,
    "requested_at": "2026-11-30T09:00:00+00:00",
    "started_at": "2026-11-30T09:00:00.100000+00:00",
    "completion_time": "2026-11-30T09:00:02.100000+00:00",
    "execution_id": None,
    "timer_id": None,
    "owner": "ana",
}
_NONE = {"files": 0, "bytes": 0}
TRANSFER_WITH_PLAN: dict[str, Any] = {
    **TRANSFER,
    "plan": {
        "add": {"files": 1, "bytes": 4096},
        "change": _NONE,
        "delete": _NONE,
        "same": {"files": 1, "bytes": 4096},
        "error": _NONE,
    },
}
TRANSFER_PAGE = {"transfers": [TRANSFER], "marker": None}
FILE_PAGE: dict[str, Any] = {
    "files": [
        {
            "step": "copy",
            "source_path": "/reports/summary.csv",
            "destination_path": "/backup/reports/summary.csv",
            "size": 4096,
            "modified_at": "2026-11-29T17:20:05+00:00",
            "destination_size": None,
            "destination_modified_at": None,
            "status": "done",
            "verdict": "add",
            "level": None,
            "verified": "checksum",
            "checksum": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "bytes_transferred": 4096,
            "faults": 0,
            "error_message": None,
            "failure_reason": None,
            "completion_time": "2026-11-30T09:00:02+00:00",
        }
    ],
    "marker": None,
}
MANIFEST = {"transfer": TRANSFER, "files": FILE_PAGE["files"]}
EVENT_PAGE = {
    "events": [
        {
            "time": "2026-11-30T09:00:00.100000+00:00",
            "code": "STARTED",
            "is_fault": False,
            "phase": "scan",
            "path": None,
            "text": "started",
        }
    ],
    "marker": None,
}

WORKFLOW_DEFINITION: dict[str, Any] = {
    "name": "order_processing",
    "version": 1,
    "description": "Validate and charge.",
    "inputParameters": ["region"],
    "tasks": [
        {
            "name": "validate_orders",
            "taskReferenceName": "validate",
            "type": "HTTP",
            "inputParameters": {"http_request": {"uri": "https://shop.example.org/validate", "method": "POST"}},
        },
        {
            "name": "charge_payments",
            "taskReferenceName": "charge",
            "type": "SIMPLE",
            "inputParameters": {"orders": "${validate.output.response.body.orders}"},
        },
    ],
    "outputParameters": {"charged": "${charge.output.count}"},
}
NEW_WORKFLOW: dict[str, Any] = {"definition": WORKFLOW_DEFINITION, "overwrite": True}
WORKFLOW: dict[str, Any] = {
    "name": "order_processing",
    "version": 1,
    "description": "Validate and charge.",
    "input_parameters": ["region"],
    "definition": WORKFLOW_DEFINITION,
    "owner": "ana",
    "created_at": "2026-11-18T13:00:00+00:00",
    "updated_at": "2026-11-18T13:00:00+00:00",
}
WORKFLOW_PAGE: dict[str, Any] = {"workflows": [WORKFLOW], "marker": None}
WORKFLOW_RUN: dict[str, Any] = {
    "id": "7b1d2c90-51aa-4f7e-8d0e-93c4b6a0e1f5",
    "workflow": "order_processing",
    "version": 1,
    "status": "running",
    "correlation_id": None,
    "priority": 0,
    "input": {"region": "eu"},
    "variables": {},
    "output": {},
    "reason": None,
    "timer_id": None,
    "execution_id": None,
    "started_at": "2026-11-18T13:26:30+00:00",
    "completion_time": None,
    "duration_seconds": None,
    "owner": "ana",
}
WORKFLOW_RUN_PAGE: dict[str, Any] = {"workflow_runs": [WORKFLOW_RUN], "marker": None}
WORKFLOW_RUN_WITH_TASKS: dict[str, Any] = {
    **WORKFLOW_RUN,
    "tasks": [
        {
            "id": "1de4ac8b-54d2-4a52-8f2c-1f0d2a0f4a11",
            "seq": 1,
            "reference": "validate",
            "name": "validate_orders",
            "type": "HTTP",
            "status": "in_progress",
            "input": {"http_request": {"uri": "https://shop.example.org/validate", "method": "POST"}},
            "output": {},
            "reason": None,
            "retry": 0,
            "worker": "worker-1:4711",
            "scheduled_at": "2026-11-18T13:26:30+00:00",
            "started_at": "2026-11-18T13:26:30.012000+00:00",
            "completion_time": None,
        }
    ],
}
