"""Workflows: a thousand that start at one instant, and what polling workers cost."""

from __future__ import annotations

import http.client
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from tests.bench import site

TASKS = 3
CALLERS = 16
POLLERS, HERTZ, POLL_SECONDS = 20, 10, 10.0
MAX_SHARE_OF_A_CORE = 0.25


class _Target(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b'{"ok": true}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


class _Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


@contextmanager
def target() -> Iterator[str]:
    """The URL of a server that answers at once."""
    server = _Server(("127.0.0.1", 0), _Target)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def burst(number: int, *, log: Path, seconds: float = 120.0) -> None:
    """Start so many workflows of three HTTP tasks at one instant; print how they ended, and the rate."""
    from timers import clock
    from timers.models import Execution, WorkflowRun

    with target() as url:
        limit = _lean_rate(url, number)
        first = clock.now() + timedelta(seconds=10 + number / 200)
        _fill(number, url, first)
        with site.processes("dispatch", "qcluster", log=log) as processes:
            site.wait_until_awake()
            while clock.now() < first - timedelta(seconds=1):
                time.sleep(0.05)
            before = site.cpu_seconds(processes)
            ends = time.monotonic() + seconds
            while time.monotonic() < ends and WorkflowRun.objects.filter(status="completed").count() < number:
                time.sleep(0.25)
            spent = site.cpu_seconds(processes) - before
    started = WorkflowRun.objects.count()
    completed = WorkflowRun.objects.filter(status="completed")
    refused = Execution.objects.filter(workflow_id__isnull=True).exclude(status="skipped").count()
    times = sorted((each - first).total_seconds() for each in WorkflowRun.objects.values_list("created_at", flat=True))
    last = max(completed.values_list("finished_at", flat=True), default=first)
    took = (last - first).total_seconds()
    rate = completed.count() * TASKS / took if took else 0.0
    print(
        f"workflows: {started} of {number} started, {refused} starts failed, {completed.count()} completed in "
        f"{took:.1f} s; started after p50 {times[len(times) // 2]:.2f} s, last {times[-1]:.2f} s; {rate:,.0f} tasks/s, "
        f"{rate / limit:.2f} of {limit:,.0f}/s by the leanest client; {1e3 * spent / (number * TASKS):.1f} ms of "
        "processor time per task"
    )


def _lean_rate(url: str, number: int) -> float:
    """Return how many requests a second threads make that do nothing else."""
    host = urlsplit(url).netloc

    def call(_: int) -> None:
        connection = http.client.HTTPConnection(host)
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()

    began = time.monotonic()
    with ThreadPoolExecutor(CALLERS) as threads:
        list(threads.map(call, range(number)))
    return number / (time.monotonic() - began)


def _fill(number: int, url: str, first: Any) -> None:
    from django.contrib.auth import get_user_model

    from timers import clock
    from timers.services.timers import commands as timers
    from timers.services.workflows import definitions as workflow_definitions

    owner, _ = get_user_model().objects.get_or_create(username="bench")
    request = {"http_request": {"uri": url, "method": "GET"}}
    tasks = [
        {"name": f"call{each}", "taskReferenceName": f"call{each}", "type": "HTTP", "inputParameters": request}
        for each in range(TASKS)
    ]
    definition = {"name": "bench", "version": 1, "tasks": tasks}
    workflow_definitions.register(owner=owner, document=definition, overwrite=True, now=clock.now())
    for _ in range(number):
        timers.create(
            owner=owner,
            action="workflow",
            name="bench",
            schedule={"type": "once", "datetime": first.isoformat()},
            body={"name": "bench", "version": 1},
            now=clock.now(),
        )
    site.analyse()


def polling(*, log: Path) -> None:
    """Let 20 workers poll at 10 Hz, with a token and at an open door.

    Prints what that costs the web processes, beside the cheapest answer that the site has for anybody.
    """
    from django.contrib.auth import get_user_model

    from timers import clock
    from timers.services.people import tokens

    owner, _ = get_user_model().objects.get_or_create(username="bench")
    _, token = tokens.create_token(owner=owner, name="bench", now=clock.now())
    os.environ["TIMERS_CONDUCTOR_OPEN"] = owner.username
    with _web(log) as (port, process):
        cheapest = _cost(port, process, {}, lambda number: "/conductor/api/nothing", expected=404)
        for how, headers in (("with a token", {"X-Authorization": token}), ("at an open door", {})):
            polled = _cost(
                port,
                process,
                headers,
                lambda number: f"/conductor/api/tasks/poll/batch/type{number}?workerid=w{number}&count=1&timeout=100",
            )
            print(
                f"polling {how}: {POLLERS} workers at {HERTZ} Hz cost {100 * polled[0]:.1f} % of a core, "
                f"{polled[0] / MAX_SHARE_OF_A_CORE:.2f} of the {100 * MAX_SHARE_OF_A_CORE:.0f} % allowed "
                f"({polled[1]:.0f}/s, "
                f"{polled[2]:.2f} ms each, {polled[2] / cheapest[2]:.2f} of the {cheapest[2]:.2f} ms of the cheapest)"
            )


def _cost(
    port: int, process: psutil.Process, more: dict[str, str], path: Callable[[int], str], *, expected: int = 200
) -> tuple[float, float, float]:
    """Return the share of a core, the requests a second, and the milliseconds of processor time of each."""
    counts = [0] * POLLERS
    headers = {"Content-Type": "application/json", "Accept": "*/*", **more}

    def poll(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        began = time.monotonic() + number / POLLERS / HERTZ
        while (now := time.monotonic()) < began + POLL_SECONDS:
            following = began + counts[number] / HERTZ
            if following > now:
                time.sleep(following - now)
            connection.request("GET", path(number), headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == expected
            counts[number] += 1

    for _ in range(POLLERS):  # warm up
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", path(0), headers=headers)
        connection.getresponse().read()
    before, began = site.cpu_seconds([process]), time.monotonic()
    with ThreadPoolExecutor(POLLERS) as threads:
        list(threads.map(poll, range(POLLERS)))
    seconds, spent = time.monotonic() - began, site.cpu_seconds([process]) - before
    return spent / seconds, sum(counts) / seconds, 1e3 * spent / sum(counts)


@contextmanager
def _web(log: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The web server as `manage.py up` starts it, on a free port."""
    import socket
    import subprocess

    from timers.engine.supervision.supervisor import _gunicorn

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with log.open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *_gunicorn("127.0.0.1", port)],
            cwd=site.ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(port)
        yield port, psutil.Process(started.pid)
    finally:
        started.terminate()
        started.wait(15)


def _wait_for(port: int) -> None:
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("The web server did not answer; see the log.")
