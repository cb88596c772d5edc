"""The contract of a channel, what it is given, and the registry of kinds. A channel tells one recipient something."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from timers.errors import Invalid
from timers.registry import Registry

URL_STARTS = ("http://", "https://")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One attempt to hand a notice over. `id` is the same over all attempts, `sent_at` when this one began."""

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
    """One way to tell somebody. Instances hold no state."""

    kind: ClassVar[str]
    label: ClassVar[str]
    examples: ClassVar[tuple[str, ...]] = ()
    """How people name its recipients; empty for the kind and a target."""
    takes_urls: ClassVar[bool] = False
    """Whether a URL by itself names a recipient of it; one channel has them."""

    @classmethod
    def is_on(cls) -> bool:
        """Return whether this installation is able to use it."""
        return True

    @classmethod
    @abstractmethod
    def clean_target(cls, text: str, *, owner: Any) -> str:
        """Return the recipient as it is stored, empty for the owner; raises Invalid without the name of a field.

        No text means the owner, where the channel knows how to reach one.
        """

    @classmethod
    def address(cls, target: str, *, owner: Any) -> str:
        """Return where a stored target leads today; empty when nobody would be reached."""
        return target

    @abstractmethod
    def deliver(self, delivery: Delivery) -> None:
        """Hand it over, `target` being an address; bounded in time. Raises ExternalError when it was not taken."""


CHANNELS: Registry[Channel] = Registry("channel")
CHANNELS.register("email", "timers.channels.email.EmailChannel")
CHANNELS.register("webhook", "timers.channels.webhook.WebhookChannel")


def split(word: str) -> tuple[str, str]:
    """Return (kind, target) of a word such as `email`, `email:ana@example.org` or a URL.

    Raises Invalid without the name of a field.
    """
    is_url = word.lower().startswith(URL_STARTS)
    kind, _, target = (_url_channel(), "", word) if is_url else word.partition(":")
    if kind not in CHANNELS or CHANNELS.get(kind).takes_urls != is_url:
        raise Invalid({"": f"{word[:60]!r} is nobody to tell: give {recipient_examples()}."})
    return kind, target.strip()


def _url_channel() -> str:
    return next((kind for kind, channel in CHANNELS.items() if channel.takes_urls), "")


def recipient_examples() -> str:
    """Return how recipients can be named: "email, email:somebody@example.org or a URL"."""
    *most, last = [
        example for kind, channel in CHANNELS.items() for example in channel.examples or (f"{kind}:recipient",)
    ]
    return f"{', '.join(most)} or {last}" if most else last


def clean(word: str, *, owner: Any) -> str:
    """Return the word as it is stored, its target checked; raises Invalid without the name of a field."""
    kind, target = split(word.strip())
    target = CHANNELS.get(kind).clean_target(target, owner=owner)
    return target if CHANNELS.get(kind).takes_urls else f"{kind}:{target}" if target else kind


def clean_words(words: Iterable[str], *, owner: Any) -> tuple[str, ...]:
    """Return the words of a policy `notify` as they are stored, each once; raises Invalid naming `notify`."""
    stored: dict[str, None] = {}
    problems: list[str] = []
    for word in words:
        try:
            stored[clean(word, owner=owner)] = None
        except Invalid as error:
            problems += error.fields[""]
    if problems:
        raise Invalid({"notify": problems})
    return tuple(stored)
