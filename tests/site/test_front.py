"""The front before the WSGI application, as gunicorn serves it: slow clients hold up nobody, requests arrive whole."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import loopback
from timersite import serving

PROGRAM = """
import os, time
from timersite.front import Front
from timersite import front, serving
front.BODY_SECONDS, serving.HEAD_SECONDS, serving.MAX_WAITING = 1.0, 1.0, 300

def site(environ, start_response):
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"].read()
    if path == "/echo":
        start_response("200 OK", [("X-Length", environ["CONTENT_LENGTH"]), ("X-Script", environ["SCRIPT_NAME"])])
        return [body]
    if path == "/large":
        start_response("200 OK", [])
        return iter([b"x" * 65536] * 16)
    if path == "/breaks":
        start_response("200 OK", [])
        return broken()
    if path == "/fails":
        raise RuntimeError("outside")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

def broken():
    yield b"begun"
    raise RuntimeError("in the middle")

application = Front(site, threads=2)
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("front"), loopback.free_port()
    (folder / "slowfront.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "gunicorn", "slowfront:application", "--bind", f"127.0.0.1:{port}"]
    options = ["--worker-class", "timersite.serving.Worker", "--workers", "1", "--no-control-socket"]
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{Path.cwd()}", "TIMERS_DATA_DIR": str(folder)}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*command, *options], env=environment, stdout=log, stderr=log)
        try:
            _wait_until_it_answers(port, server)
            yield port
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=30)


def _wait_until_it_answers(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended"
        try:
            get(port, "/")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server does not answer")


def get(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def talk(port: int, request: bytes) -> bytes:
    """Send raw bytes, and return all that comes until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(request)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer


HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


def test_a_body_in_chunks_arrives_like_one_with_a_length(port: int) -> None:
    whole = talk(port, HEAD + b'Content-Length: 8\r\n\r\n{"n": 7}')
    chunked = talk(port, HEAD + b'Transfer-Encoding: chunked\r\n\r\n4\r\n{"n"\r\n4\r\n: 7}\r\n0\r\n\r\n')

    for answer in (whole, chunked):
        assert answer.endswith(b'{"n": 7}') or b'{"n": 7}' in answer
        assert b"x-length: 8" in answer.lower()


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n",
        b"Content-Length: x\r\n",
    ],
)
def test_a_body_that_could_be_read_in_two_ways_is_refused(port: int, headers: bytes) -> None:
    assert talk(port, HEAD + headers + b"\r\n0\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_a_header_with_an_underscore_passes_for_no_other(port: int) -> None:
    assert b"x-script: \r\n" in talk(port, HEAD + b"SCRIPT_NAME: /x\r\nContent-Length: 0\r\n\r\n").lower()


def test_a_body_that_is_too_large_is_refused(port: int) -> None:
    answer = talk(port, HEAD + b"Content-Length: 13000000\r\n\r\n" + b"x" * 13_000_000)

    assert answer.startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_arrive_ends_the_request(port: int) -> None:
    assert talk(port, HEAD + b"Content-Length: 10\r\n\r\nx").startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b",
        HEAD + b"Content-Length: 10\r\n\r\n",
        b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_two_hundred_slow_clients_keep_nobody_waiting(port: int, begun: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            client.sendall(begun)

        assert [get(port, "/") for _ in range(10)] == [b"ok"] * 10


def test_a_request_that_does_not_begin_is_closed_and_so_is_the_oldest_of_very_many(port: int) -> None:
    with ExitStack() as stack:
        clients = []
        for _ in range(301):
            clients.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)))

        for client in clients:
            with pytest.raises(ConnectionResetError):
                assert client.recv(1) == b""
                raise ConnectionResetError


def test_a_large_answer_arrives_whole_however_slowly_it_is_read(port: int) -> None:
    assert len(get(port, "/large")) == 65536 * 16


def test_an_application_that_fails_answers_500_and_one_that_breaks_off_cuts_its_answer(port: int) -> None:
    assert talk(port, b"GET /fails HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 500")
    assert not talk(port, b"GET /breaks HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"0\r\n\r\n")


def test_the_names_inside_gunicorn_that_we_replace_exist() -> None:
    for name in ("connection_made", "connection_lost", "_on_headers_complete"):
        assert callable(getattr(serving.ASGIProtocol, name))
