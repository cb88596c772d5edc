"""Lost answers, overloaded stores and broken connections: what arrived counts, and the request is sent again."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ParamValidationError, ReadTimeoutError

from tests.contracts.storage import PART, get, names, put
from tests.loopback import says, scripted
from tests.storages.relay import Answer, Dropped, Passing, Relay, error
from tests.storages.s3.conftest import Opener, fails
from tests.storages.s3_server import S3Server
from timers.storages.base import PartialFile
from timers.storages.s3 import S3Storage
from timers.storages.s3.retrying import MAX_PAUSE_SECONDS, MAX_TRIES, pause_before_retry, pause_seconds
from timers.storages.s3.writing import MIN_PART_BYTES


def test_requests_and_answers_that_are_lost_are_sent_again(
    relayed: S3Storage, relay: Relay, server: S3Server, bucket: str, large: bytes
) -> None:
    attempts: Counter[tuple[str, str]] = Counter()

    def lose_first(passing: Passing) -> None:
        attempts[passing.method, passing.path] += 1
        if attempts[passing.method, passing.path] == 1:
            raise Dropped

    def lose_second_answer(passing: Passing, answer: Answer) -> None:
        if attempts[passing.method, passing.path] == 2:
            raise Dropped

    relay.ask, relay.say = lose_first, lose_second_answer

    put(relayed, "/small", b"x")
    put(relayed, "/big", large)

    assert (get(relayed, "/small"), get(relayed, "/big")) == (b"x", large)
    assert (server.keys(bucket), server.uploads(bucket)) == (["big", "small"], ["big"])  # one begun without an answer


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "ServiceUnavailable"])
def test_a_store_that_says_slow_down_is_asked_again(relayed: S3Storage, relay: Relay, code: str) -> None:
    refusals = iter([error(503, code), error(503, code)])
    relay.ask = lambda passing: next(refusals, None)

    put(relayed, "/f", b"x")

    assert len(relay.passed) == 3


def test_what_was_refused_for_good_is_asked_once(relayed: S3Storage, relay: Relay) -> None:
    relay.ask = lambda passing: error(403, "AccessDenied")

    with fails("permission_denied"):
        put(relayed, "/f", b"x")

    assert len(relay.passed) == 1


def answered(status: int, code: str = "", **headers: str) -> Any:
    return SimpleNamespace(status_code=status, headers=headers), {"Error": {"Code": code}} if code else {}


@pytest.mark.parametrize(
    ("response", "attempts", "is_repeated"),
    [
        (answered(200), 1, False),
        (answered(403, "AccessDenied"), 1, False),
        (answered(404), 1, False),
        (answered(500), 1, True),
        (answered(503), MAX_TRIES - 1, True),
        (answered(503), MAX_TRIES, False),
        (answered(429), 1, True),
        (answered(400, "RequestTimeout"), 1, True),
        (answered(200, "SlowDown"), 1, True),
    ],
)
def test_an_answer_is_asked_for_again_where_that_can_help(response: Any, attempts: int, is_repeated: bool) -> None:
    pause = pause_before_retry(response=response, attempts=attempts, caught_exception=None)

    assert (pause is not None) == is_repeated


def test_a_missing_answer_is_asked_for_again_and_silence_only_once() -> None:
    closed = ConnectionClosedError(endpoint_url="https://s3.example.org")
    silent = ReadTimeoutError(endpoint_url="https://s3.example.org")

    def is_repeated(caught: Exception, attempts: int) -> bool:
        return pause_before_retry(response=None, attempts=attempts, caught_exception=caught) is not None

    assert [is_repeated(closed, attempts) for attempts in (1, MAX_TRIES - 1, MAX_TRIES)] == [True, True, False]
    assert [is_repeated(silent, attempts) for attempts in (1, 2)] == [True, False]
    assert not is_repeated(ParamValidationError(report="wrong"), 1)


def test_pauses_grow_to_a_limit_and_follow_the_store() -> None:
    assert 0.05 <= pause_seconds(1) <= 0.1
    assert pause_seconds(30) <= MAX_PAUSE_SECONDS
    for stated, least, most in (("2", 2.0, 2.0), ("3600", MAX_PAUSE_SECONDS, MAX_PAUSE_SECONDS), ("soon", 0.1, 0.4)):
        response = answered(503, **{"retry-after": stated})
        pause = pause_before_retry(response=response, attempts=1, caught_exception=None)
        assert pause is not None
        assert least <= pause <= most


def test_what_arrived_before_a_connection_broke_is_not_fetched_again(opened: Opener) -> None:
    def piece(start: int) -> Any:
        data = b"0123456789"[start:]
        head = f'Content-Length: {len(data)}\r\nContent-Range: bytes {start}-9/10\r\nETag: "e"\r\n\r\n'
        return says(b"HTTP/1.1 206 Partial Content\r\n" + head.encode() + data[:1])

    with scripted(*(piece(start) for start in range(10))) as server:
        assert get(opened(endpoint_url=server.url("").rstrip("/")), "/f") == b"0123456789"

    assert [server.head(number)["range"] for number in range(1, 10)] == [f"bytes={start}-9" for start in range(1, 10)]


def test_parts_that_arrived_before_a_line_broke_are_kept(
    relayed: S3Storage, relay: Relay, server: S3Server, bucket: str, large: bytes
) -> None:
    def cut(passing: Passing) -> None:
        if passing.is_part and "partNumber=2" in passing.path:
            raise Dropped

    relay.ask = cut
    writer = relayed.write("/big", partial=PART)
    with fails("connection_error"):
        writer.write(large)
        writer.sync()

    kept = writer.keep()
    assert kept == PartialFile(PART, MIN_PART_BYTES)
    relay.ask = lambda passing: None
    again = relayed.write("/big", partial=PART.replace("-1.part", "-2.part"), resume=kept)
    again.write(large[kept.size :])
    again.commit()

    assert get(relayed, "/big") == large
    assert (server.keys(bucket), server.uploads(bucket)) == (["big"], [])


def test_an_address_that_is_refused_is_not_tried_again(opened: Opener, settings: Any) -> None:
    with scripted(says(b"")) as server:
        storage = opened(endpoint_url=server.url("", host="localhost"))
        settings.TIMERS_WEBHOOK_NETWORKS = ()

        with fails("target_refused"):
            names(storage)

    assert server.requests == []
