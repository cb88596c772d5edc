"""Calls to foreign addresses, against real servers on loopback."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import answers, certificate, drips, free_port, says, scripted, stays_silent
from timers import http, outgoing
from timers.errors import ExternalError
from timers.targets import TargetRefused, parse_networks


@pytest.fixture(autouse=True)
def _loopback_is_open(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")
    settings.TIMERS_LISTEN = ()
    settings.TIMERS_DEMO_TARGET = ""


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[list[str]]]]:
    """The name service: per name the answers to one look-up after the other; the last one stays."""
    table: dict[str, list[list[str]]] = {}

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host not in table:
            return real(host, port, *args, **kwargs)
        found = table[host].pop(0) if len(table[host]) > 1 else table[host][0]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [entry for address in found for entry in real(address, port, *args, **kwargs)]

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield table


def failure(method: str, url: str, **more: Any) -> ExternalError:
    with pytest.raises(ExternalError) as caught:
        outgoing.call(method, url, **more)
    return caught.value


# A good call


def test_it_sends_exactly_the_given_request() -> None:
    with scripted(answers(b"taken", "X-Seen: yes", status="202 Accepted")) as server:
        answer = outgoing.call("PUT", server.url("/a%20b?q=1"), headers={"X-One": "1"}, body=b"\x00\xff")

    assert server.requests[0].startswith(b"PUT /a%20b?q=1 HTTP/1.1\r\n")
    assert server.body() == b"\x00\xff"
    assert server.head() == {
        "connection": "close",
        "accept-encoding": "identity",
        "content-length": "2",
        "host": f"127.0.0.1:{server.port}",
        "x-one": "1",
    }
    assert (answer.status, answer.text, answer.truncated, answer.address) == (202, "taken", False, "127.0.0.1")
    assert answer.headers["x-seen"] == "yes"
    assert 0 < answer.elapsed < 10


@pytest.mark.parametrize(("method", "length"), [("GET", None), ("POST", "0"), ("DELETE", None)])
def test_a_request_without_body_is_framed_as_its_method_wants(method: str, length: str | None) -> None:
    with scripted(answers()) as server:
        outgoing.call(method, server.url())

    assert server.head().get("content-length") == length


def test_an_answer_to_head_has_no_body() -> None:
    with scripted(says(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")) as server:
        answer = outgoing.call("HEAD", server.url())

    assert (answer.status, answer.text) == (200, "")


def test_any_status_is_an_answer_and_redirects_are_not_followed() -> None:
    with scripted(answers(b"", "Location: /elsewhere", status="307 Temporary Redirect")) as server:
        answer = outgoing.call("POST", server.url(), body=b"x")

    assert answer.status == 307
    assert len(server.requests) == 1


def test_proxies_and_netrc_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine")
    monkeypatch.setenv("HOME", str(tmp_path))

    with scripted(answers()) as server:
        outgoing.call("GET", server.url())

    assert "authorization" not in server.head()


def test_many_threads_may_call_at_once() -> None:
    with scripted(answers(b"ok")) as server, ThreadPoolExecutor(8) as pool:
        texts = [answer.text for answer in pool.map(lambda _: outgoing.call("GET", server.url()), range(60))]

    assert texts == ["ok"] * 60


# The text of an answer


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("grün".encode(), "text/plain", "grün"),
        ("grün".encode("latin-1"), "text/plain; charset=ISO-8859-1", "grün"),
        ("grün".encode("utf-16"), 'text/plain; charset="utf-16"', "grün"),
        (b"a\xffb\x00c", "application/octet-stream", "a\ufffdb\ufffdc"),
        (b"\\u0041", "text/plain; charset=unicode_escape", "\\u0041"),
        (b"6869", "text/plain; charset=hex", "6869"),
        (b"hi", "text/plain; charset=nonsense", "hi"),
    ],
)
def test_the_text_is_decoded_by_its_charset_and_can_always_be_stored(body: bytes, content_type: str, text: str) -> None:
    with scripted(answers(body, f"Content-Type: {content_type}")) as server:
        assert outgoing.call("GET", server.url()).text == text


def test_a_packed_answer_is_unpacked_although_it_was_not_asked_for() -> None:
    with scripted(
        answers(gzip.compress(b"packed"), "Content-Encoding: gzip"),
        answers(zlib.compress(b"packed"), "Content-Encoding: deflate"),
        answers(b"not packed", "Content-Encoding: gzip"),
        answers(b"unknown", "Content-Encoding: br"),
    ) as server:
        texts = [outgoing.call("GET", server.url()).text for _ in range(4)]

    assert texts == ["packed", "packed", "not packed", "unknown"]


# Bounds in size


def test_a_long_answer_is_read_up_to_a_limit_and_kept_up_to_another() -> None:
    with scripted(answers(b"x" * 5_000), answers(b"y" * 2_000), answers(b"z" * 100)) as server:
        answer, shorter, shortest = (
            outgoing.call("GET", server.url(), max_bytes=3_000, keep_bytes=1_000) for _ in range(3)
        )

    assert (answer.text, answer.truncated) == ("x" * 1_000, True)
    assert (shorter.text, shorter.truncated) == ("y" * 1_000, True)
    assert (shortest.text, shortest.truncated) == ("z" * 100, False)


def test_a_cut_through_a_letter_leaves_the_whole_letters() -> None:
    with scripted(answers("aéé".encode())) as server:
        assert outgoing.call("GET", server.url(), keep_bytes=4).text == "aé"


def test_an_endless_answer_is_left_after_the_limit() -> None:
    with scripted(drips(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536, pause=0)) as server:
        answer = outgoing.call("GET", server.url(), timeout=10)

    assert (answer.status, answer.truncated, len(answer.text)) == (200, True, 65_536)


def test_an_endless_chunked_answer_is_left_after_the_limit() -> None:
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    with scripted(drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk, pause=0)) as server:
        assert outgoing.call("GET", server.url(), timeout=10).truncated


def test_a_bomb_is_unpacked_up_to_the_limit_only(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    feed = http._Inflater.feed

    def counting(self: http._Inflater, chunk: bytes, limit: int) -> bytes:
        unpacked = feed(self, chunk, limit)
        made.append(len(unpacked))
        return unpacked

    monkeypatch.setattr(http._Inflater, "feed", counting)

    with scripted(answers(gzip.compress(b"\x20" * 50_000_000), "Content-Encoding: gzip")) as server:
        answer = outgoing.call("GET", server.url())

    assert answer.truncated
    assert sum(made) == outgoing.MAX_BYTES + 1


def test_endless_rubbish_behind_a_packed_answer_is_left_after_the_limit() -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"short")
    with scripted(drips(start, b"x" * 65_536, pause=0)) as server:
        answer = outgoing.call("GET", server.url(), timeout=10)

    assert (answer.text, answer.truncated) == ("short", True)


def test_an_answer_before_the_whole_body_was_taken_is_understood() -> None:
    def refuses(connection: socket.socket, closing: threading.Event) -> None:
        connection.recv(1_024)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")

    with scripted(refuses, reads=False) as server:
        answer = outgoing.call("POST", server.url(), body=b"x" * 10 * 1024 * 1024)

    assert (answer.status, answer.text) == (413, "large")


@pytest.mark.parametrize(
    "content",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
def test_what_is_not_sane_http_is_a_bad_answer(content: bytes) -> None:
    with scripted(says(content)) as server:
        error = failure("GET", server.url())

    assert (error.reason, error.retryable) == ("bad_answer", True)


# Bounds in time


@pytest.mark.parametrize(
    "reply",
    [
        stays_silent,
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drips(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["silence", "continue", "header", "body", "chunks"],
)
def test_the_whole_time_is_bounded_however_slowly_something_comes(reply: Any) -> None:
    with scripted(reply) as server:
        began = time.monotonic()
        error = failure("GET", server.url(), timeout=0.25)

    assert (error.reason, error.retryable) == ("timed_out", True)
    assert 0.2 < time.monotonic() - began < 2
    assert str(server.port) in error.message


def test_a_receiver_that_does_not_read_is_left_in_time() -> None:
    with scripted(stays_silent, reads=False) as server:
        error = failure("POST", server.url(), body=b"x" * 10 * 1024 * 1024, timeout=0.25)

    assert error.reason == "timed_out"


def test_a_handshake_that_does_not_happen_is_left_in_time() -> None:
    with scripted(stays_silent, reads=False) as server:
        error = failure("GET", server.url(scheme="https"), timeout=0.25)

    assert error.reason == "timed_out"


def test_an_address_that_does_not_even_refuse_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        for _ in range(3):  # more than it queues: further ones get no answer at all
            attempt = waiting.enter_context(socket.socket())
            attempt.setblocking(False)
            attempt.connect_ex(full.getsockname())
        began = time.monotonic()
        error = failure("GET", f"http://127.0.0.1:{full.getsockname()[1]}/", connect_timeout=0.2)

    assert (error.reason, error.retryable) == ("timed_out", True)
    assert time.monotonic() - began < 5


def test_no_time_left_is_found_before_connecting() -> None:
    with scripted(answers()) as server:
        assert failure("GET", server.url(), timeout=-1).reason == "timed_out"

    assert server.requests == []


def test_a_call_stops_when_it_is_cancelled() -> None:
    cancelled = threading.Event()

    def cancels(connection: socket.socket, closing: threading.Event) -> None:
        closing.wait(0.05)  # by then the call is waiting for the answer
        cancelled.set()
        closing.wait()

    with scripted(cancels) as server:
        began = time.monotonic()
        error = failure("GET", server.url(), timeout=20, cancelled=cancelled.is_set)

    assert (error.reason, error.retryable) == ("cancelled", False)
    assert time.monotonic() - began < 5


# Faults


def test_nobody_listens() -> None:
    error = failure("GET", f"http://127.0.0.1:{(port := free_port())}/")

    assert (error.reason, error.retryable) == ("connection_error", True)
    assert error.message == f"127.0.0.1:{port}: The connection failed: Connection refused."


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha",
    ],
)
def test_hanging_up_in_the_middle_is_a_connection_error(content: bytes) -> None:
    with scripted(says(content)) as server:
        error = failure("GET", server.url())

    assert (error.reason, error.retryable) == ("connection_error", True)


# Which addresses are called


def test_what_is_not_allowed_is_refused_for_good(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = ()

    with scripted(answers()) as server:
        error = failure("GET", server.url())

    assert (error.reason, error.retryable) == ("target_refused", False)
    assert server.requests == []


def test_a_url_that_cannot_be_called_is_refused_for_good() -> None:
    assert failure("GET", "ftp://127.0.0.1/").reason == "target_refused"


def test_every_address_of_a_name_must_be_allowed(names: dict[str, list[list[str]]]) -> None:
    names["mixed.example"] = [["127.0.0.1", "10.0.0.1"]]

    with scripted(answers()) as server:
        error = failure("GET", server.url(host="mixed.example"))

    assert error.reason == "target_refused"
    assert "10.0.0.1" in error.message
    assert error.message.startswith(f"mixed.example:{server.port}: ")
    assert server.requests == []


def test_a_name_is_looked_up_once_and_keeps_its_host_header(names: dict[str, list[list[str]]], settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.2")
    names["turning.example"] = [["127.0.0.2"], ["127.0.0.1"]]

    with scripted(answers(), host="127.0.0.2") as server:
        answer = outgoing.call("GET", server.url(host="turning.example"))

    assert answer.address == "127.0.0.2"
    assert server.head()["host"] == f"turning.example:{server.port}"
    assert len(names["turning.example"]) == 1


def test_the_next_address_is_tried_when_one_does_not_answer(names: dict[str, list[list[str]]]) -> None:
    names["two.example"] = [["127.0.0.3", "127.0.0.1"]]

    with scripted(answers()) as server:
        assert outgoing.call("GET", server.url(host="two.example")).address == "127.0.0.1"


def test_a_name_that_does_not_exist_is_a_connection_error(names: dict[str, list[list[str]]]) -> None:
    names["gone.example"] = [[]]

    error = failure("GET", "http://gone.example/")

    assert (error.reason, error.retryable) == ("connection_error", True)
    assert "Name or service not known" in error.message


def test_a_look_up_that_takes_too_long_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: over.wait(10) or [])

    error = failure("GET", "http://slow.example/", timeout=0.2)
    over.set()

    assert (error.reason, error.retryable) == ("timed_out", True)


@pytest.mark.parametrize("listening", ["127.0.0.1", "0.0.0.0", "::", "localhost"])
def test_the_site_itself_is_refused_although_loopback_is_open(settings: Any, listening: str) -> None:
    with scripted(answers()) as server:
        settings.TIMERS_LISTEN = ((listening, server.port),)
        refused = failure("GET", server.url())
        settings.TIMERS_LISTEN = ((listening, server.port + 1),)
        answer = outgoing.call("GET", server.url())

    assert refused.reason == "target_refused"
    assert "this site itself" in refused.message
    assert answer.status == 200


def test_a_site_that_listens_everywhere_knows_the_addresses_of_its_machine(settings: Any) -> None:
    settings.TIMERS_LISTEN = (("0.0.0.0", 8000),)

    assert outgoing._listen_addresses(["127.0.0.9", "192.0.2.1"], 8000) == [("0.0.0.0", 8000), ("127.0.0.9", 8000)]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        *[("/demo/echo", True), ("/demo/echo?x=1", True), ("/demo/echo/deeper", True), ("/demo/echoes", False)],
        *[("/", False), ("/demo/echo/../../admin/", False), ("/demo/echo/%2e%2e/admin", False)],
    ],
)
def test_the_demo_may_call_its_own_echo_and_nothing_else_there(settings: Any, path: str, allowed: bool) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = ()

    with scripted(answers()) as server:
        settings.TIMERS_LISTEN = (("127.0.0.1", server.port),)
        settings.TIMERS_DEMO_TARGET = server.url("/demo/echo")
        if allowed:
            assert outgoing.call("POST", server.url(path)).status == 200
        else:
            assert failure("POST", server.url(path)).reason == "target_refused"


def test_saving_checks_what_can_be_known_without_a_look_up(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = ()

    assert outgoing.check("https://example.org/x").host == "example.org"
    with pytest.raises(TargetRefused):
        outgoing.check("http://127.0.0.1/x")


def test_other_protocols_get_checked_addresses_with_any_port(names: dict[str, list[list[str]]]) -> None:
    names["files.example"] = [["93.184.215.14", "93.184.215.14"]]
    names["inner.example"] = [["10.0.0.1"]]

    assert outgoing.addresses_of("files.example", 22, any_port=True) == ("93.184.215.14",)
    for host, any_port in (("files.example", False), ("inner.example", True)):
        with pytest.raises(ExternalError) as caught:
            outgoing.addresses_of(host, 22, any_port=any_port)
        assert caught.value.reason == "target_refused"


# TLS


def test_a_self_signed_certificate_is_refused_for_good(tmp_path: Path) -> None:
    with scripted(answers(), tls=certificate(tmp_path, "secure.example").server()) as server:
        error = failure("GET", server.url(scheme="https"))

    assert (error.reason, error.retryable) == ("tls_error", False)
    assert "certificate" in error.message
    assert server.requests == []


def test_a_trusted_certificate_must_carry_the_name_that_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: dict[str, list[list[str]]]
) -> None:
    names.update({"secure.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]]})
    made = certificate(tmp_path, "secure.example")
    monkeypatch.setattr(http, "tls_context", made.trusting)
    asked: list[str | None] = []
    context = made.server()
    context.sni_callback = lambda _socket, name, _context: asked.append(name)

    with scripted(answers(b"safe"), tls=context) as server:
        answer = outgoing.call("POST", server.url(scheme="https", host="secure.example"), body=b"x" * 200_000)
        error = failure("GET", server.url(scheme="https", host="other.example"))

    assert (answer.text, asked[0]) == ("safe", "secure.example")
    assert len(server.body(0)) == 200_000
    assert error.reason == "tls_error"


def test_speaking_https_to_a_plain_server_is_a_tls_error() -> None:
    with scripted(says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), reads=False) as server:
        assert failure("GET", server.url(scheme="https")).reason in ("tls_error", "connection_error")


def test_certificates_are_always_verified() -> None:
    context = http.tls_context()

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_every_call_closes_its_connection() -> None:
    ended = threading.Event()

    def watch(connection: socket.socket, closing: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        if connection.recv(1) == b"":
            ended.set()

    with scripted(watch) as server:
        outgoing.call("GET", server.url())
        assert ended.wait(5)
