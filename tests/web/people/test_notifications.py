"""Where the reader is told things, and whom a timer tells: on the pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.channels.smtp_server import NO, mail_server
from tests.factories import make_webhook_timer
from tests.web.conftest import fields_of_webhook
from tests.web.timers.test_form import values_of
from timers.models import Definition, Event, Timer

pytestmark = pytest.mark.django_db

HOOK = "https://hooks.example.org/told"
BUTTON = "Send a test notification"


def test_the_address_is_shown_and_can_be_changed(owners_browser: Client, owner: Any) -> None:
    page = owners_browser.post("/account/address/", {"email": " ana@example.org "}, follow=True).content.decode()

    owner.refresh_from_db()
    assert owner.email == "ana@example.org"
    assert 'value="ana@example.org"' in page
    assert Event.objects.filter(verb="address_changed", actor=owner).exists()
    owners_browser.post("/account/", {"timezone": "", "theme": "dark"})
    owner.refresh_from_db()
    assert owner.email == "ana@example.org"


def test_an_address_that_is_none_is_refused_at_its_field(owners_browser: Client, owner: Any) -> None:
    response = owners_browser.post("/account/address/", {"email": "ana@"})

    assert response.status_code == 400
    assert 'href="#email"' in response.content.decode()
    owner.refresh_from_db()
    assert owner.email == ""


def test_the_button_is_there_only_where_mail_can_be_sent(owners_browser: Client, owner: Any, settings: Any) -> None:
    owner.email = "ana@example.org"
    owner.save()
    settings.TIMERS_SMTP = {}
    without = owners_browser.get("/account/").content.decode()
    settings.TIMERS_SMTP = {"host": "mail.example.org"}

    assert BUTTON not in without
    assert "TIMERS_SMTP_URL" in without
    assert BUTTON in owners_browser.get("/account/").content.decode()


def test_a_test_notice_says_what_came_of_it(owners_browser: Client, owner: Any, settings: Any) -> None:
    owner.email = "ana@example.org"
    owner.save()
    with mail_server() as server:
        settings.TIMERS_SMTP = server.setting()
        sent = owners_browser.post("/account/test/", follow=True).content.decode()
        owners_browser.post("/account/address/", {"email": NO})
        refused = owners_browser.post("/account/test/", follow=True).content.decode()

    assert "A test notice was sent to ana@example.org." in sent
    assert "The test was not sent." in refused
    assert "There is nobody of that name" in refused
    assert server.recipients == [["ana@example.org"]]


def test_a_stranger_to_the_site_sends_nothing(client: Client) -> None:
    assert client.post("/account/test/").headers["Location"].startswith("/login/")


def test_the_form_of_a_timer_says_whom_to_tell(owners_browser: Client, owner: Any) -> None:
    owners_browser.post("/timers/new/", fields_of_webhook(notify=f"email\r\n{HOOK}\r\n"))

    timer = Timer.objects.get()
    assert Definition.objects.get(timer=timer).policies["notify"] == ["email", HOOK]
    assert f"email\n{HOOK}</textarea>" in owners_browser.get(f"/timers/{timer.pk}/edit/").content.decode()


def test_a_recipient_that_is_none_is_refused_at_its_field(owners_browser: Client, owner: Any) -> None:
    page = owners_browser.post("/timers/new/", fields_of_webhook(notify="everybody")).content.decode()

    assert 'href="#notify"' in page
    assert not Timer.objects.exists()


def test_an_emptied_field_tells_nobody_any_more(owners_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner, policies={"notify": ["email"]})

    values = values_of(owners_browser.get(f"/timers/{timer.pk}/edit/").content.decode())
    assert values["notify"] == ["email"]

    owners_browser.post(f"/timers/{timer.pk}/edit/", {**values, "notify": ""})

    timer.refresh_from_db()
    assert timer.definition is not None
    assert timer.definition.policies["notify"] == []
