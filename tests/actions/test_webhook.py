"""The action webhook: what is saved, what is sent, and how answers are judged."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.contracts.action import ActionContract, context_for
from tests.loopback import Scripted, answers, free_port, scripted, stays_silent
from timers.actions.base import MASK, Outcome, OutcomeKind
from timers.actions.webhook import MAX_BODY_BYTES, WebhookAction, is_secret
from timers.errors import Invalid
from timers.targets import parse_networks

URL = "https://example.org/hook"
EXECUTION = UUID("11111111-2222-4333-8444-555555555555")
NAN = float("nan")
TOO_MANY_HEADERS = {f"X-{number}": "x" for number in range(51)}
BAD_URLS = (
    *("", 5, "ftp://example.org", "https://me:pw@example.org", "https://example.org:22/"),
    *("http://10.0.0.1/", "http://169.254.169.254/", "http://2852039166/"),
)
BAD_HEADER_VALUES = (5, None, "a\r\nX: y", "a\x00", "ü", "x" * 9_000)
BAD_STATUSES: tuple[Any, ...] = (99, 600, "6xx", "200", True, [], [200, None], {})
TIMER = UUID("66666666-7777-4888-8999-aaaaaaaaaaaa")


@pytest.fixture(autouse=True)
def _loopback_is_open(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")
    settings.TIMERS_LISTEN = ()
    settings.TIMERS_DEMO_TARGET = ""


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted(answers(b"thanks", "Content-Type: text/plain")) as running:
        yield running


class TestWebhookContract(ActionContract):
    action = WebhookAction
    good: ClassVar[list[dict[str, Any]]] = [
        {"url": URL},
        {"url": URL, "method": "get", "headers": {"Authorization": "Bearer abc-def-ghi", "X-Plain": "seen"}},
        {"url": URL, "json": {"a": [1, None, "ü"]}, "headers": {"x-api.KEY": "sesame-open", "Cookie": MASK}},
        {"url": URL, "json": None, "expect": {"status": [200, "3xx"]}},
        {"url": URL, "text": "", "json": None, "method": "OPTIONS", "expect": {"status": "2xx"}},
    ]
    bad: ClassVar[list[tuple[dict[str, Any], str]]] = [
        ({}, "url"),
        *[({"url": url}, "url") for url in BAD_URLS],
        *[({"url": URL, "method": method}, "method") for method in ("TRACE", "CONNECT", "", 5, "GET /")],
        *[({"url": URL, "headers": headers}, "headers") for headers in (["x"], "x: y", TOO_MANY_HEADERS)],
        *[({"url": URL, "headers": {name: "x"}}, f"headers.{name}") for name in ("a b", "a:b", "ü", "a\r\nb")],
        *[({"url": URL, "headers": {"X-A": value}}, "headers.X-A") for value in BAD_HEADER_VALUES],
        ({"url": URL, "headers": {"X-A": "1", "x-a": "2"}}, "headers.x-a"),
        *[
            ({"url": URL, "text": text}, "text")
            for text in (5, {"a": 1}, "a\x00b", "\ud800", "x" * (MAX_BODY_BYTES + 1))
        ],
        *[({"url": URL, "json": value}, "json") for value in (NAN, {"a": NAN}, ["\ud800"], {"\x00": 1}, [["\x00"]])],
        ({"url": URL, "json": {}, "text": "x"}, "text"),
        *[({"url": URL, "expect": expect}, "expect") for expect in (200, "2xx", [200])],
        *[({"url": URL, "expect": {"status": status}}, "expect.status") for status in BAD_STATUSES],
        ({"url": URL, "expect": {"body": "x"}}, "expect.body"),
    ]

    @pytest.fixture
    def runnable(self, server: Scripted) -> dict[str, Any]:
        return {"url": server.url(), "json": {"a": 1}}

    @pytest.fixture
    def failing(self) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{free_port()}/"}


# What is saved


def test_a_clean_body_says_its_method() -> None:
    assert WebhookAction.clean({"url": f" {URL} ", "headers": {}, "expect": None}, owner=None) == {
        "url": URL,
        "method": "POST",
    }


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "host", "Content-Length", "Transfer-Encoding", "Connection", "Proxy-Authorization", "proxy-x"),
        *("webhook-id", "Webhook-Signature", "webhook-anything", "X-Forwarded-For", "x-forwarded-x"),
        *("Keep-Alive", "TE", "Trailer", "Upgrade", "Expect", "Idempotency-Key", "X-Timer-Id", "traceparent"),
    ],
)
def test_headers_of_the_sender_are_refused_by_name(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        WebhookAction.clean({"url": URL, "headers": {"X-Fine": "1", name: "x"}}, owner=None)

    assert list(caught.value.fields) == [f"headers.{name}"]


def test_deep_json_is_refused_rather_than_crashing() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(Invalid, match="json"):
        WebhookAction.clean({"url": URL, "json": deep}, owner=None)


def test_a_body_that_is_too_large_has_its_own_code() -> None:
    with pytest.raises(Invalid) as caught:
        WebhookAction.clean({"url": URL, "json": "é" * (MAX_BODY_BYTES // 2)}, owner=None)

    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[(name, True) for name in ("Authorization", "COOKIE", "X-Api-Key", "x-auth-token", "My-Secret", "Password2")],
        *[(name, False) for name in ("Accept", "X-Trace", "Cookies-Allowed", "X-Author")],
    ],
)
def test_a_header_is_secret_by_its_name(name: str, expected: bool) -> None:
    assert is_secret(name) is expected


def test_secrets_are_taken_out_by_dotted_path() -> None:
    body = {"url": URL, "headers": {"Authorization": "Bearer abc", "X-A.Token": "t", "Accept": "*/*", "Cookie": MASK}}

    masked, found = WebhookAction.split_secrets(body)

    assert masked["headers"] == {"Authorization": MASK, "X-A.Token": MASK, "Accept": "*/*", "Cookie": MASK}
    assert found == {"headers.Authorization": "Bearer abc", "headers.X-A.Token": "t", "headers.Cookie": MASK}


def test_secrets_return_only_where_they_are_masked() -> None:
    kept = {"headers.Authorization": "old", "headers.Cookie": "old", "headers.X-Gone-Key": "old"}
    body = {"url": URL, "headers": {"authorization": MASK, "Cookie": "new", "X-Other-Key": MASK}}

    joined = WebhookAction.join_secrets(body, kept)

    assert joined["headers"] == {"authorization": "old", "Cookie": "new", "X-Other-Key": MASK}
    assert WebhookAction.join_secrets({"url": URL}, kept) == {"url": URL}


@pytest.mark.parametrize(
    ("body", "summary"),
    [
        ({"url": "https://example.org/path?token=x", "method": "PUT"}, "PUT example.org/path"),
        ({"url": "http://example.org:8080"}, "POST example.org:8080"),
        ({"url": "nonsense", "method": "get"}, "GET"),
        ({}, "POST"),
    ],
)
def test_the_summary_names_method_and_place(body: dict[str, Any], summary: str) -> None:
    assert WebhookAction.summary(body) == summary


# What is sent


def run(body: dict[str, Any], **changes: Any) -> Outcome:
    return WebhookAction().run(context_for(WebhookAction.clean(body, owner=None), **changes))


@pytest.mark.parametrize(
    ("content", "sent", "content_type"),
    [
        ({"json": {"b": [1, 2.5, None], "a": "ü"}}, '{"b":[1,2.5,null],"a":"ü"}', "application/json"),
        ({"json": None}, "null", "application/json"),
        ({"text": "grüße\n"}, "grüße\n", "text/plain; charset=utf-8"),
        ({"text": ""}, "", "text/plain; charset=utf-8"),
        ({}, "", None),
    ],
)
def test_exactly_the_configured_body_is_sent(
    server: Scripted, content: dict[str, Any], sent: str, content_type: str | None
) -> None:
    outcome = run({"url": server.url("/hook?q=1"), **content})

    assert outcome.ending is OutcomeKind.COMPLETED
    assert server.requests[0].startswith(b"POST /hook?q=1 HTTP/1.1\r\n")
    assert server.body() == sent.encode()
    assert server.head().get("content-type") == content_type


def test_own_headers_win_over_the_usual_ones(server: Scripted) -> None:
    run(
        {
            "url": server.url(),
            "json": {},
            "headers": {"content-type": "application/cloudevents+json", "USER-AGENT": "me"},
        }
    )

    head = server.requests[0].lower()
    assert server.head()["content-type"] == "application/cloudevents+json"
    assert server.head()["user-agent"] == "me"
    assert head.count(b"content-type:") == head.count(b"user-agent:") == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_can_carry_a_body(server: Scripted, method: str) -> None:
    assert run({"url": server.url(), "method": method.lower(), "text": "x"}).ending is OutcomeKind.COMPLETED

    assert server.requests[0].startswith(method.encode() + b" / ")
    assert server.body() == b"x"


def test_a_delivery_says_who_it_is(server: Scripted) -> None:
    planned = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    run({"url": server.url()}, execution_id=EXECUTION, timer_id=TIMER, attempt=3, scheduled_for=planned)

    head = server.head()
    assert head["webhook-id"] == head["idempotency-key"] == str(EXECUTION)
    assert head["x-timer-id"] == str(TIMER)
    assert head["x-scheduled-for"] == "2026-03-02T12:00:00+00:00"
    assert head["x-attempt"] == "3"
    assert head["user-agent"].startswith("Timers/")
    version, trace, span, flags = head["traceparent"].split("-")
    assert (version, trace, len(span), flags) == ("00", EXECUTION.hex, 16, "01")
    assert "webhook-signature" not in head


def test_every_signing_secret_signs_the_raw_bytes(server: Scripted) -> None:
    keys = (secrets.token_bytes(32), secrets.token_bytes(24))
    run({"url": server.url(), "json": {"a": "ü"}}, signing_secrets=keys)

    head, body = server.head(), server.body()
    assert len(head["webhook-signature"].split(" ")) == 2
    for key in keys:
        webhook = Webhook(f"whsec_{base64.b64encode(key).decode()}")
        assert webhook.verify(body, head) == {"a": "ü"}
        with pytest.raises(WebhookVerificationError):
            webhook.verify(body + b" ", head)


def test_a_delivery_without_body_is_signed_too(server: Scripted) -> None:
    key = secrets.token_bytes(32)
    run({"url": server.url(), "method": "GET", "text": "{}"}, signing_secrets=(key,))

    Webhook(f"whsec_{base64.b64encode(key).decode()}").verify(server.body(), server.head())


# How answers are judged


@pytest.fixture
def judged() -> Callable[..., Outcome]:
    """Run against a server that answers with this status and these headers."""

    def judge(status: str, *headers: str, **body: Any) -> Outcome:
        with scripted(answers(b"hm", *headers, status=status)) as running:
            return run({"url": running.url("/secret-path"), **body})

    return judge


@pytest.mark.parametrize("status", ["200 OK", "202 Accepted", "204 No Content", "299 Fine"])
def test_any_2xx_is_success(judged: Callable[..., Outcome], status: str) -> None:
    outcome = judged(status)

    assert outcome.ending is OutcomeKind.COMPLETED
    assert outcome.result is not None
    assert outcome.result["status_code"] == int(status[:3])


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        *[("301 Moved", "unexpected_status", False), ("304 Not Modified", "unexpected_status", False)],
        *[("400 Bad Request", "http_status", False), ("404 Not Found", "http_status", False)],
        *[("408 Timeout", "http_status", True), ("425 Early", "http_status", True), ("429 Slow", "http_status", True)],
        *[("500 Oops", "http_status", True), ("503 Busy", "http_status", True), ("599 Odd", "http_status", True)],
    ],
)
def test_other_statuses_fail_and_only_some_are_retried(
    judged: Callable[..., Outcome], status: str, reason: str, retryable: bool
) -> None:
    outcome = judged(status)

    assert (outcome.ending, outcome.failure_reason, outcome.retryable) == (OutcomeKind.FAILED, reason, retryable)
    assert outcome.pause_timer is None
    assert outcome.result is not None
    assert outcome.result["text"] == ("" if status.startswith("304") else "hm")
    assert outcome.error_message is not None
    assert outcome.error_message.startswith("127.0.0.1:")
    assert status[:3] in outcome.error_message
    assert "secret-path" not in outcome.error_message


def test_gone_pauses_the_timer(judged: Callable[..., Outcome]) -> None:
    outcome = judged("410 Gone")

    assert (outcome.ending, outcome.failure_reason, outcome.retryable) == (OutcomeKind.FAILED, "http_status", False)
    assert outcome.pause_timer == "The target says that it is gone (410)."


@pytest.mark.parametrize(
    ("expected", "status", "ending"),
    [
        *[(200, "200 OK", OutcomeKind.COMPLETED), (200, "201 Created", OutcomeKind.FAILED)],
        *[([200, 404], "404 Not Found", OutcomeKind.COMPLETED), (["3xx"], "302 Found", OutcomeKind.COMPLETED)],
        *[
            ("4xx", "200 OK", OutcomeKind.FAILED),
            ("4xx", "410 Gone", OutcomeKind.COMPLETED),
            (503, "503 Busy", OutcomeKind.COMPLETED),
        ],
    ],
)
def test_an_expectation_decides_what_success_is(
    judged: Callable[..., Outcome], expected: Any, status: str, ending: OutcomeKind
) -> None:
    outcome = judged(status, expect={"status": expected})

    assert outcome.ending is ending
    if ending is OutcomeKind.FAILED:
        assert (outcome.failure_reason, outcome.retryable) == ("expectation_failed", False)
        assert outcome.error_message is not None
        assert f"expected {expected}" in outcome.error_message


def test_an_unmet_expectation_is_retried_where_the_status_says_so(judged: Callable[..., Outcome]) -> None:
    outcome = judged("503 Busy", "Retry-After: 7", expect={"status": [200, 204]})

    assert (outcome.failure_reason, outcome.retryable, outcome.retry_after) == ("http_status", True, 7.0)
    assert outcome.error_message is not None
    assert "expected 200 or 204" in outcome.error_message


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [
        *[("429 Slow", "120", 120.0), ("503 Busy", "0", 0.0), ("503 Busy", "9" * 30, 86_400.0)],
        *[("503 Busy", "Sat, 01 Jan 2000 00:00:00 GMT", 0.0), ("503 Busy", "Fri, 01 Jan 2100 00:00:00 GMT", 86_400.0)],
        *[("503 Busy", "soon", None), ("503 Busy", "-5", None), ("503 Busy", "", None), ("404 Not Found", "9", None)],
    ],
)
def test_the_other_side_may_say_when_to_come_back(
    judged: Callable[..., Outcome], status: str, value: str, seconds: float | None
) -> None:
    assert judged(status, f"Retry-After: {value}").retry_after == seconds


def test_a_date_to_come_back_is_turned_into_seconds(judged: Callable[..., Outcome]) -> None:
    instant = datetime.now(UTC) + timedelta(minutes=10)

    outcome = judged("503 Busy", f"Retry-After: {instant:%a, %d %b %Y %H:%M:%S} GMT")

    assert outcome.retry_after == pytest.approx(600, abs=5)


# Without an answer


def test_a_refused_target_fails_for_good(settings: Any, server: Scripted) -> None:
    body = WebhookAction.clean({"url": server.url()}, owner=None)
    settings.TIMERS_WEBHOOK_NETWORKS = ()

    outcome = WebhookAction().run(context_for(body))

    assert (outcome.failure_reason, outcome.retryable) == ("target_refused", False)
    assert outcome.details is not None
    assert outcome.details["request"]["url"] == server.url()
    assert server.requests == []


def test_the_attempt_ends_at_its_deadline() -> None:
    with scripted(stays_silent) as silent:
        outcome = run({"url": silent.url()}, deadline=datetime.now(UTC) + timedelta(seconds=0.2))
        late = run({"url": silent.url()}, deadline=datetime.now(UTC) - timedelta(seconds=1))

    assert (outcome.failure_reason, outcome.retryable) == ("timed_out", True)
    assert late.failure_reason == "timed_out"
    assert len(silent.requests) == 1


def test_a_cancelled_attempt_is_cancelled(server: Scripted) -> None:
    assert run({"url": server.url()}, cancelled=lambda: True).ending is OutcomeKind.CANCELLED


def test_an_attempt_without_deadline_has_the_usual_time(server: Scripted) -> None:
    assert run({"url": server.url()}, deadline=None).ending is OutcomeKind.COMPLETED


# What is shown


def test_request_and_answer_are_kept_for_people() -> None:
    with scripted(answers(b"y" * 70_000, "Content-Type: text/plain", "Set-Cookie: a=b", "X-Odd: 1")) as running:
        outcome = run({"url": running.url("/p?q=1"), "text": "x" * 70_000})

    assert outcome.result is not None
    assert outcome.details is not None
    assert outcome.result == {
        "status_code": 200,
        "headers": {"content-type": "text/plain", "content-length": "70000"},
        "text": "y" * 65_536,
        "truncated": True,
    }
    request = outcome.details["request"]
    assert (request["method"], request["url"]) == ("POST", running.url("/p?q=1"))
    assert (request["body"], request["truncated"]) == ("x" * 65_536, True)
    assert outcome.details["answer"]["address"] == "127.0.0.1"


def test_secrets_are_masked_also_where_the_other_side_repeats_them() -> None:
    with scripted(answers(b"you sent Bearer hunter-22 and hunter-22", "X-Request-Id: hunter-22")) as running:
        outcome = run({"url": running.url(), "headers": {"Authorization": "Bearer hunter-22", "X-Token": "abc"}})

    assert outcome.result is not None
    assert running.head()["authorization"] == "Bearer hunter-22"
    assert outcome.result["text"] == "you sent *** and ***"
    shown = json.dumps([outcome.result, outcome.details])
    assert "hunter" not in shown
    assert '"X-Token": "***"' in shown
