"""One run of a registered function in this process, while a person watches."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from timers.actions.base import ACTIONS, Context, Outcome
from timers.clock import Clock, to_us
from timers.engine.worker import execute
from timers.engine.worker.runner import Runner
from timers.errors import NotFound
from timers.lifecycle import Trigger
from timers.services import occurrences
from timers.services.executions import commands as executions
from timers.services.timers import code_timers

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class ForegroundRun:
    """The result of the run."""

    status: str
    seconds: float
    result: dict[str, Any] | None = None
    message: str | None = None
    traceback: str | None = None


def run(name: str) -> ForegroundRun:
    """Run a function by its registered name; return how it ended. Raises NotFound, DeclarationError.

    Where a declaration has made a timer, the run is a manual execution of it. Its log records appear on the standard
    error stream, from INFO on.
    """
    known = code_timers.registered()
    if name not in known:
        raise NotFound(f"No function is registered under {name!r}; registered: {', '.join(sorted(known)) or 'none'}.")
    with _logs_shown():
        timer = code_timers.timer_of(name)
        return _unrecorded(name) if timer is None else _recorded(timer)


@contextmanager
def _logs_shown() -> Iterator[None]:
    root, handler = logging.getLogger(), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("{levelname} {name}: {message}", style="{"))
    before, level = list(root.handlers), root.level
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.handlers = before
        root.setLevel(level)


def _unrecorded(name: str) -> ForegroundRun:
    clock, began = Clock(), time.monotonic()
    body = code_timers.registered()[name].declaration.body(name)
    context = Context(
        execution_id=uuid4(),
        timer_id=uuid4(),
        owner_id=0,
        name=name,
        parameters=body,
        attempt=1,
        scheduled_for=clock.now(),
        started_at=clock.now(),
        deadline=None,
        trigger=Trigger.MANUAL,
    )
    try:
        outcome: Outcome = ACTIONS.get("code")().run(context)
    finally:
        execute.release_connections()
    return ForegroundRun(
        outcome.ending.value,
        time.monotonic() - began,
        outcome.result,
        outcome.error_message,
        (outcome.details or {}).get("traceback"),
    )


def _recorded(timer: Any) -> ForegroundRun:
    """Carry out a manual execution as a worker does, so that its lease is kept and its end written."""
    runner = Runner(Clock(), most_threads=1, in_cluster=False)
    runner.start()
    execution = occurrences.create_manual(timer, by=None, now=runner.clock.now(), send=False)
    try:
        runner.put([(execution.pk.hex, to_us(runner.clock.now()), execution.definition_id)])
        while (ended := executions.ended(execution.pk)) is None:
            time.sleep(POLL_SECONDS)
    except BaseException:
        runner.cancel_all()
        raise
    finally:
        runner.stop()
    seconds = ((ended.finished_at or ended.created_at) - (ended.started_at or ended.created_at)).total_seconds()
    return ForegroundRun(ended.status, seconds, ended.result, ended.error_message, executions.traceback_of(ended))
