"""The channel email, over a real mail server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from tests.channels.smtp_server import LATER, LOGIN, NO, MailServer, mail_server
from tests.contracts.channel import ChannelContract, delivery
from tests.loopback import certificate, free_port, scripted, stays_silent
from timers.channels.email import EmailChannel
from timers.errors import ExternalError

TO = "ops@example.org"
WITH_LOGIN = {"username": LOGIN[0], "password": LOGIN[1]}


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with mail_server() as running:
        settings.TIMERS_SMTP = running.setting()
        settings.TIMERS_MAIL_FROM = "Timers <timers@timers.example.org>"
        yield running


class TestEmailContract(ChannelContract):
    channel = EmailChannel
    good: ClassVar[list[str]] = ["email", "email:ops@example.org", "email: ana+timers@bücher.example"]
    bad: ClassVar[list[str]] = ["email:ops", "email:a@b@c.org", "email:a@b.org\nBcc: c@d.org", "mail:a@b.org", "ops"]

    @pytest.fixture
    def taking(self, server: MailServer) -> str:
        return TO

    @pytest.fixture
    def refusing(self, server: MailServer) -> str:
        return NO

    @pytest.fixture
    def moody(self, server: MailServer) -> str:
        return LATER

    @pytest.fixture
    def unreachable(self, settings: Any) -> str:
        settings.TIMERS_SMTP = MailServer("127.0.0.1", free_port()).setting()
        return TO

    @pytest.fixture
    def arrived(self, server: MailServer) -> Callable[[], list[tuple[str, str, str]]]:
        return lambda: [
            (str(mail["Message-ID"]), str(mail["Subject"]), mail.get_content().replace("\r\n", "\n"))
            for mail in server.mails
        ]


def test_a_mail_says_whom_it_is_from_and_that_nobody_wrote_it(server: MailServer) -> None:
    EmailChannel().deliver(delivery("ana@bücher.example"))

    (mail,) = server.mails
    assert mail["From"] == "Timers <timers@timers.example.org>"
    assert server.recipients == [["ana@xn--bcher-kva.example"]]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert str(mail["Message-ID"]).endswith("@timers.example.org>")
    assert mail["X-Timers-Event"] == "timer.failed"


def test_what_the_server_said_is_one_line_of_the_reason(server: MailServer) -> None:
    with pytest.raises(ExternalError, match=r"refused the recipient: 550 There is nobody of that name") as caught:
        EmailChannel().deliver(delivery(NO))

    assert caught.value.reason == "refused"


def test_without_a_target_it_goes_to_the_owner() -> None:
    owner = SimpleNamespace(email="ana@example.org")

    assert EmailChannel.address("", owner=owner) == "ana@example.org"
    assert EmailChannel.address(TO, owner=owner) == TO


def test_it_is_off_without_a_mail_server(settings: Any) -> None:
    settings.TIMERS_SMTP = {}

    assert not EmailChannel.is_on()
    with pytest.raises(ExternalError) as caught:
        EmailChannel().deliver(delivery(TO))
    assert not caught.value.retryable


def test_a_server_that_says_nothing_is_not_waited_for(settings: Any) -> None:
    with scripted(stays_silent, reads=False) as silent:
        settings.TIMERS_SMTP = MailServer(silent.host, silent.port).setting(timeout=0.2)
        with pytest.raises(ExternalError) as caught:
            EmailChannel().deliver(delivery(TO))

    assert caught.value.retryable


@pytest.mark.parametrize("way", ["tls", "starttls"])
def test_over_tls_it_logs_in_to_a_server_that_it_can_check(
    way: str, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(known.path))
    with mail_server(**{way: known.server()}) as server:
        server.host = "localhost"
        switches = {"use_ssl": way == "tls", "use_tls": way == "starttls", **WITH_LOGIN}
        settings.TIMERS_SMTP = server.setting(**switches)
        EmailChannel().deliver(delivery(TO))

        settings.TIMERS_SMTP = server.setting(**{**switches, "password": "wrong but secret"})
        with pytest.raises(ExternalError) as caught:
            EmailChannel().deliver(delivery(TO))

    assert server.recipients == [[TO]]
    assert (caught.value.reason, caught.value.retryable) == ("login_failed", True)
    assert "secret" not in caught.value.message


def test_a_certificate_that_nobody_vouches_for_ends_it(tmp_path: Path, settings: Any) -> None:
    with mail_server(tls=certificate(tmp_path, "localhost").server()) as server:
        server.host = "localhost"
        settings.TIMERS_SMTP = server.setting(use_ssl=True, **WITH_LOGIN)
        with pytest.raises(ExternalError, match=r"(?i)certificate"):
            EmailChannel().deliver(delivery(TO))

    assert server.mails == []


def test_without_starttls_nothing_is_sent_in_the_open(server: MailServer, settings: Any) -> None:
    settings.TIMERS_SMTP = server.setting(use_tls=True, **WITH_LOGIN)

    with pytest.raises(ExternalError, match="STARTTLS"):
        EmailChannel().deliver(delivery(TO))

    assert server.mails == []
