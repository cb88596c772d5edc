"""A whole installation in processes of its own, and a receiver of webhooks, for tests."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-for-acceptance-tests"
BARE = ("HOME", "PATH", "TMPDIR")
SECRET_KEY = "only-for-acceptance-tests-and-long-enough"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def bare_environment() -> dict[str, str]:
    """Return what a process needs to run, and nothing of what else this machine has set."""
    return {name: os.environ[name] for name in BARE if name in os.environ}


def until(condition: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """Return the first true answer of `condition`; fails the test when it does not come in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"Waited {seconds} s in vain for {what}.")


@dataclass
class Installation:
    """`manage.py up` in a folder of its own."""

    folder: Path
    database_url: str = ""
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    token: str = TOKEN
    command: list[str] = field(default_factory=lambda: [sys.executable, str(ROOT / "manage.py")])
    working_folder: Path | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text()

    def variables(self) -> dict[str, str]:
        """Return the environment of its processes: a bare one, and what the installation is told."""
        return {
            **bare_environment(),
            "TIMERS_DATA_DIR": str(self.folder / "data"),
            "TIMERS_SECRET_KEY": SECRET_KEY,
            "TIMERS_ADMIN_TOKEN": TOKEN,
            "TIMERS_ADMIN_PASSWORD": "correct horse battery",
            "TIMERS_WEBHOOK_NETWORKS": "127.0.0.0/8",
            **({"DATABASE_URL": self.database_url} if self.database_url else {}),
            **self.environment,
        }

    def start(self, *, seconds: float = 60) -> None:
        with (self.folder / "output.txt").open("a") as output:
            self.process = subprocess.Popen(
                [*self.command, "up", "--port", str(self.port), *self.options],
                cwd=self.working_folder or self.folder,  # it starts from any folder
                env=self.variables(),
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        wanted = self.output.count("Ready: ") + 1
        try:
            until(lambda: self._is_ready(wanted), seconds=seconds, what="the ready line")
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}\n{self.output}") from None

    def ensure_running(self) -> None:
        if self.process is None or self.process.poll() is not None:
            self.start()

    def _is_ready(self, times: int) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"It ended with {self.process.returncode}.")
        return self.output.count("Ready: ") >= times

    def part(self, name: str) -> psutil.Process:
        """Return the child process of that name: gunicorn, dispatch or qcluster."""
        return until(lambda: self._part(name), seconds=15, what=f"a running {name}")

    def _part(self, name: str) -> psutil.Process | None:
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children():
            try:
                if any(name in word for word in child.cmdline()):
                    return child
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return None

    def family(self) -> list[psutil.Process]:
        assert self.process is not None
        try:
            parent = psutil.Process(self.process.pid)
        except psutil.NoSuchProcess:
            return []
        return [parent, *parent.children(recursive=True)]

    def kill(self) -> None:
        """Kill every process at once, as a power cut does."""
        assert self.process is not None
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # whoever has lost its parent
        self.process.wait(10)

    def stop(self) -> float:
        """Ask it to stop; return the seconds it took."""
        assert self.process is not None
        family = self.family()
        begun = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        took = time.monotonic() - begun
        _gone, left = psutil.wait_procs(family, timeout=5)
        for process in left:
            process.kill()
        return took

    def call(self, method: str, path: str, document: Any = None) -> Any:
        """Return the answer's document; raises urllib's HTTPError for errors."""
        request = urllib.request.Request(
            self.base_url + "/api/v1" + path,
            method=method,
            data=None if document is None else json.dumps(document).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or "null")

    def executions(self, timer_id: str, **filters: str) -> list[dict[str, Any]]:
        query = "&".join(["limit=1000", *(f"{key}={value}" for key, value in filters.items())])
        return self.call("GET", f"/timers/{timer_id}/executions?{query}")["executions"]


@dataclass
class Delivery:
    """One request that the receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


class Receiver:
    """An HTTP server that remembers what it was sent; `answer` decides what it says (status, seconds to wait)."""

    def __init__(self) -> None:
        self.deliveries: queue.Queue[Delivery] = queue.Queue()
        self.seen: list[Delivery] = []
        self.answer: Callable[[Delivery], tuple[int, float]] = lambda _: (200, 0.0)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                delivery = Delivery(self.path, {k.lower(): v for k, v in self.headers.items()}, body, time.time())
                receiver.seen.append(delivery)
                status, seconds = receiver.answer(delivery)
                time.sleep(seconds)
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            do_GET = do_PUT = do_POST

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def to(self, path: str) -> list[Delivery]:
        return [delivery for delivery in list(self.seen) if delivery.path == path]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
