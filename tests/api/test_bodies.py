"""What can be wrong with a body, whatever it is for: 400, 413 or 415, never 500."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import BASE, Caller
from tests.api.test_create_timer import WEBHOOK
from timers.models import Timer

MEGABYTE = 1024 * 1024


def nested(depth: int) -> bytes:
    return b'{"timer": {"body": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}}"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'"text"',
        b"[]",
        b"null",
        b"5",
        b"\xff\xfe\x00",
        b'{"name": "\xff"}',
        b'{"a": ' + b"1" * 5000 + b"}",
        nested(50_000),
        b" ",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_json_object_is_refused(owner_calls: Caller, body: bytes) -> None:
    answer = owner_calls.raw("POST", "/timers", body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid"


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (b'{"timer": {"name": "a\\u0000b"}}', "timer.name"),
        (b'{"timer": {"name": "\\ud800"}}', "timer.name"),
        (b'{"timer": {"body": {"json": {"a": [1, "\\u0000"]}}}}', "timer.body.json.a.1"),
        (b'{"timer": {"body": {"a\\u0000": 1}}}', "timer.body"),
        (b'{"timer": {"body": {"a": 18446744073709551616}}}', "timer.body.a"),
        (b'{"timer": {"body": {"a": 1e999}}}', "timer.body.a"),
        (nested(70), "timer"),
    ],
    ids=lambda part: repr(part[:40]),
)
def test_what_a_database_cannot_keep_is_refused_by_its_name(owner_calls: Caller, document: bytes, field: str) -> None:
    answer = owner_calls.raw("POST", "/timers", document)

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]


def test_a_key_with_a_nul_character_is_refused(owner_calls: Caller) -> None:
    assert owner_calls.raw("POST", "/timers", b'{"a\\u0000": 1}').status_code == 400


def test_large_numbers_within_64_bits_are_kept_exactly(owner_calls: Caller) -> None:
    body = {**WEBHOOK, "body": {"url": "https://example.org/", "json": {"n": 2**64 - 1, "m": -(2**63), "f": 0.1}}}

    timer = owner_calls.post("/timers", {"timer": body}).json()["timer"]

    assert timer["body"]["json"] == {"n": 2**64 - 1, "m": -(2**63), "f": 0.1}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "x" * 300]
)
def test_another_content_type_is_refused(owner_calls: Caller, content_type: str) -> None:
    answer = owner_calls.raw("POST", "/timers", json.dumps({"timer": WEBHOOK}).encode(), content_type)

    assert answer.status_code == 415
    assert answer.json()["error"]["code"] == "unsupported_media_type"


def test_a_content_type_may_name_its_charset(owner_calls: Caller) -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"timer": WEBHOOK}).encode()

    assert owner_calls.raw("POST", "/timers", body, "application/json; charset=UTF-8").status_code == 201


def test_a_body_that_is_not_needed_is_refused_too_when_it_cannot_be_read(owner_calls: Caller, timer: Timer) -> None:
    assert owner_calls.raw("POST", f"/timers/{timer.pk}/run", b"{").status_code == 400
    assert owner_calls.raw("POST", f"/timers/{timer.pk}/run", b"a=1", "text/plain").status_code == 415


@pytest.mark.parametrize("size", [10 * MEGABYTE + 1, 13 * MEGABYTE])
def test_a_body_above_ten_mebibytes_is_too_large(owner_calls: Caller, size: int) -> None:
    answer = owner_calls.raw("POST", "/timers", b'{"a": "' + b"x" * (size - 9) + b'"}')

    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"


def test_a_body_of_ten_mebibytes_is_read(owner_calls: Caller) -> None:
    answer = owner_calls.raw("POST", "/timers", b'{"a": "' + b"x" * (10 * MEGABYTE - 9) + b'"}')

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == ["a"]


def chunked(calls: Caller, body: bytes) -> Any:
    """Post a body as a server hands it over that came in chunks: without a length, with an end."""
    handed_over: Any = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    return calls.client.generic("POST", BASE + "/timers", CONTENT_TYPE="application/json", **handed_over)


def test_a_body_may_come_in_chunks(owner_calls: Caller) -> None:
    assert chunked(owner_calls, json.dumps({"timer": WEBHOOK}).encode()).status_code == 201
    assert chunked(owner_calls, b" " * (10 * MEGABYTE + 1)).status_code == 413


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "timer_type": st.sampled_from(["webhook", "transfer", "code"]) | JSON,
        "name": st.text(max_size=300) | JSON,
        "schedule": st.fixed_dictionaries(
            {"type": st.sampled_from(["once", "recurring", "cron"]) | JSON},
            optional={
                "datetime": st.datetimes().map(str) | JSON,
                "interval_seconds": st.floats() | st.integers() | JSON,
                "start": st.datetimes().map(str) | JSON,
                "end": st.fixed_dictionaries({"condition": st.sampled_from(["time", "iterations"]), "n": JSON}) | JSON,
                "expression": st.text("*/?,-L#W0123456789 MONSU@", max_size=20) | JSON,
                "timezone": st.sampled_from(["UTC", "Europe/Berlin", "../x", ""]) | JSON,
            },
        )
        | JSON,
        "body": st.fixed_dictionaries(
            {}, optional={"url": st.text(max_size=40) | st.just("https://example.org"), "json": JSON, "headers": JSON}
        )
        | JSON,
        "policies": st.dictionaries(
            st.sampled_from(["overlap", "catch_up", "max_attempts", "jitter_seconds", "notify", "timeout_seconds"]),
            JSON,
        )
        | JSON,
        "tags": st.dictionaries(st.text(max_size=5), st.text(max_size=5) | JSON, max_size=3) | JSON,
        "paused": st.booleans() | JSON,
        "description": JSON,
    },
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(fields=FIELDS, path=st.sampled_from(["/timers", "/timers/bulk", "/jobs", "/schedules/preview"]))
def test_no_document_makes_the_server_stumble(owner_calls: Caller, fields: Any, path: str) -> None:
    document = {"/timers": {"timer": fields}, "/timers/bulk": {"timers": [fields]}}.get(path, fields)

    answer = owner_calls.post(path, document)

    assert answer.status_code in {200, 201, 400}
    if answer.status_code == 400:
        assert answer.json()["error"]["message"]
