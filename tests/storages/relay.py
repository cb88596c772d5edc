"""What stands between a client and a real web server: it notes requests, and can change them and their answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Passing:
    """A request on its way. Names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_part(self) -> bool:
        return self.method == "PUT" and "partNumber=" in self.path

    @property
    def is_beginning(self) -> bool:
        return self.method == "POST" and self.path.endswith("?uploads")

    @property
    def is_end(self) -> bool:
        return self.method == "POST" and "uploadId=" in self.path


@dataclass
class Answer:
    """What the client gets."""

    status: int
    headers: dict[str, str]
    body: bytes


class Dropped(Exception):
    """The connection ends without an answer; raised by `ask` before and by `say` after the server did its work."""


@dataclass
class Relay:
    """A running relay. `ask` may change a request or answer it itself, `say` may change an answer."""

    target: str
    url: str = ""
    passed: list[Passing] = field(default_factory=list)
    ask: Callable[[Passing], Answer | None] = lambda passing: None
    say: Callable[[Passing, Answer], None] = lambda passing, answer: None

    def parts(self) -> list[Passing]:
        return [each for each in self.passed if each.is_part]


def error(status: int, code: str) -> Answer:
    """Return a refusal in a store's words."""
    return Answer(status, {}, f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode())


@contextmanager
def relaying(target: str) -> Iterator[Relay]:
    """Run a relay in front of the server at this URL."""
    relay = Relay(target)

    class Handler(_Handler):
        def forward(self, passing: Passing) -> Answer:
            relay.passed.append(passing)
            answer = relay.ask(passing) or _fetched(relay.target, passing)
            relay.say(passing, answer)
            return answer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    relay.url = f"http://127.0.0.1:{server.server_address[1]}"
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    serving.start()
    try:
        yield relay
    finally:
        server.shutdown()
        server.server_close()
        serving.join(5)


class _Handler(BaseHTTPRequestHandler):
    def forward(self, passing: Passing) -> Answer:
        raise NotImplementedError

    def handle_any(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body(headers)
        try:
            answer = self.forward(Passing(self.command, self.path, headers, body))
        except Dropped:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in {"content-length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.pop("transfer-encoding", "") != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PROPFIND = do_MKCOL = do_MOVE = handle_any

    def log_message(self, format: str, *args: object) -> None:
        pass


def _fetched(target: str, passing: Passing) -> Answer:
    connection = HTTPConnection(urlsplit(target).netloc, timeout=10)
    try:
        headers = {name: value for name, value in passing.headers.items() if name not in ("connection", "expect")}
        connection.request(passing.method, passing.path, passing.body, headers)
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        for name in ("connection", "transfer-encoding"):
            told.pop(name, None)
        return Answer(response.status, told, response.read())
    finally:
        connection.close()
