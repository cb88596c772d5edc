"""A real mail server on loopback that keeps what it takes."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.loopback import free_port

LOGIN = ("ana", "open sesame @ home")
NO = "nobody@example.org"
LATER = "full@example.org"
REFUSED = {NO: "550 There is nobody\r of that name", LATER: "452 The mailbox is full"}


@dataclass
class MailServer:
    """A running server and the mail that it took."""

    host: str
    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)

    def setting(self, **changes: Any) -> dict[str, Any]:
        """Return what TIMERS_SMTP is for this server, without TLS unless `changes` say so."""
        plain = {"username": "", "password": "", "use_tls": False, "use_ssl": False, "timeout": 5}
        return {"host": self.host, "port": self.port, **plain, **changes}

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in REFUSED:
            return REFUSED[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 Taken"


def _knows(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
    assert isinstance(given, LoginPassword)
    # not handled: the server itself answers a refusal
    return AuthResult(success=(given.login.decode(), given.password.decode()) == LOGIN, handled=False)


@contextmanager
def mail_server(*, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None) -> Iterator[MailServer]:
    """Run a server; one with TLS, from the start or by STARTTLS, wants a login."""
    taking = MailServer("127.0.0.1", free_port())
    controller = Controller(
        taking,
        hostname=taking.host,
        port=taking.port,
        ssl_context=tls,
        tls_context=starttls,
        require_starttls=starttls is not None,
        authenticator=_knows if tls or starttls else None,
        auth_required=starttls is not None,
        auth_require_tls=starttls is not None,
    )
    controller.start()
    try:
        yield taking
    finally:
        controller.stop()
