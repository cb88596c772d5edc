"""Logging in and out, and what strangers to the site see."""

from __future__ import annotations

from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client

from timers.web.timers import listing as dashboard

PASSWORD = "correct horse battery"

pytestmark = pytest.mark.django_db


def log_in(client: Client, username: str = "owner", password: str = PASSWORD, **more: str) -> Any:
    return client.post("/login/", {"username": username, "password": password, **more})


@pytest.mark.parametrize(
    "path", ["/", "/timers/new/", "/activity/", "/transfers/", "/collections/", "/tokens/", "/account/"]
)
def test_every_page_asks_for_a_login_first(client: Client, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 302
    assert response["Location"] == f"/login/?next={path}"


def test_the_login_page_names_its_fields_and_its_button(client: Client) -> None:
    page = client.get("/login/").content.decode()

    assert '<label for="username">Username</label>' in page
    assert '<label for="password">Password</label>' in page
    assert '<button class="btn primary">Log in</button>' in page


def test_a_right_password_leads_to_where_one_wanted_to_go(client: Client, owner: Any) -> None:
    response = log_in(client, next="/activity/")

    assert response["Location"] == "/activity/"


def test_a_login_never_leads_to_another_site(client: Client, owner: Any) -> None:
    assert log_in(client, next="https://evil.example/")["Location"] == "/"


def test_a_wrong_password_is_said_in_an_alert(client: Client, owner: Any) -> None:
    page = log_in(client, password="wrong").content.decode()

    assert 'role="alert"' in page
    assert "Username and password do not belong together." in page


def test_guessing_is_stopped_after_ten_failures(client: Client, owner: Any) -> None:
    for _ in range(10):
        assert log_in(client, password="wrong").status_code == 200

    assert log_in(client, password="wrong").status_code == 429
    assert log_in(client).status_code == 429, "the right password does not help either"


def test_failures_for_one_name_do_not_lock_out_another(client: Client, owner: Any, stranger: Any) -> None:
    for _ in range(10):
        log_in(client, password="wrong")

    assert log_in(client, username="stranger").status_code == 302


def test_logging_out_ends_the_session(owners_browser: Client) -> None:
    assert owners_browser.post("/logout/")["Location"] == "/login/"

    assert owners_browser.get("/").status_code == 302


def test_a_part_asked_for_after_the_session_ended_sends_the_whole_page_to_the_login(client: Client) -> None:
    response = client.get("/", headers={"HX-Request": "true"})

    assert response["HX-Redirect"] == "/login/"


def test_pages_forbid_inline_scripts_and_styles_and_foreign_hosts(owners_browser: Client) -> None:
    response = owners_browser.get("/")

    policy = response["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "default-src 'self'" in policy
    assert " style=" not in response.content.decode()
    assert "<style" not in response.content.decode()


def test_missing_pages_help(owners_browser: Client) -> None:
    response = owners_browser.get("/nothing-here/")

    assert response.status_code == 404
    assert "Page not found" in response.content.decode()


def test_a_defect_shows_a_page_that_helps_and_no_stack(owners_browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("very internal")

    monkeypatch.setattr(dashboard.timer_queries, "timers_page", broken)
    owners_browser.raise_request_exception = False

    response = owners_browser.get("/")

    assert response.status_code == 500
    assert 'role="alert"' in response.content.decode()
    assert "very internal" not in response.content.decode()


@pytest.mark.parametrize("name", ["400.html", "403.html", "404.html", "403_csrf.html"])
def test_error_pages_lead_back_to_the_timers(name: str) -> None:
    page = render_to_string(name)

    assert 'href="/"' in page
    assert "<script" not in page
