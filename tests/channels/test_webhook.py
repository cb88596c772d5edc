"""The channel webhook, to a real receiver."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from standardwebhooks import Webhook

from tests.contracts.channel import NOON, NOTICE, ChannelContract, delivery
from tests.loopback import Scripted, answers, free_port, scripted
from timers.channels.webhook import WebhookChannel
from timers.errors import ExternalError
from timers.targets import parse_networks


@pytest.fixture(autouse=True)
def _loopback_is_open(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")
    settings.TIMERS_LISTEN = ()


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted(answers(b"thanks")) as running:
        yield running


def _answering(status: str) -> Iterator[str]:
    with scripted(answers(b"no", status=status)) as running:
        yield running.url("/hook")


class TestWebhookContract(ChannelContract):
    channel = WebhookChannel
    good: ClassVar[list[str]] = ["https://hooks.example.org/timers?team=ops", "HTTP://127.0.0.1:8080/"]
    bad: ClassVar[list[str]] = [
        "webhook:https://hooks.example.org/",
        "https://me:pw@hooks.example.org/",
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "ftp://hooks.example.org/",
    ]

    @pytest.fixture
    def taking(self, server: Scripted) -> str:
        return server.url("/hook")

    @pytest.fixture
    def refusing(self) -> Iterator[str]:
        yield from _answering("404 Not Found")

    @pytest.fixture
    def moody(self) -> Iterator[str]:
        yield from _answering("503 Service Unavailable")

    @pytest.fixture
    def unreachable(self) -> str:
        return f"http://127.0.0.1:{free_port()}/"

    @pytest.fixture
    def arrived(self, server: Scripted) -> Callable[[], list[tuple[str, str, str]]]:
        def read(number: int) -> tuple[str, str, str]:
            document = json.loads(server.body(number))
            return server.head(number)["webhook-id"], document["subject"], document["text"]

        return lambda: [read(number) for number in range(len(server.requests))]


def test_the_document_says_what_happened_and_when(server: Scripted) -> None:
    WebhookChannel().deliver(delivery(server.url("/hook")))

    document = json.loads(server.body())
    assert server.requests[0].startswith(b"POST /hook HTTP/1.1\r\n")
    assert set(document) == {"type", "subject", "text", "data", "time"}
    assert (document["type"], document["data"]) == ("timer.failed", {"name": "Zürich", "attempt": 3})
    assert document["time"] == NOON.isoformat()
    assert server.head()["content-type"] == "application/json"


def test_it_is_signed_with_every_key_as_standard_webhooks_says(server: Scripted) -> None:
    keys = (b"n" * 32, b"o" * 32)
    WebhookChannel().deliver(delivery(server.url(), signing_secrets=keys, sent_at=datetime.now(UTC)))

    head, body = server.head(), server.body().decode()
    assert (head["webhook-id"], head["idempotency-key"]) == (str(NOTICE), str(NOTICE))
    for key in keys:
        assert Webhook(base64.b64encode(key).decode()).verify(body, head)["type"] == "timer.failed"


def test_without_a_key_it_is_only_named(server: Scripted) -> None:
    WebhookChannel().deliver(delivery(server.url()))

    assert {"webhook-id", "webhook-timestamp"} <= set(server.head())
    assert "webhook-signature" not in server.head()


@pytest.mark.parametrize(
    ("status", "retryable"), [("302 Found", False), ("410 Gone", False), ("429 Slow", True), ("500 Oh", True)]
)
def test_the_status_says_whether_another_attempt_helps(status: str, retryable: bool) -> None:
    answer = answers(b"", "Location: /elsewhere", status=status)
    with scripted(answer) as server, pytest.raises(ExternalError, match=status[:3]) as caught:
        WebhookChannel().deliver(delivery(server.url("/secret-path")))

    assert caught.value.retryable is retryable
    assert "secret-path" not in caught.value.message
    assert len(server.requests) == 1


def test_a_network_that_was_closed_since_is_not_called(server: Scripted, settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = ()

    with pytest.raises(ExternalError) as caught:
        WebhookChannel().deliver(delivery(server.url()))

    assert (caught.value.reason, caught.value.retryable) == ("target_refused", False)
    assert server.requests == []
