"""A running service with the demo and a history of real executions, for whoever walks through its pages."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.acceptance.running import Installation, Receiver, until

INSTRUMENT = "6c54cade-bde5-45c1-bdea-f4bd71dba2cc"
ARCHIVE = "31ce9ba0-176d-45a5-add3-f37d233ba47d"
LATER = {"max_attempts": 4, "backoff_seconds": 600}
USERNAME, PASSWORD = "admin", "correct horse battery"
WORKFLOW = {
    "name": "count_readings",
    "version": 1,
    "inputParameters": ["day"],
    "tasks": [
        {"name": "keep", "taskReferenceName": "keep", "type": "SET_VARIABLE", "inputParameters": {"readings": 12}},
        {"name": "look", "taskReferenceName": "look", "type": "SIMPLE", "inputParameters": {"day": "today"}},
    ],
}
"""A workflow whose runs wait for a worker that never comes."""
LONG_NAME = ("Measurement" * 24)[:255]
LONG_TAG = ("instrument" * 6)[:60]
LONG_PATH = f"/{('spectrometer' * 17)[:198]}/"
"""The longest name, a long tag and a long path, all without a place to break at."""


@contextmanager
def running_site(folder: Path) -> Iterator[Installation]:
    """Start everything with the demo in a folder, run some of it, and stop it at the end."""
    site = Installation(
        folder, options=("--demo", "--workers", "1"), environment={"TIMERS_CODE_MODULES": "tests.browser.functions"}
    )
    board = Receiver()
    board.answer = lambda delivery: (503 if delivery.path == "/busy" else 200, 0.0)
    site.start()
    try:
        _make_history(site, board.url)
        yield site
    finally:
        site.stop()
        board.close()


def _make_history(site: Installation, board: str) -> None:
    """Let timers complete, fail, wait for another attempt and be skipped; let transfers run and be looked at first."""
    _define(site, WORKFLOW)
    timers = {
        "fails": _make(site, "Import of orders", "code", {"function": "orders.import"}, policies={"max_attempts": 1}),
        "retries": _make(
            site,
            "Invoice webhook",
            "webhook",
            {"url": f"{board}/busy", "headers": {"Authorization": "Bearer 0123456789"}, "json": {"invoices": 12}},
            policies=LATER,
        ),
        "waits": _make(
            site, "Status to the museum", "webhook", {"url": "http://127.0.0.1:1029/", "text": "hello"}, policies=LATER
        ),
        "works": _make(site, "Nightly report", "code", {"function": "reports.nightly", "kwargs": {"pages": 3}}),
        "told": _make(site, "Tell the board", "webhook", {"url": f"{board}/hook", "json": {}}, tags={"team": "data"}),
    }
    _make_long(site)
    flow = _make(site, "Count the readings", "workflow", {"name": WORKFLOW["name"], "input": {"day": "today"}})
    site.call("POST", f"/timers/{flow}/run")
    runs = [site.call("POST", f"/timers/{timer}/run")["execution"] for timer in timers.values() for _ in range(3)]
    copy = {"source_endpoint": INSTRUMENT, "destination_endpoint": ARCHIVE, "label": "Readings of the week"}
    items = [{"source_path": "/runs/", "destination_path": "/home/week/", "recursive": True}]
    made = [
        site.call("POST", "/transfers", {**copy, "DATA": items}),
        site.call("POST", "/transfers", {**copy, "dry_run": True, "delete_destination_extra": True, "DATA": items}),
        site.call("POST", "/transfers", {**copy, "DATA": [{**items[0], "source_path": "/nowhere/"}]}),
    ]
    site.call("PATCH", f"/timers/{timers['told']}", {"policies": {"max_attempts": 5}})
    site.call("POST", f"/timers/{timers['told']}/pause", {"reason": "The board is being rebuilt"})
    until(lambda: all(_is_over(site, run["id"]) for run in runs), seconds=30, what="the executions")
    until(lambda: all(_has_ended(site, each["id"]) for each in made), seconds=30, what="the transfers")


def _make_long(site: Installation) -> None:
    """Make a timer, a collection and two transfers whose names and paths have no place to break at."""
    timer = _make(
        site, LONG_NAME, "code", {"function": "orders.import"}, policies={"max_attempts": 1}, tags={LONG_TAG: "x"}
    )
    run = site.call("POST", f"/timers/{timer}/run")["execution"]["id"]
    bucket = {
        "kind": "s3",
        "bucket": "spectra",
        "prefix": LONG_PATH.strip("/"),
        "endpoint_url": "http://127.0.0.1:1029",
        "access_key_id": "nobody",
        "secret_access_key": "nothing",
    }
    collection = site.call("POST", "/collections", {"display_name": LONG_NAME, "storage": bucket})["id"]
    items = [{"source_path": LONG_PATH, "destination_path": f"/home{LONG_PATH}", "recursive": True}]
    copy = {"source_endpoint": collection, "destination_endpoint": ARCHIVE, "label": LONG_NAME[:128], "DATA": items}
    _make(site, f"{LONG_NAME[:-4]}Copy", "transfer", copy)
    site.call("POST", "/transfers", {**copy, "label": ""})
    site.call("POST", "/transfers", {**copy, "source_endpoint": INSTRUMENT, "dry_run": True})
    until(lambda: _is_over(site, run), seconds=30, what="the execution of the long name")


def _define(site: Installation, workflow: dict[str, Any]) -> None:
    """Register a workflow, as its clients do."""
    request = urllib.request.Request(
        f"{site.base_url}/conductor/api/metadata/workflow",
        method="POST",
        data=json.dumps(workflow).encode(),
        headers={"X-Authorization": site.token, "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=20).close()


def _make(site: Installation, name: str, kind: str, body: dict[str, Any], **more: Any) -> str:
    schedule = {"type": "cron", "expression": "0 30 6 ? * MON-FRI", "timezone": "Europe/Berlin"}
    fields = {"timer_type": kind, "name": name, "schedule": schedule, "body": body, **more}
    return str(site.call("POST", "/timers", {"timer": fields})["timer"]["id"])


def _is_over(site: Installation, execution: str) -> bool:
    return site.call("GET", f"/executions/{execution}")["status"] not in ("pending", "running")


def _has_ended(site: Installation, transfer: str) -> bool:
    return site.call("GET", f"/transfers/{transfer}")["status"] not in ("pending", "active")
