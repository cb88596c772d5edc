"""Tokens, client keys, the account, the demo's echo, and the administration."""

from __future__ import annotations

import html
import re
from datetime import datetime
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.auth import get_user_model
from django.test import Client

from tests.factories import make_webhook_timer
from tests.services.workflows.factories import http, start
from tests.web.transfers.factories import Places, make_dry_run, make_transfer
from timers import scopes
from timers.models import ClientKey, Execution, Preference, Timer, Token, TransferEvent
from timers.services.people import consents, oauth_clients, oauth_grants, tokens
from timers.services.timers import commands as service

pytestmark = pytest.mark.django_db


def test_a_token_is_shown_once_and_works(owners_browser: Client, owner: Any, now: datetime) -> None:
    page = owners_browser.post("/tokens/new/", {"name": "laptop", "days": "90"}).content.decode()

    value = re.search(r'id="made">([^<]+)<', page)
    assert value is not None
    token = tokens.authenticate_token(html.unescape(value[1]), now=now)
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
    token, value = tokens.create_token(owner=owner, name="laptop", now=now)

    assert strangers_browser.post(f"/tokens/{token.pk}/revoke/").status_code == 404
    assert tokens.authenticate_token(value, now=now) is not None

    owners_browser.post(f"/tokens/{token.pk}/revoke/")
    assert tokens.authenticate_token(value, now=now) is None
    assert "revoked" in owners_browser.get("/tokens/").content.decode()


def test_an_app_that_was_let_in_is_listed_and_revoked_with_its_tokens(
    owners_browser: Client, strangers_browser: Client, owner: Any, now: datetime
) -> None:
    app, _ = oauth_clients.register(name="Backup tool", template_id="", address="192.0.2.1", now=now)
    common: dict[str, Any] = {"owner": owner, "client_id": str(app.client_id)}
    consents.grant(**common, granted=scopes.parse(scopes.TIMERS), allows_refresh=True, now=now)
    (issued,) = oauth_grants.issue(**common, name=app.name, names=[scopes.TIMERS], refresh=True, grant=None, now=now)
    page = owners_browser.get("/tokens/").content.decode()

    refused = strangers_browser.post(f"/tokens/apps/{app.client_id}/revoke/")
    owners_browser.post(f"/tokens/apps/{app.client_id}/revoke/")

    assert "Backup tool" in page
    assert "manage your timers" in page
    assert page.count("manage your timers") == 1  # tokens of apps are not among those made by hand
    assert refused.status_code == 404
    assert tokens.authenticate_token(issued.access, now=now) is None
    assert "Authorized apps" not in owners_browser.get("/tokens/").content.decode()


def test_a_client_key_is_made_shown_once_and_revoked(owners_browser: Client, now: datetime) -> None:
    page = owners_browser.post("/tokens/keys/new/", {"key-name": "order service"}).content.decode()
    key = ClientKey.objects.get()
    secret = re.search(r'id="made">([^<]+)<', page)

    assert str(key.client_id) in page
    assert secret is not None
    assert tokens.authenticate_key(key.client_id, html.unescape(secret[1]), now=now) is not None

    owners_browser.post(f"/tokens/keys/{key.client_id}/revoke/")
    assert tokens.authenticate_key(key.client_id, html.unescape(secret[1]), now=now) is None


def test_nobody_sees_the_tokens_of_others(strangers_browser: Client, owner: Any, now: datetime) -> None:
    tokens.create_token(owner=owner, name="laptop", now=now)

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


