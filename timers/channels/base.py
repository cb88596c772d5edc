"""The contract of a channel, its deliveries, and the registry of kinds. A channel notifies one recipient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from timers.errors import Invalid
from timers.registry import Registry

URL_PREFIXES = ("http://", "https://")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One attempt to deliver a notification. `id` is the same over all attempts; `sent_at` is the start of this one."""

    id: UUID
    target: str
    type: str
    subject: str
    text: str
    data: Mapping[str, Any]
    created_at: datetime
    sent_at: datetime
    signing_secrets: tuple[bytes, ...] = ()
    """Keys to sign with, newest first, where the channel signs."""


class Channel(ABC):
    """One way to notify a recipient. Instances hold no state."""

    kind: ClassVar[str]
    label: ClassVar[str]
    examples: ClassVar[tuple[str, ...]] = ()
    """Form of its recipients, for people; empty for the kind and a target."""
    takes_urls: ClassVar[bool] = False
    """True when a bare URL names a recipient of this channel; only one channel takes them."""

    @classmethod
    def is_on(cls) -> bool:
        """Return whether this installation can use the channel."""
        return True

    @classmethod
    @abstractmethod
    def clean_target(cls, text: str, *, owner: Any) -> str:
        """Return the target as it is stored, empty for the owner; raises Invalid without the name of a field.

        An empty text means the owner, where the channel knows an address of the owner.
        """

    @classmethod
    def address(cls, target: str, *, owner: Any) -> str:
        """Return the present address of a stored target; empty when there is none."""
        return target

    @abstractmethod
    def deliver(self, delivery: Delivery) -> None:
        """Deliver a notification to the address in `target`; bounded in time.

        Raises ExternalError when it was not accepted.
        """


CHANNELS: Registry[Channel] = Registry("channel")
CHANNELS.register("email", "timers.channels.email.EmailChannel")
CHANNELS.register("webhook", "timers.channels.webhook.WebhookChannel")


def split(recipient: str) -> tuple[str, str]:
    """Return (kind, target) of a recipient such as `email`, `email:ana@example.org` or a URL.

    Raises Invalid without the name of a field.
    """
    is_url = recipient.lower().startswith(URL_PREFIXES)
    kind, _, target = (_url_channel(), "", recipient) if is_url else recipient.partition(":")
    if kind not in CHANNELS or CHANNELS.get(kind).takes_urls != is_url:
        raise Invalid({"": f"{recipient[:60]!r} is not a recipient: give {recipient_examples()}."})
    return kind, target.strip()


def _url_channel() -> str:
    return next((kind for kind, channel in CHANNELS.items() if channel.takes_urls), "")


def recipient_examples() -> str:
    """Return how recipients can be named: "email, email:somebody@example.org or a URL"."""
    *most, last = [
        example for kind, channel in CHANNELS.items() for example in channel.examples or (f"{kind}:recipient",)
    ]
    return f"{', '.join(most)} or {last}" if most else last


def clean(recipient: str, *, owner: Any) -> str:
    """Return the recipient as it is stored, its target checked; raises Invalid without the name of a field."""
    kind, target = split(recipient.strip())
    target = CHANNELS.get(kind).clean_target(target, owner=owner)
    if CHANNELS.get(kind).takes_urls:
        return target
    return f"{kind}:{target}" if target else kind


def clean_recipients(recipients: Iterable[str], *, owner: Any) -> tuple[str, ...]:
    """Return the recipients of a policy `notify` as they are stored, without duplicates.

    Raises Invalid naming `notify`.
    """
    cleaned: dict[str, None] = {}
    errors: list[str] = []
    for recipient in recipients:
        try:
            cleaned[clean(recipient, owner=owner)] = None
        except Invalid as error:
            errors += error.fields[""]
    if errors:
        raise Invalid({"notify": errors})
    return tuple(cleaned)
