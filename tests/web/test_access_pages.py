"""Tokens, client keys, the account, the demo's echo, and the administration."""

from __future__ import annotations

import html
import re
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_webhook_timer
from timers import scopes
from timers.models import ClientKey, Execution, Preference, Timer, Token
from timers.services import access, apps, consents, grants

pytestmark = pytest.mark.django_db


def test_a_token_is_shown_once_and_works(owners_browser: Client, owner: Any, now: datetime) -> None:
    page = owners_browser.post("/tokens/new/", {"name": "laptop", "days": "90"}).content.decode()

    value = re.search(r'id="made">([^<]+)<', page)
    assert value is not None
    token = access.authenticate_token(html.unescape(value[1]), now=now)
    assert token is not None
    assert token.owner == owner
    assert token.expires_at is not None

    page = owners_browser.get("/tokens/").content.decode()
    assert value[1] not in page
    assert "laptop" in page


def test_a_token_needs_a_name(owners_browser: Client) -> None:
    page = owners_browser.post("/tokens/new/", {"name": "", "days": ""}).content.decode()

    assert 'href="#name"' in page
    assert not Token.objects.exists()


def test_a_token_is_revoked_by_its_owner_alone(
    owners_browser: Client, strangers_browser: Client, owner: Any, now: datetime
) -> None:
    token, value = access.create_token(owner=owner, name="laptop", now=now)

    assert strangers_browser.post(f"/tokens/{token.pk}/revoke/").status_code == 404
    assert access.authenticate_token(value, now=now) is not None

    owners_browser.post(f"/tokens/{token.pk}/revoke/")
    assert access.authenticate_token(value, now=now) is None
    assert "revoked" in owners_browser.get("/tokens/").content.decode()


def test_an_app_that_was_let_in_is_listed_and_revoked_with_its_tokens(
    owners_browser: Client, strangers_browser: Client, owner: Any, now: datetime
) -> None:
    app, _ = apps.register(name="Backup tool", template_id="", now=now)
    common: dict[str, Any] = {"owner": owner, "client_id": str(app.client_id)}
    consents.grant(**common, granted=scopes.parse(scopes.TIMERS), allows_refresh=True, now=now)
    (issued,) = grants.issue(**common, name=app.name, names=[scopes.TIMERS], refresh=True, grant=None, now=now)
    page = owners_browser.get("/tokens/").content.decode()

    refused = strangers_browser.post(f"/tokens/apps/{app.client_id}/revoke/")
    owners_browser.post(f"/tokens/apps/{app.client_id}/revoke/")

    assert "Backup tool" in page
    assert "manage your timers" in page
    assert page.count("manage your timers") == 1  # tokens of apps are not among those made by hand
    assert refused.status_code == 404
    assert access.authenticate_token(issued.access, now=now) is None
    assert "Apps that you let in" not in owners_browser.get("/tokens/").content.decode()


def test_a_client_key_is_made_shown_once_and_revoked(owners_browser: Client, now: datetime) -> None:
    page = owners_browser.post("/tokens/keys/new/", {"key-name": "order service"}).content.decode()
    key = ClientKey.objects.get()
    secret = re.search(r'id="made">([^<]+)<', page)

    assert str(key.client_id) in page
    assert secret is not None
    assert access.authenticate_key(key.client_id, html.unescape(secret[1]), now=now) is not None

    owners_browser.post(f"/tokens/keys/{key.client_id}/revoke/")
    assert access.authenticate_key(key.client_id, html.unescape(secret[1]), now=now) is None


def test_nobody_sees_the_tokens_of_others(strangers_browser: Client, owner: Any, now: datetime) -> None:
    access.create_token(owner=owner, name="laptop", now=now)

    assert "laptop" not in strangers_browser.get("/tokens/").content.decode()


def test_the_zone_of_the_account_wins_over_that_of_the_browser(owners_browser: Client, owner: Any) -> None:
    make_webhook_timer(owner)
    owners_browser.cookies["zone"] = "America%2FNew_York"

    owners_browser.post("/account/", {"timezone": "Asia/Tokyo", "theme": "dark"})

    page = owners_browser.get("/").content.decode()
    assert "Mon 2 Mar 21:00 JST" in page
    assert '<html lang="en" data-theme="dark">' in page


def test_a_zone_that_is_none_is_refused(owners_browser: Client) -> None:
    page = owners_browser.post("/account/", {"timezone": "Mars/Olympus", "theme": ""}).content.decode()

    assert 'href="#timezone"' in page


def test_the_theme_is_kept_for_the_account_and_for_the_login_page(owners_browser: Client, owner: Any) -> None:
    response = owners_browser.post("/account/theme/", {"theme": "dark", "next": "/activity/"})

    assert response["Location"] == "/activity/"
    assert Preference.objects.get(owner=owner).theme == "dark"
    owners_browser.post("/logout/")
    assert 'data-theme="dark"' in owners_browser.get("/login/").content.decode()


def test_the_theme_of_the_system_is_the_default(owners_browser: Client) -> None:
    owners_browser.post("/account/theme/", {"theme": "dark"})
    owners_browser.post("/account/theme/", {"theme": "purple", "next": "https://evil.example/"})

    assert '<html lang="en">' in owners_browser.get("/").content.decode()


def test_the_echo_is_there_only_with_the_demo(client: Client, settings: Any) -> None:
    assert client.post("/demo/echo", "hello", content_type="text/plain").status_code == 404

    settings.TIMERS_DEMO_TARGET = "127.0.0.1:8000"
    careful = Client(enforce_csrf_checks=True)
    answer = careful.post("/demo/echo", "hello", content_type="text/plain")

    assert answer.json() == {"method": "POST", "bytes": 5}


@pytest.mark.parametrize(
    "model", ["timer", "execution", "transfer", "collection", "event", "token", "clientkey", "process"]
)
def test_the_administration_lists_but_adds_and_deletes_nothing(admins_browser: Client, owner: Any, model: str) -> None:
    make_webhook_timer(owner)

    assert admins_browser.get(f"/admin/timers/{model}/").status_code == 200
    assert admins_browser.get(f"/admin/timers/{model}/add/").status_code == 403


def test_the_administration_shows_one_timer_without_secrets(admins_browser: Client, owner: Any) -> None:
    body = {"url": "https://x.example.org/", "headers": {"Authorization": "Bearer very-secret"}}
    timer = make_webhook_timer(owner, body=body)

    page = admins_browser.get(f"/admin/timers/timer/{timer.pk}/change/").content.decode()

    assert timer.name in page
    assert "very-secret" not in page


def test_its_actions_go_through_the_services(admins_browser: Client, owner: Any) -> None:
    timer = make_webhook_timer(owner, name="Tell the hook")

    def act(name: str) -> str:
        data = {"action": name, "_selected_action": [str(timer.pk)]}
        return admins_browser.post("/admin/timers/timer/", data, follow=True).content.decode()

    assert "One timer paused." in act("pause")
    assert Timer.objects.get().status == "paused"
    assert "One timer resumed." in act("resume")
    assert "One timer started." in act("run_now")
    assert Execution.objects.filter(trigger="manual").count() == 1


def test_the_administration_is_for_administrators(owners_browser: Client) -> None:
    assert owners_browser.get("/admin/").status_code == 302