@pytest.mark.usefixtures("alive")
def test_the_administration_lists_finds_and_shows_everything_but_adds_and_deletes_nothing(
    admins_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    service.run_now(make_webhook_timer(owner), by=owner, now=now)
    transfer = make_dry_run(owner, places, now)
    TransferEvent.objects.create(transfer=transfer, at=now, code="fault", is_fault=True, text="Reset.", path="/home/d")
    start(owner, http(), now=now)
    tokens.create_token(owner=owner, name="laptop", now=now)
    tokens.create_key(owner=owner, name="orders", now=now)

    for model in (each for each in site._registry if each._meta.app_label == "timers"):
        path = f"/admin/timers/{model._meta.model_name}/"
        assert [admins_browser.get(path + query).status_code for query in ("", "?q=a+b", "?o=1")] == [200, 200, 200]
        assert admins_browser.get(f"{path}add/").status_code == 403
        for row in model._default_manager.all()[:1]:
            assert admins_browser.post(f"{path}{row.pk}/delete/", {"post": "yes"}).status_code == 403


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


@pytest.mark.parametrize(
    ("path", "action", "selected"),
    [
        ("/admin/timers/timer/", "pause", "no-id"),
        ("/admin/auth/user/", "delete_selected", "no-id"),
        ("/admin/auth/group/", "delete_selected", "no-id"),
    ],
)
def test_its_actions_refuse_what_no_page_offers_to_select(
    admins_browser: Client, path: str, action: str, selected: str
) -> None:
    sent = {"action": action, "_selected_action": [selected]}

    assert admins_browser.post(path, sent).status_code == 400


def test_its_forms_and_addresses_refuse_what_no_page_offers(admins_browser: Client) -> None:
    admin = get_user_model().objects.get(is_superuser=True)

    assert admins_browser.get(f"/admin/auth/user/{admin.pk}/change/?_to_field=").status_code == 400
    assert admins_browser.get("/admin/timers/timer/no-id/change/?_to_field=").status_code == 400


def test_the_administration_is_for_administrators(owners_browser: Client) -> None:
    assert owners_browser.get("/admin/").status_code == 302


def test_a_token_can_be_made_for_the_rest_api_alone(owners_browser: Client) -> None:
    owners_browser.post("/tokens/new/", {"name": "grafana", "days": "", "may": "api"})

    assert Token.objects.get().scopes == ["api"]
    assert "the REST API</div>" in owners_browser.get("/tokens/").content.decode()
    assert owners_browser.post("/tokens/new/", {"name": "odd", "may": "everything"}).status_code == 200
    assert Token.objects.count() == 1


def test_a_new_key_stands_in_the_lines_to_paste(owners_browser: Client, settings: Any) -> None:
    settings.TIMERS_BASE_URL = "https://timers.example.org"
    before = owners_browser.get("/tokens/").content.decode()

    page = html.unescape(owners_browser.post("/tokens/keys/new/", {"key-name": "orders"}).content.decode())

    key = ClientKey.objects.get()
    secret = re.search(r'id="made">([^<]+)<', page)
    assert secret is not None
    assert f"export CONDUCTOR_AUTH_KEY={key.client_id}\nexport CONDUCTOR_AUTH_SECRET={secret[1]}" in page
    assert f'ClientApp(client_id="{key.client_id}", client_secret="{secret[1]}")' in page
    for name in ("TIMER", "TRANSFER", "AUTH", "FLOWS"):
        assert f"export GLOBUS_SDK_SERVICE_URL_{name}=https://timers.example.org/globus/" in before
    assert "export TIMER_SERVICE_URL=https://timers.example.org/globus<" in before  # this client adds its own slash
    assert "export CONDUCTOR_SERVER_URL=https://timers.example.org/conductor/api" in before


def test_a_client_key_gets_a_new_secret_and_the_old_one_is_void(
    owners_browser: Client, strangers_browser: Client, owner: Any, now: datetime
) -> None:
    key, old = tokens.create_key(owner=owner, name="orders", now=now)
    assert strangers_browser.post(f"/tokens/keys/{key.pk}/renew/").status_code == 404

    page = owners_browser.post(f"/tokens/keys/{key.pk}/renew/").content.decode()

    new = re.search(r'id="made">([^<]+)<', page)
    assert new is not None
    assert tokens.authenticate_key(key.pk, html.unescape(new[1]), now=now) == key
    assert tokens.authenticate_key(key.pk, old, now=now) is None
    tokens.revoke_key(key, by=owner, now=now)
    page = owners_browser.post(f"/tokens/keys/{key.pk}/renew/", follow=True).content.decode()
    assert "A revoked client key cannot get a new secret." in page


PASSWORDS = {
    "password-present": "correct horse battery",
    "password-new": "staple of the battery",
    "password-again": "staple of the battery",
}


def test_the_password_is_changed_and_this_browser_stays_logged_in(owners_browser: Client, owner: Any) -> None:
    response = owners_browser.post("/account/password/", PASSWORDS)

    assert response.status_code == 302
    assert "Your password is changed." in owners_browser.get("/account/").content.decode()
    owner.refresh_from_db()
    assert owner.check_password("staple of the battery")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"password-present": "wrong"}, "This is not your current password."),
        ({"password-again": "another one, longer"}, "The two new passwords differ."),
        ({"password-new": "short", "password-again": "short"}, "This password is too short."),
        ({"password-new": "", "password-again": ""}, "This field is required."),
    ],
)
def test_a_password_that_will_not_do_is_refused(
    owners_browser: Client, owner: Any, changes: dict[str, str], sentence: str
) -> None:
    response = owners_browser.post("/account/password/", {**PASSWORDS, **changes})

    assert response.status_code == 400
    assert sentence in response.content.decode()
    owner.refresh_from_db()
    assert owner.check_password("correct horse battery")


def test_the_administration_cancels_runs_again_and_revokes_through_services(
    admins_browser: Client, owner: Any, places: Places, now: datetime
) -> None:
    waiting = service.run_now(make_webhook_timer(owner), by=owner, now=now)
    token, value = tokens.create_token(owner=owner, name="laptop", now=now)
    key, _ = tokens.create_key(owner=owner, name="orders", now=now)

    def act(model: str, action: str, chosen: Any) -> str:
        data = {"action": action, "_selected_action": [str(chosen.pk)]}
        return admins_browser.post(f"/admin/timers/{model}/", data, follow=True).content.decode()

    assert "One execution cancelled." in act("execution", "cancel", waiting)
    assert "One execution run again." in act("execution", "rerun", waiting)
    assert Execution.objects.filter(trigger="rerun").count() == 1
    assert "One token revoked." in act("token", "revoke", token)
    assert tokens.authenticate_token(value, now=now) is None
    assert "One client key revoked." in act("clientkey", "revoke", key)
    assert "One transfer cancelled." in act("transfer", "cancel", make_transfer(owner, places, now, status="pending"))
    run = start(owner, http(), now=now)
    assert "One workflow run terminated." in act("workflowrun", "terminate", run)
    assert "The workflow run has" in act("workflowrun", "terminate", run)


def test_the_administration_finds_executions_by_timer_id_and_state(
    admins_browser: Client, owner: Any, now: datetime
) -> None:
    service.run_now(make_webhook_timer(owner, name="Nightly copy"), by=owner, now=now)
    execution = Execution.objects.get()

    def count(query: str) -> int:
        page = admins_browser.get(f"/admin/timers/execution/?{query}").content.decode()
        return len(re.findall(r'name="_selected_action"', page))

    assert [count(query) for query in ("q=night", f"q={execution.pk}", "q=other", "status=pending")] == [1, 1, 0, 1]
    assert [count(query) for query in ("status=failed", "trigger=manual", "trigger=schedule")] == [0, 1, 0]


def test_the_administration_offers_nothing_of_the_queue(admins_browser: Client) -> None:
    page = admins_browser.get("/admin/").content.decode()

    assert "Scheduled tasks" not in page
    assert "Processes" in page
