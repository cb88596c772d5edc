"""Doing many small things: a few transactions for all of them, a savepoint for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from django.db import transaction

from timers.errors import TimersError

Done = TypeVar("Done")

PER_TRANSACTION = 50
"""Few enough that nobody waits long for the lock that SQLite gives to one writer at a time."""


def run_each(steps: Iterable[Callable[[], Done]]) -> Iterator[Done | TimersError]:
    """Yield what each step returned, or the error that undid it alone, in order."""
    remaining = iter(steps)
    while batch := list(islice(remaining, PER_TRANSACTION)):
        with transaction.atomic():
            done = [_alone(step) for step in batch]
        yield from done


def _alone(step: Callable[[], Done]) -> Done | TimersError:
    try:
        with transaction.atomic():
            return step()
    except TimersError as error:
        return error
