"""The channel `email`: plain text over the operator's mail server."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import parseaddr
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email

from timers.channels.base import Channel, Delivery
from timers.errors import ExternalError, Invalid

BACKEND = "django.core.mail.backends.smtp.EmailBackend"
MAX_ADDRESS_LENGTH = 254
KEPT_OF_REPLY = 200


class EmailChannel(Channel):
    """Sends from TIMERS_MAIL_FROM through the server that TIMERS_SMTP_URL names."""

    kind: ClassVar[str] = "email"
    label: ClassVar[str] = "E-mail"
    examples: ClassVar[tuple[str, ...]] = ("email", "email:somebody@example.org")

    @classmethod
    def is_on(cls) -> bool:
        return bool(settings.TIMERS_SMTP)

    @classmethod
    def clean_target(cls, text: str, *, owner: Any) -> str:
        if not text:
            return ""
        try:
            validate_email(text)
        except ValidationError:
            raise Invalid({"": f"{text[:60]!r} is no e-mail address."}) from None
        if len(text) > MAX_ADDRESS_LENGTH:
            raise Invalid({"": f"An e-mail address has at most {MAX_ADDRESS_LENGTH} characters."})
        return text

    @classmethod
    def address(cls, target: str, *, owner: Any) -> str:
        return target or owner.email

    def deliver(self, delivery: Delivery) -> None:
        if not settings.TIMERS_SMTP:
            raise ExternalError("No mail server is set.", retryable=False, reason="not_set")
        message = _message(delivery)
        connection = get_connection(BACKEND, fail_silently=False, **settings.TIMERS_SMTP)
        with _outside_faults(str(settings.TIMERS_SMTP["host"])):
            try:
                connection.open()
                connection.send_messages([message])
            finally:  # once the mail was taken, a bad farewell is no reason to send it again
                with suppress(OSError, smtplib.SMTPException):
                    connection.close()


def _message(delivery: Delivery) -> EmailMessage:
    """Return the mail; its Message-ID lets servers recognise one that is sent a second time."""
    _, sender = parseaddr(settings.TIMERS_MAIL_FROM)
    return EmailMessage(
        subject=delivery.subject,
        body=delivery.text,
        from_email=settings.TIMERS_MAIL_FROM,
        to=[delivery.target],
        headers={
            "Message-ID": f"<{delivery.id}@{sender.rpartition('@')[2]}>",
            "Auto-Submitted": "auto-generated",
            "X-Timers-Event": delivery.type,
        },
    )


@contextmanager
def _outside_faults(host: str) -> Iterator[None]:
    """Raise ExternalError for what goes wrong on the way.

    What the server says for good about this mail is final; its moods, its door and its login may get better.
    """
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        code, reply = next(iter(error.recipients.values()))
        raise _refused(host, "the recipient", code, reply) from error
    except smtplib.SMTPAuthenticationError as error:
        raise ExternalError(
            f"{host}: The login was refused ({error.smtp_code}).", retryable=True, reason="login_failed"
        ) from error
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        what = "the sender" if isinstance(error, smtplib.SMTPSenderRefused) else "the mail"
        raise _refused(host, what, error.smtp_code, error.smtp_error) from error
    except (OSError, smtplib.SMTPException) as error:  # no connection, no TLS, hung up, too slow
        text = str(error) or type(error).__name__
        raise ExternalError(f"{host}: {text[:KEPT_OF_REPLY]}", retryable=True, reason="connection_error") from error


def _refused(host: str, what: str, code: int, reply: bytes | str) -> ExternalError:
    said = reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)
    sentence = f"{host}: The server refused {what}: {code} {' '.join(said.split())[:KEPT_OF_REPLY]}"
    return ExternalError(sentence, retryable=code < 500, reason="refused")
