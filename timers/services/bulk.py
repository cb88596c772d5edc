"""Bulk actions on timers and executions. Each object is handled on its own and has its own result."""

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

MAX_OBJECTS = 500
"""Maximum number of objects in one bulk action; each takes a transaction of its own."""


@dataclass(frozen=True)
class BulkActionResult:
    """The result of a bulk action for one timer or execution, as a sentence."""

    timer: Timer
    done: bool
    sentence: str
    execution: Execution | None = None
    """The new execution of a rerun."""


def pause(selected: Iterable[Timer], *, by: Any, now: datetime) -> list[BulkActionResult]:
    return _for_each_timer(
        selected, lambda timer: _status_text(timer, timers.pause(timer, by=by, now=now), "Paused.", "Was paused.")
    )


def resume(selected: Iterable[Timer], *, by: Any, now: datetime) -> list[BulkActionResult]:
    def action(timer: Timer) -> str:
        return _status_text(timer, timers.resume(timer, by=by, now=now), "Active again.", "Was active.")

    return _for_each_timer(selected, action)


def run(selected: Iterable[Timer], *, by: Any, now: datetime) -> list[BulkActionResult]:
    def action(timer: Timer) -> str:
        timers.run_now(timer, by=by, now=now)
        return "Runs now."

    return _for_each_timer(selected, action)


def delete(selected: Iterable[Timer], *, by: Any, now: datetime) -> list[BulkActionResult]:
    def action(timer: Timer) -> str:
        timers.delete(timer, by=by, now=now)
        return "Deleted. Its history stays."

    return _for_each_timer(selected, action)


def tag(selected: Iterable[Timer], *, text: str, by: Any, now: datetime) -> list[BulkActionResult]:
    """Add a tag, `key` or `key:value`, to each timer. Raises Invalid naming tag."""
    key, value = _read(text)

    def action(timer: Timer) -> str:
        with transaction.atomic():
            values = _values(timer)
            if value in values.get(key, []):
                return "Had this tag."
            values.setdefault(key, []).append(value)
            timers.set_tags(timer, tags=values, by=by, now=now)
        return "Tagged."

    return _for_each_timer(selected, action)


def untag(selected: Iterable[Timer], *, text: str, by: Any, now: datetime) -> list[BulkActionResult]:
    """Remove a tag from each timer: `key:value`, or `key` with any value. Raises Invalid naming tag."""
    key, value = _read(text)

    def action(timer: Timer) -> str:
        with transaction.atomic():
            values = _values(timer)
            present = values.get(key, [])
            kept = [other for other in present if other != value] if value else []
            if kept == present:
                raise Conflict("It has no such tag.")
            timers.set_tags(timer, tags={**values, key: kept}, by=by, now=now)
        return "Removed the tag."

    return _for_each_timer(selected, action)


def rerun(selected: Iterable[Execution], *, by: Any, now: datetime) -> list[BulkActionResult]:
    """Run each execution again, with the current definition of its timer."""
    results = []
    for execution in selected:
        try:
            again = executions.rerun(execution, by=by, now=now)
            results.append(BulkActionResult(execution.timer, True, "Runs again.", again))
        except TimersError as error:
            results.append(BulkActionResult(execution.timer, False, error.message))
    return results


def _for_each_timer(selected: Iterable[Timer], action: Callable[[Timer], str]) -> list[BulkActionResult]:
    results = []
    for timer in selected:
        try:
            results.append(BulkActionResult(timer, True, action(timer)))
        except Invalid as error:
            results.append(BulkActionResult(timer, False, next(iter(error.fields.values()))[0]))
        except TimersError as error:
            results.append(BulkActionResult(timer, False, error.message))
    return results


def _status_text(before: Timer, after: Timer, changed: str, same: str) -> str:
    return same if before.status == after.status else changed


def _read(text: str) -> tuple[str, str]:
    key, _, value = text.strip().partition(":")
    if not key.strip():
        raise Invalid({"tag": "Write a tag, such as prod or team:data."})
    return key.strip(), value.strip()


def _values(timer: Timer) -> dict[str, list[str]]:
    """Return the tags as lists of values, and lock the timer until the transaction ends."""
    Schedule.objects.select_for_update().get(pk=timer.pk)
    tags = timers.tags_of(timer)
    return {key: list(values) if isinstance(values, list) else [values] for key, values in tags.items()}
