"""How long each page of the dashboard takes on a busy site, how many queries it makes, and how large it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import quote

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.bench.crowd import Crowd

MAX_MILLISECONDS = 150.0
MAX_KILOBYTES = 300.0
ADMINISTERED = (
    *("timer", "execution", "transfer", "transferevent", "collection", "event", "notice", "token", "clientkey"),
    *("process", "workflowrun", "workflowdefinition", "taskdefinition"),
)


@dataclass(frozen=True)
class Measured:
    """One page: its address, the median in milliseconds, queries and size in kB of HTML."""

    name: str
    path: str
    milliseconds: float
    queries: int
    kilobytes: float

    @property
    def is_good(self) -> bool:
        return self.milliseconds <= MAX_MILLISECONDS and self.kilobytes <= MAX_KILOBYTES


def addresses(crowd: Crowd) -> Iterator[tuple[str, str]]:
    """Yield the name and the address of each page to measure."""
    yield "timers", "/"
    for zoom in ("1h", "6h", "7d"):
        yield f"timers, zoom {zoom}", f"/?zoom={zoom}"
    for order in ("name", "newest", "next"):
        yield f"timers by {order}", f"/?order={order}"
    for status in ("active", "paused", "failing", "running", "late", "due", "ended"):
        yield f"timers, {status}", f"/?status={status}"
    yield "timers, search", "/?q=telemetry+42"
    yield "timers, a common word", "/?q=telemetry"
    yield "timers, search without a match", "/?q=no+such+thing"
    yield "timers, one tag", "/?tag=rack:7"
    yield "timers, one action", "/?action=transfer&order=name"
    yield "one timer, hourly", f"/timers/{crowd.timer}/"
    yield "one timer, every minute", f"/timers/{crowd.busy_timer}/"
    yield "one timer, failed ones", f"/timers/{crowd.busy_timer}/?status=failed"
    yield "find", "/find/?q=report"
    yield "versions", f"/timers/{crowd.timer}/versions/"
    yield "edit", f"/timers/{crowd.timer}/edit/"
    yield "new", "/timers/new/"
    yield "delete", f"/timers/{crowd.timer}/delete/"
    yield "execution", f"/executions/{crowd.execution}/"
    yield "execution, failed", f"/executions/{crowd.failed}/"
    yield "activity", "/activity/"
    for query in ("status=failed", "status=running", "trigger=manual", "action=code", "tag=team:lab", "q=telemetry"):
        yield f"activity, {query}", f"/activity/?{query}"
    yield "activity, an error's text", "/activity/?q=503"
    yield "activity, no such text", "/activity/?q=nothing-like-it"
    yield "activity, of one timer", f"/activity/?q={crowd.timer}"
    yield "activity, from", "/activity/?from=2026-01-01&status=skipped"
    yield "activity, an hour to come", f"/activity/?hour={quote(crowd.hour.isoformat())}"
    yield "export as CSV, first bytes", "/activity/export.csv"
    yield "export as JSON, first bytes", "/activity/export.json?status=failed"
    yield "transfers", "/transfers/"
    for status in ("unfinished", "failed", "cancelled"):
        yield f"transfers, {status}", f"/transfers/?status={status}"
    yield "one transfer", f"/transfers/{crowd.transfer}/"
    yield "one transfer, faults", f"/transfers/{crowd.transfer}/?files=faults&events=faults"
    yield "one dry run", f"/transfers/{crowd.dry_run}/"
    yield "workflows", "/workflows/"
    yield "workflows, failed runs", "/workflows/?status=failed"
    yield "one workflow", f"/workflows/{crowd.workflow}/"
    yield "a new workflow", "/workflows/new/"
    yield "one workflow run", f"/workflow-runs/{crowd.workflow_run}/"
    yield "scheduling", "/scheduling/"
    yield "collections", "/collections/"
    yield "one collection", f"/collections/{crowd.collection}/"
    yield "a new collection", "/collections/new/"
    yield "tokens", "/tokens/"
    yield "account", "/account/"
    if not crowd.owner.is_staff:
        return
    yield "administration", "/admin/"
    for model in ADMINISTERED:
        yield f"administration, each {model}", f"/admin/timers/{model}/"
    yield "administration, failed executions", "/admin/timers/execution/?status=failed"
    yield "administration, of one timer", "/admin/timers/execution/?q=telemetry+export+42"
    yield "administration, search", "/admin/timers/timer/?q=telemetry"
    yield "not found", "/timers/00000000-0000-0000-0000-000000000000/"


def measure(crowd: Crowd, *, rounds: int, only: str = "") -> list[Measured]:
    """Return what each page took by its median over the rounds, the bare page first."""
    client = Client(raise_request_exception=False, headers={"host": "localhost"})
    stranger = Client(headers={"host": "localhost"})
    client.force_login(crowd.owner)
    chosen = [("log in, the bare page", "/login/"), *(each for each in addresses(crowd) if only in each[0])]
    return [_measured(stranger if path == "/login/" else client, name, path, rounds) for name, path in chosen]


def _measured(client: Client, name: str, path: str, rounds: int) -> Measured:
    with CaptureQueriesContext(connection) as queries:  # the first visit also fills the caches
        response = client.get(path)
        size = _first_bytes(response)
        asked = len(queries)
    if response.status_code not in (200, 404) or (response.status_code == 404) != (name == "not found"):
        raise RuntimeError(f"{path} answers {response.status_code}.")
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        _first_bytes(client.get(path))
        took.append(1000 * (time.perf_counter() - began))
    return Measured(name, path, median(took), asked, size / 1000)


def _first_bytes(response: Any) -> int:
    """Return the size of an answer; of one that is written bit by bit that of its first bit, the rest is let go."""
    if not response.streaming:
        return len(response.content)
    size = len(next(iter(response.streaming_content)))
    response.close()
    return size


def report(measured: list[Measured]) -> None:
    """Print a line per page: the ratio to the limit, and how many bare pages it costs."""
    bare = measured[0].milliseconds
    print(f"{'page':34} {'ms':>7} {'of 150':>7} {'bare':>6} {'queries':>8} {'kB':>7} {'of 300':>7}")
    for page in measured:
        print(
            f"{page.name:34} {page.milliseconds:7.1f} {page.milliseconds / MAX_MILLISECONDS:7.2f} "
            f"{page.milliseconds / bare:5.1f}x {page.queries:8} {page.kilobytes:7.1f} "
            f"{page.kilobytes / MAX_KILOBYTES:7.2f}{'' if page.is_good else '  TOO MUCH'}"
        )
    bad = [page.name for page in measured if not page.is_good]
    print(f"{len(measured)} pages, {len(bad)} beyond the limit{': ' + ', '.join(bad) if bad else ''}")
