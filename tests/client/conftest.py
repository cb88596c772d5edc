"""A site on loopback that answers what a test tells it to and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from timers.client import TimersClient


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def line(self) -> str:
        """The method and the path, still encoded."""
        return f"{self.method} {urlsplit(self.target).path}"

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def document(self) -> Any:
        """What the request said, None without a body."""
        return json.loads(self.body) if self.body else None


class RecordingSite(ThreadingHTTPServer):
    """Answers in the order that was given to `answer`, the last one again and again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base_url = f"http://127.0.0.1:{self.server_port}"
        self.answers: list[tuple[int, Any]] = [(200, {})]
        self.requests: list[Request] = []

    def answer(self, *documents: Any, status: int = 200) -> None:
        """Set what is answered from now on; bytes are sent as they are, all else as JSON."""
        self.answers = [(status, document) for document in documents]

    @property
    def last(self) -> Request:
        return self.requests[-1]


class _Handler(BaseHTTPRequestHandler):
    server: RecordingSite

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(Request(self.command, self.path, self.headers, body))  # type: ignore[arg-type]
        answers = self.server.answers
        status, document = answers.pop(0) if len(answers) > 1 else answers[0]
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = _handle

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests quiet."""


@pytest.fixture
def site() -> Iterator[RecordingSite]:
    with RecordingSite() as running:
        serving = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        serving.start()
        yield running
        running.shutdown()
        serving.join(5)


@pytest.fixture
def client(site: RecordingSite) -> TimersClient:
    return TimersClient(site.base_url, "a-token")
