"""Batches of many small steps: few transactions for all of them, a savepoint for each step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from django.db import transaction

from timers.errors import TimersError

Result = TypeVar("Result")

STEPS_PER_TRANSACTION = 50
"""Few enough that other writers wait only shortly for the one write lock of SQLite."""


def run_each(steps: Iterable[Callable[[], Result]]) -> Iterator[Result | TimersError]:
    """Yield the result of each step, or the error that undid it alone, in order."""
    remaining = iter(steps)
    while batch := list(islice(remaining, STEPS_PER_TRANSACTION)):
        with transaction.atomic():
            results = [_run(step) for step in batch]
        yield from results


def _run(step: Callable[[], Result]) -> Result | TimersError:
    try:
        with transaction.atomic():
            return step()
    except TimersError as error:
        return error
