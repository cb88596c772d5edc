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
MAX_REPLY_LENGTH = 200


class EmailChannel(Channel):
    """Sends from TIMERS_MAIL_FROM through the server in TIMERS_SMTP_URL."""

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
            raise Invalid({"": f"{text[:60]!r} is not an e-mail address."}) from None
        if len(text) > MAX_ADDRESS_LENGTH:
            raise Invalid({"": f"An e-mail address has at most {MAX_ADDRESS_LENGTH} characters."})
        return text

    @classmethod
    def address(cls, target: str, *, owner: Any) -> str:
        return target or owner.email

    def deliver(self, delivery: Delivery) -> None:
        if not settings.TIMERS_SMTP:
            raise ExternalError("No mail server is configured.", retryable=False, reason="not_set")
        message = _message(delivery)
        connection = get_connection(BACKEND, fail_silently=False, **settings.TIMERS_SMTP)
        with _smtp_errors(str(settings.TIMERS_SMTP["host"])):
            try:
                connection.open()
                connection.send_messages([message])
            finally:  # after the mail was accepted, an error while closing is no reason to send it again
                with suppress(OSError, smtplib.SMTPException):
                    connection.close()


def _message(delivery: Delivery) -> EmailMessage:
    """Return the mail; its Message-ID lets servers recognise a mail that is sent a second time."""
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
def _smtp_errors(host: str) -> Iterator[None]:
    """Raise errors of the mail server as ExternalError.

    A permanent refusal of this mail is final. A failed connection or login, and a temporary refusal, may be retried.
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
        subject = "the sender" if isinstance(error, smtplib.SMTPSenderRefused) else "the mail"
        raise _refused(host, subject, error.smtp_code, error.smtp_error) from error
    except (OSError, smtplib.SMTPException) as error:  # no connection, no TLS, hung up, too slow
        text = str(error) or type(error).__name__
        raise ExternalError(f"{host}: {text[:MAX_REPLY_LENGTH]}", retryable=True, reason="connection_error") from error


def _refused(host: str, subject: str, code: int, reply: bytes | str) -> ExternalError:
    reply_text = reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)
    sentence = f"{host}: The server refused {subject}: {code} {' '.join(reply_text.split())[:MAX_REPLY_LENGTH]}"
    return ExternalError(sentence, retryable=code < 500, reason="refused")
