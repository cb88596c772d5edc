"""Limits on how often something may be done: one table of counters for all processes of the installation.

A window that has just begun counts together with the share of the last one that still lies within the limit's span
("sliding window counter"), so that nobody has twice the limit around a window's edge.
"""

from __future__ import annotations

import hashlib
import logging
import math
from dataclasses import dataclass
from datetime import datetime

from timers.clock import to_us
from timers.errors import TooMany
from timers.models.limits import ADD, LimitCounter

_SECOND_US = 1_000_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limit:
    """At most `most` times within `seconds`, for each subject."""

    name: str
    most: int
    seconds: int
    what: str
    """What is counted, as the sentence about it says."""


LOGINS_OF_NAME = Limit("logins", 10, 300, "wrong passwords for this name")
LOGINS_FROM_ADDRESS = Limit("logins_address", 100, 300, "wrong passwords from this address")
REGISTRATIONS = Limit("app_registrations", 20, 3600, "apps registered from this address")


def take(limit: Limit, subject: str, *, now: datetime) -> None:
    """Count one more; raises TooMany when that is more than the limit allows.

    What was refused counts as well: to go on trying does not help.
    """
    instant, span = to_us(now), limit.seconds * _SECOND_US
    window, key = instant // span, _key(limit, subject)
    elapsed = (instant % span) / span
    ((number,),) = ADD.fetch(key=key, window=window, by=1, ends_us=(window + 2) * span)
    if number == 1:
        LimitCounter.objects.filter(ends_us__lt=instant).delete()
    before = LimitCounter.objects.filter(key=key, window=window - 1).values_list("number", flat=True).first() or 0
    if number + before * (1 - elapsed) > limit.most:
        log.info("A limit was reached.", extra={"event": "limit.reached", "limit": limit.name})
        wait = math.ceil(limit.seconds * (1 - elapsed)) or 1
        raise TooMany(f"Too many {limit.what}: {limit.most:,} are allowed in {_span(limit)}.", retry_after=wait)


def give_back(limit: Limit, subject: str, *, now: datetime) -> None:
    """Take back one count, of an attempt that turned out to be a good one."""
    span = limit.seconds * _SECOND_US
    window = to_us(now) // span
    ADD.fetch(key=_key(limit, subject), window=window, by=-1, ends_us=(window + 2) * span)


def clear(limit: Limit, subject: str) -> None:
    """Forget all counts of a subject."""
    LimitCounter.objects.filter(key=_key(limit, subject)).delete()


def _key(limit: Limit, subject: str) -> str:
    return f"{limit.name}:{hashlib.sha256(subject.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _span(limit: Limit) -> str:
    minutes = limit.seconds // 60
    return "an hour" if minutes == 60 else "a minute" if minutes == 1 else f"{minutes} minutes"
