"""The channel `webhook`: a POST of JSON to a foreign address, signed where there is a key."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import timers
from timers import outgoing, signing
from timers.channels.base import Channel, Delivery
from timers.errors import ExternalError, Invalid
from timers.targets import TargetRefused, parse_url

TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 1024
_RETRYABLE_STATUSES = frozenset({408, 425, 429})


class WebhookChannel(Channel):
    """Posts type, subject, text, data and time; 2xx means accepted.

    The rules on addresses are those of all webhooks.
    """

    kind: ClassVar[str] = "webhook"
    label: ClassVar[str] = "Webhook"
    examples: ClassVar[tuple[str, ...]] = ("a URL",)
    takes_urls: ClassVar[bool] = True

    @classmethod
    def clean_target(cls, text: str, *, owner: Any) -> str:
        try:
            outgoing.check(text)
        except TargetRefused as refusal:
            raise Invalid({"": refusal.message}) from refusal
        return text

    def deliver(self, delivery: Delivery) -> None:
        content = _content(delivery)
        answer = outgoing.call(
            "POST",
            delivery.target,
            headers={
                "User-Agent": f"Timers/{timers.__version__}",
                "Content-Type": "application/json",
                "Idempotency-Key": str(delivery.id),
                **signing.headers(str(delivery.id), content, at=delivery.sent_at, secrets=delivery.signing_secrets),
            },
            body=content,
            timeout=TIMEOUT_SECONDS,
            max_bytes=MAX_ANSWER_BYTES,
            keep_bytes=MAX_ANSWER_BYTES,
        )
        if not 200 <= answer.status < 300:
            raise ExternalError(
                f"{parse_url(delivery.target).authority} answered {answer.status}.",
                retryable=answer.status in _RETRYABLE_STATUSES or answer.status >= 500,
                reason="http_status",
            )


def _content(delivery: Delivery) -> bytes:
    document = {
        "type": delivery.type,
        "subject": delivery.subject,
        "text": delivery.text,
        "data": dict(delivery.data),
        "time": delivery.created_at.isoformat(),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
