"""Bandwidth of a transfer by time of day: limits that hold in windows on the clock of a zone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from timers import formatting, validation
from timers.errors import REQUIRED, Invalid
from timers.scheduling.windows import Window

MIN_BYTES_PER_SECOND = 1024
MAX_BYTES_PER_SECOND = 1_000_000_000_000
MAX_LIMITS = 50
_KNOWN = {"between", "weekdays", "timezone", "max_bytes_per_second"}


@dataclass(frozen=True)
class BandwidthLimit:
    """A limit in bytes per second that holds while its window is open."""

    window: Window
    bytes_per_second: int

    def document(self) -> dict[str, Any]:
        """Return the limit as it is written in a submission."""
        return {**self.window.document(), "max_bytes_per_second": self.bytes_per_second}

    def describe(self) -> str:
        """Return text such as "1.0 MB/s Monday to Friday between 08:00 and 18:00 (UTC)"."""
        return f"{formatting.plain_size(self.bytes_per_second)}/s {self.window.describe()}"


def parse_limits(document: object, *, field: str = "bandwidth") -> tuple[BandwidthLimit, ...]:
    """Return the limits of a submission, none for null; raises Invalid naming the limit ("bandwidth.0.between")."""
    if document is None:
        return ()
    if not isinstance(document, list):
        raise Invalid({field: "Give a list of limits with between and max_bytes_per_second."})
    if len(document) > MAX_LIMITS:
        raise Invalid({field: f"At most {MAX_LIMITS} limits."})
    return tuple(_limit(limit, f"{field}.{number}") for number, limit in enumerate(document))


def limit_at(limits: Iterable[BandwidthLimit], instant: datetime, *, always: int | None = None) -> int | None:
    """Return the smallest limit that holds at an instant, None for none; `always` holds at every instant."""
    holding = [limit.bytes_per_second for limit in limits if limit.window.has(instant)]
    return min(holding + ([] if always is None else [always]), default=None)


def _limit(document: object, field: str) -> BandwidthLimit:
    if not isinstance(document, Mapping):
        raise Invalid({field: "A limit is an object with between and max_bytes_per_second."})
    try:
        validation.only_known(document, _KNOWN)
        if document.get("max_bytes_per_second") is None:
            raise Invalid({"max_bytes_per_second": REQUIRED})
        rate = validation.whole(
            document["max_bytes_per_second"],
            "max_bytes_per_second",
            minimum=MIN_BYTES_PER_SECOND,
            maximum=MAX_BYTES_PER_SECOND,
        )
        window = Window.parse({name: value for name, value in document.items() if name != "max_bytes_per_second"})
    except Invalid as error:
        raise error.under(field) from error
    return BandwidthLimit(window, rate)
