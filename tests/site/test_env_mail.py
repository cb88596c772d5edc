"""The settings of the mail server, and the one sentence when they cannot work: it never shows a secret."""

from __future__ import annotations

import pytest

from timersite import env


@pytest.mark.parametrize(
    ("url", "host", "port", "use_tls", "use_ssl"),
    [
        ("smtp://mail.example.org", "mail.example.org", 587, True, False),
        ("smtp://mail.example.org:25?tls=none", "mail.example.org", 25, False, False),
        ("smtp://[::1]:2525/?tls=starttls", "::1", 2525, True, False),
        ("smtps://mail.example.org", "mail.example.org", 465, False, True),
    ],
)
def test_a_mail_server_is_reached_safely_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, url: str, host: str, port: int, use_tls: bool, use_ssl: bool
) -> None:
    monkeypatch.setenv("SOME_SMTP", url)

    made = env.smtp("SOME_SMTP")

    assert (made["host"], made["port"], made["use_tls"], made["use_ssl"]) == (host, port, use_tls, use_ssl)
    assert made["timeout"] == env.SMTP_SECONDS


def test_user_and_password_may_have_any_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SMTP", "smtp://ana%40example.org:s%2F%23%C3%BC@mail.example.org")

    made = env.smtp("SOME_SMTP")

    assert (made["username"], made["password"]) == ("ana@example.org", "s/#ü")


def test_unset_there_is_no_mail_server() -> None:
    assert env.smtp("UNSET_SMTP") == {}


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.org:587",
        "http://ana:sesame@mail.example.org",
        "smtp://ana:sesame@",
        "smtp://ana:ses/ame@mail.example.org:587",
        "smtp://ana:sesame@mail.example.org:port",
        "smtp://sesame@mail.example.org",
        "smtp://ana:sesame@mail.example.org?tls=ssl",
        "smtp://ana:sesame@mail.example.org?timeout=sesame",
        "smtps://ana:sesame@mail.example.org?tls=none",
        "smtp://ana:sesame@[::1",
    ],
)
def test_a_url_that_cannot_work_names_the_variable_and_keeps_the_secret(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SOME_SMTP", url)

    with pytest.raises(env.SettingError, match="SOME_SMTP") as caught:
        env.smtp("SOME_SMTP")

    assert "ses" not in str(caught.value)


@pytest.mark.parametrize("address", ["timers@example.org", "Timers <timers@example.org>", '"T, the" <t@example.org>'])
def test_a_sender_may_have_a_name(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("SOME_SENDER", address)

    assert env.mailbox("SOME_SENDER", "unused") == address


@pytest.mark.parametrize(
    "address", ["timers", "timers@", "Timers timers@example.org", "a@b.org, c@d.org", "<a@b.org", "a\x01 <a@b.org>"]
)
def test_a_sender_that_is_none_names_the_variable(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("SOME_SENDER", address)

    with pytest.raises(env.SettingError, match="SOME_SENDER"):
        env.mailbox("SOME_SENDER", "unused")
