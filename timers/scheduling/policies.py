"""The policies of a timer: overlap, catch-up, attempts, timeout, jitter, circuit breaker and notifications."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from timers import formatting, validation
from timers.errors import Invalid
from timers.scheduling.bounds import BoundedSchedule
from timers.scheduling.catchup import DEFAULT_LIMIT, CatchUpPolicy
from timers.scheduling.overlap import OverlapPolicy

DEFAULT_WINDOW_SECONDS = 86_400
DEFAULT_BACKOFF_SECONDS = 30

MAX_ATTEMPTS = 100
MAX_CAUGHT_UP = 1_000
MAX_FAILURES = 10_000
MAX_RECIPIENTS = 20
MAX_RECIPIENT_LENGTH = 2_048
_DAY = 86_400
_YEAR = 366 * _DAY


@dataclass(frozen=True)
class Policies:
    """The values of all policies, with defaults filled in (docs/policies.md). Durations are in seconds."""

    overlap: OverlapPolicy
    catch_up: CatchUpPolicy
    catch_up_window_seconds: float | None
    """Maximum age of a missed occurrence that runs; None for any age."""
    catch_up_limit: int
    """Maximum number of missed occurrences that run with `all`."""
    max_attempts: int
    backoff_seconds: float
    """Delay before the second attempt. It doubles with each further attempt."""
    timeout_seconds: float | None
    """Time limit of one attempt; None for no limit."""
    jitter_seconds: float
    pause_after_failures: int
    """Number of failed executions in a row that pause the timer; 0 for never."""
    breaker_cooldown_seconds: float | None = None
    """Time after which such a pause ends and one run is tried; None until somebody resumes the timer."""
    notify: tuple[str, ...] = ()
    """Recipients of notifications: `email`, `email:address` or a URL. The channels check whether each is usable."""

    @property
    def catch_up_window(self) -> timedelta | None:
        return None if self.catch_up_window_seconds is None else timedelta(seconds=self.catch_up_window_seconds)

    @property
    def jitter(self) -> timedelta:
        return timedelta(seconds=self.jitter_seconds)

    def document(self) -> dict[str, Any]:
        """Return the document; `parse_policies` turns it into an equal value."""
        return {
            **asdict(self),
            "overlap": self.overlap.value,
            "catch_up": self.catch_up.value,
            "notify": list(self.notify),
        }


def parse_policies(
    document: object,
    *,
    max_attempts: int,
    timeout_seconds: float | None,
    schedule: BoundedSchedule | None,
) -> Policies:
    """Return the policies of a document; raises Invalid naming every wrong field.

    `max_attempts` and `timeout_seconds` are the defaults of the timer's action. Null means the default, except for
    the window, where it means any age. Jitter is checked against `schedule`, if that is given.
    """
    given = _mapping(document)
    validation.only_known(given, _READERS)
    values: dict[str, Any] = {
        "overlap": OverlapPolicy.SKIP,
        "catch_up": CatchUpPolicy.LATEST,
        "catch_up_window_seconds": None if "catch_up_window_seconds" in given else DEFAULT_WINDOW_SECONDS,
        "catch_up_limit": DEFAULT_LIMIT,
        "max_attempts": max_attempts,
        "backoff_seconds": DEFAULT_BACKOFF_SECONDS,
        "timeout_seconds": timeout_seconds,
        "jitter_seconds": 0,
        "pause_after_failures": 0,
    }
    policies = Policies(**{**values, **_read(given)})
    _check_catch_up(policies)
    _check_jitter(policies, schedule)
    return policies


def merge_policies(old: Mapping[str, Any], changes: object) -> dict[str, Any]:
    """Return the document `old` with the keys of `changes` replaced, not yet parsed. Raises Invalid."""
    return {**old, **_mapping(changes)}


def _mapping(document: object) -> Mapping[str, Any]:
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise Invalid({"": "Policies must be an object."})
    return document


def _read(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given values; raises one Invalid with all errors."""
    values: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    for name, value in document.items():
        if value is None:
            continue
        try:
            values[name] = _READERS[name](value, name)
        except Invalid as error:
            wrong |= error.fields
    if wrong:
        raise Invalid(wrong)
    return values


def _seconds(least: float, most: float) -> Callable[[object, str], int | float]:
    return lambda value, field: formatting.plain_number(validation.number(value, field, minimum=least, maximum=most))


def _whole(least: int, most: int) -> Callable[[object, str], int]:
    return lambda value, field: validation.whole(value, field, minimum=least, maximum=most)


def _read_names(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise Invalid({field: "Give a list of names."})
    if len(value) > MAX_RECIPIENTS:
        raise Invalid({field: f"Give at most {MAX_RECIPIENTS} names."})
    if not all(_is_name(name) for name in value):
        raise Invalid({field: f"A name has 1 to {MAX_RECIPIENT_LENGTH} characters and no control characters."})
    return tuple(dict.fromkeys(value))


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_RECIPIENT_LENGTH and not any(
        unicodedata.category(character) in ("Cc", "Cs") for character in text
    )


_READERS: dict[str, Callable[[object, str], Any]] = {
    "overlap": lambda value, field: validation.choice(value, field, OverlapPolicy),
    "catch_up": lambda value, field: validation.choice(value, field, CatchUpPolicy),
    "catch_up_window_seconds": _seconds(0, 100 * _YEAR),
    "catch_up_limit": _whole(1, MAX_CAUGHT_UP),
    "max_attempts": _whole(1, MAX_ATTEMPTS),
    "backoff_seconds": _seconds(0, _DAY),
    "timeout_seconds": _seconds(0.1, 30 * _DAY),
    "jitter_seconds": _seconds(0, _YEAR),
    "pause_after_failures": _whole(0, MAX_FAILURES),
    "breaker_cooldown_seconds": _seconds(1, _DAY),
    "notify": _read_names,
}


def _check_catch_up(policies: Policies) -> None:
    if policies.catch_up is CatchUpPolicy.ALL and policies.overlap is OverlapPolicy.SKIP:
        raise Invalid(
            {
                "catch_up": "With overlap 'skip' only the first of all missed occurrences could run; "
                "choose another overlap, such as 'queue_all', or catch up 'latest'."
            }
        )


def _check_jitter(policies: Policies, schedule: BoundedSchedule | None) -> None:
    gap = schedule.smallest_gap() if schedule is not None and policies.jitter_seconds else None
    if gap is not None and policies.jitter >= gap / 2:
        most = formatting.plain_number(gap.total_seconds() / 2)
        raise Invalid({"jitter_seconds": f"Must be below {most:,}, half of the time between two occurrences."})
