"""The HTTP call of the client, against real servers on loopback."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import answers, certificate, drips, free_port, says, scripted, stays_silent
from timers import http
from timers.errors import ExternalError
from timers.http import Response, Transport


def failure(url: str, **more: Any) -> ExternalError:
    with pytest.raises(ExternalError) as caught:
        http.request("GET", url, **more)
    return caught.value


def test_it_sends_a_request_and_returns_the_answer() -> None:
    with scripted(answers(b"{}", "X-One: 1", "X-One: 2", status="201 Created")) as server:
        response = http.request("POST", server.url("/a?b=c"), headers={"X-Mine": "yes"}, body=b"[1]", timeout=5)

    assert server.requests[0].startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert server.body() == b"[1]"
    assert (server.head()["x-mine"], server.head()["host"]) == ("yes", f"127.0.0.1:{server.port}")
    assert response.headers["x-one"] == "1, 2"
    assert (response.status, response.body, response.truncated) == (201, b"{}", False)


def test_it_can_be_replaced_by_anything_with_its_signature() -> None:
    transport: Transport = http.request

    with scripted(answers(b"x")) as server:
        response = transport("GET", server.url(), headers={}, body=None, timeout=5, max_bytes=10)

    assert isinstance(response, Response)


def test_a_name_of_this_machine_is_looked_up() -> None:
    with scripted(answers(b"here")) as server:
        assert http.request("GET", server.url(host="localhost")).body == b"here"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_is_an_answer(method: str) -> None:
    with scripted(answers(b"", "Location: /there", status="302 Found")) as server:
        response = http.request(method, server.url(), headers={"Authorization": "Bearer t"})

    assert (response.status, response.headers["location"]) == (302, "/there")
    assert len(server.requests) == 1


def test_a_long_answer_is_cut() -> None:
    with scripted(answers(b"x" * 100), answers(b"x" * 99)) as server:
        longer, exact = (http.request("GET", server.url(), max_bytes=99) for _ in range(2))

    assert (longer.body, longer.truncated) == (b"x" * 99, True)
    assert (exact.body, exact.truncated) == (b"x" * 99, False)


@pytest.mark.parametrize("reply", [stays_silent, drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")])
def test_the_whole_time_is_bounded(reply: Any) -> None:
    with scripted(reply) as server:
        began = time.monotonic()
        error = failure(server.url(), timeout=0.2)

    assert (error.reason, error.retryable) == ("timed_out", True)
    assert time.monotonic() - began < 2


def test_faults_of_the_outside_have_reasons(tmp_path: Path) -> None:
    with (
        scripted(says(b"nonsense\r\n\r\n")) as talking,
        scripted(says(b"")) as hanging_up,
        scripted(answers(), tls=certificate(tmp_path, "a.example").server()) as untrusted,
    ):
        assert failure(talking.url()).reason == "bad_answer"
        assert failure(hanging_up.url()).reason == "connection_error"
        assert failure(untrusted.url(scheme="https")).reason == "tls_error"
    assert failure(f"http://127.0.0.1:{free_port()}/").reason == "connection_error"


@pytest.mark.parametrize("url", ["", "example.org", "ftp://example.org/", "http://", "file:///etc/passwd"])
def test_only_http_urls_are_called(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        http.request("GET", url)


def test_a_trusted_certificate_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = certificate(tmp_path, "localhost")
    monkeypatch.setattr(http, "tls_context", made.trusting)

    with scripted(answers(b"safe"), tls=made.server()) as server:
        assert http.request("GET", server.url(scheme="https", host="localhost")).body == b"safe"


def test_headers_cannot_smuggle_lines() -> None:
    with scripted(answers()) as server, pytest.raises(ValueError, match="header"):
        http.request("GET", server.url(), headers={"X-A": "1\r\nX-B: 2"})

    assert server.requests == []


def test_it_needs_the_standard_library_only() -> None:
    code = (
        "import sys, timers.http, timers.targets;"
        "assert not {'django', 'requests', 'urllib3'} & set(sys.modules), sorted(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
