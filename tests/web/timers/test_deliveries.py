"""Trying out a webhook from the form: one real delivery, secrets masked, under the rules of all deliveries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_webhook_timer
from tests.loopback import Scripted, answers, scripted
from tests.web.conftest import fields_of_webhook
from tests.web.timers.test_form import text_of, values_of
from timers.models import Event, Execution, Timer
from timers.services.timers import test_deliveries
from timers.targets import parse_networks

pytestmark = pytest.mark.django_db
SECRET = "Bearer 0123456789abcdef"


@pytest.fixture
def target(settings: Any) -> Iterator[Scripted]:
    """A server that repeats the secret it is told."""
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")
    said = json.dumps({"heard": SECRET, "took": True}).encode()
    with scripted(answers(said, "Content-Type: application/json")) as running:
        yield running


def send(browser: Client, query: str = "", **fields: Any) -> str:
    data = fields_of_webhook(**fields)
    return text_of(browser.post(f"/timers/new/test/{query}", data, headers={"HX-Request": "true"}))


def test_a_test_is_sent_and_its_answer_shown_without_secrets(owners_browser: Client, target: Scripted) -> None:
    part = send(owners_browser, url=target.url("/hook"), headers=f"Authorization: {SECRET}", name="")

    assert target.head()["authorization"] == SECRET
    assert json.loads(target.body()) == {"hello": "there"}
    assert target.head()["webhook-signature"].startswith("v1,")
    assert "The test was accepted." in part
    assert "Answered 200" in part
    assert '"took": true' in part
    assert SECRET not in part
    assert "*** masked" in part
    assert not Timer.objects.exists()
    assert not Execution.objects.exists()


def test_a_refusal_is_shown_as_one(owners_browser: Client, settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")
    with scripted(answers(b"later", status="503 Service Unavailable")) as busy:
        part = send(owners_browser, url=busy.url())

    assert "answered 503 (Service Unavailable)." in part
    assert "later" in part


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"url": "http://10.0.0.5/"}, "url: "),
        ({"url": ""}, "url: A URL is needed."),
        ({"content": "{"}, "This is not JSON"),
        ({"headers": "Authorization: ***"}, "*** stands for a stored secret"),
        ({"method": "BREW"}, "Some fields cannot be read."),
    ],
)
def test_what_cannot_be_sent_says_why(owners_browser: Client, fields: dict[str, str], sentence: str) -> None:
    part = send(owners_browser, **fields)

    assert "The test was not sent." in part
    assert sentence in part


def test_stored_secrets_are_used_when_a_timer_is_edited_or_copied(
    owners_browser: Client, owner: Any, target: Scripted
) -> None:
    body = {"url": target.url("/hook"), "headers": {"Authorization": SECRET}}
    timer = make_webhook_timer(owner, body=body)
    values = values_of(owners_browser.get(f"/timers/{timer.pk}/edit/").content.decode())
    assert values["headers"] == ["Authorization: ***"]

    for query in (f"?timer={timer.pk}", f"?from={timer.pk}"):
        assert "The test was accepted." in send(owners_browser, query, **values)
        assert target.head()["authorization"] == SECRET
    copied = owners_browser.post(f"/timers/new/?from={timer.pk}", values)

    assert copied.status_code == 302
    definition = Timer.objects.exclude(pk=timer.pk).get().definition
    assert definition is not None
    assert definition.secrets == {"headers.Authorization": SECRET}


def test_a_stranger_gets_nobodys_secrets(strangers_browser: Client, owner: Any, target: Scripted) -> None:
    timer = make_webhook_timer(owner, body={"url": target.url("/hook"), "headers": {"Authorization": SECRET}})
    fields = {"url": target.url("/hook"), "headers": "Authorization: ***"}

    for query in (f"?timer={timer.pk}", f"?from={timer.pk}"):
        assert "The test was not sent." in send(strangers_browser, query, **fields)
    assert target.requests == []


def test_many_tests_have_to_wait(owners_browser: Client, target: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_deliveries, "MAX_TESTS", 2)

    said = [send(owners_browser, url=target.url("/hook")) for _ in range(3)]

    assert ["The test was accepted." in each for each in said] == [True, True, False]
    assert "test deliveries in five minutes" in said[2]
    assert Event.objects.filter(verb="tested").count() == 2


def test_without_a_script_the_page_comes_back_with_the_answer(owners_browser: Client, target: Scripted) -> None:
    page = text_of(owners_browser.post("/timers/new/", fields_of_webhook(url=target.url("/hook"), test="1", name="")))

    assert "The test was accepted." in page
    assert "was not created" not in page
    assert not Timer.objects.exists()
