"""One deed for many timers or executions: each is done for itself, and says how it went."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from timers.errors import Conflict, Invalid, TimersError
from timers.models import Execution, Schedule, Timer
from timers.services.executions import commands as executions
from timers.services.timers import commands as timers

MAX_AT_ONCE = 500
"""Things at once; each takes a transaction of its own."""


@dataclass(frozen=True)
class BulkResult:
    """What became of one timer, or of one of its executions, in a sentence."""

    timer: Timer
    done: bool
    sentence: str
    execution: Execution | None = None
    """The new one, of what is run again."""


def pause(chosen: Iterable[Timer], *, by: Any, now: datetime) -> list[BulkResult]:
    return _each(chosen, lambda timer: _changed(timer, timers.pause(timer, by=by, now=now), "Paused.", "Was paused."))


def resume(chosen: Iterable[Timer], *, by: Any, now: datetime) -> list[BulkResult]:
    def deed(timer: Timer) -> str:
        return _changed(timer, timers.resume(timer, by=by, now=now), "Active again.", "Was active.")

    return _each(chosen, deed)


def run(chosen: Iterable[Timer], *, by: Any, now: datetime) -> list[BulkResult]:
    def deed(timer: Timer) -> str:
        timers.run_now(timer, by=by, now=now)
        return "Runs now."

    return _each(chosen, deed)


def delete(chosen: Iterable[Timer], *, by: Any, now: datetime) -> list[BulkResult]:
    def deed(timer: Timer) -> str:
        timers.delete(timer, by=by, now=now)
        return "Deleted. Its history stays."

    return _each(chosen, deed)


def tag(chosen: Iterable[Timer], *, text: str, by: Any, now: datetime) -> list[BulkResult]:
    """Give each timer a tag, `key` or `key:value`, beside those that it has. Raises Invalid naming tag."""
    key, value = _read(text)

    def deed(timer: Timer) -> str:
        with transaction.atomic():
            values = _values(timer)
            if value in values.get(key, []):
                return "Had this tag."
            values.setdefault(key, []).append(value)
            timers.set_tags(timer, tags=values, by=by, now=now)
        return "Tagged."

    return _each(chosen, deed)


def untag(chosen: Iterable[Timer], *, text: str, by: Any, now: datetime) -> list[BulkResult]:
    """Take a tag from each timer: `key:value`, or `key` whatever its value. Raises Invalid naming tag."""
    key, value = _read(text)

    def deed(timer: Timer) -> str:
        with transaction.atomic():
            values = _values(timer)
            kept = [each for each in values.get(key, []) if value and each != value]
            if kept == values.get(key, []):
                raise Conflict("It has no such tag.")
            timers.set_tags(timer, tags={**values, key: kept}, by=by, now=now)
        return "The tag is gone."

    return _each(chosen, deed)


def rerun(chosen: Iterable[Execution], *, by: Any, now: datetime) -> list[BulkResult]:
    """Run each execution again, as its timer is defined now."""
    results = []
    for execution in chosen:
        try:
            again = executions.rerun(execution, by=by, now=now)
            results.append(BulkResult(execution.timer, True, "Runs again.", again))
        except TimersError as error:
            results.append(BulkResult(execution.timer, False, error.message))
    return results


def _each(chosen: Iterable[Timer], deed: Callable[[Timer], str]) -> list[BulkResult]:
    results = []
    for timer in chosen:
        try:
            results.append(BulkResult(timer, True, deed(timer)))
        except Invalid as error:
            results.append(BulkResult(timer, False, next(iter(error.fields.values()))[0]))
        except TimersError as error:
            results.append(BulkResult(timer, False, error.message))
    return results


def _changed(before: Timer, after: Timer, changed: str, same: str) -> str:
    return same if before.status == after.status else changed


def _read(text: str) -> tuple[str, str]:
    key, _, value = text.strip().partition(":")
    if not key.strip():
        raise Invalid({"tag": "Write a tag, such as prod or team:data."})
    return key.strip(), value.strip()


def _values(timer: Timer) -> dict[str, list[str]]:
    """Return the tags as lists of values; the timer is ours until the transaction ends."""
    Schedule.objects.select_for_update().get(pk=timer.pk)
    tags = timers.tags_of(timer)
    return {key: list(values) if isinstance(values, list) else [values] for key, values in tags.items()}
