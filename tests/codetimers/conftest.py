"""Declared timers on a clock that the test turns: each step from the declaration to the record, in one thread."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.engine.steps import begin_due, claim_at
from timers.actions import service_instances
from timers.clock import Clock
from timers.engine.worker import execute
from timers.engine.worker.execute import RunningAttempt, carry_out
from timers.models import Attempt, Execution, Timer
from timers.services.executions import complete, leases
from timers.services.timers import code_timers


class Stage:
    """What an installation declares, and its clock."""

    def __init__(self, settings: Any, now: datetime) -> None:
        self.now = now
        self._settings = settings
        self._clock = Clock()
        self._clock.now = lambda: self.now  # type: ignore[method-assign]

    def install(self, *modules: types.ModuleType | str, sync: bool = True) -> list[Timer]:
        """Let the site load these modules and no others; return the timers of what they declare."""
        for module in modules:
            if isinstance(module, types.ModuleType):
                sys.modules[module.__name__] = module
        self._settings.TIMERS_CODE_MODULES = tuple(m if isinstance(m, str) else m.__name__ for m in modules)
        code_timers._load.cache_clear()
        return code_timers.sync(now=self.now).declared if sync else []

    def timer(self, name: str) -> Timer:
        return Timer.objects.select_related("schedule").filter(name=name).latest("created_at")

    def pass_time(self, seconds: float, *, step: float | None = None) -> None:
        """Let time pass, in steps, and carry out what comes due at each."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now = min(end, self.now + timedelta(seconds=step or seconds))
            self.run_due()

    def run_due(self) -> None:
        leases.release_retries(now=self.now)
        claim_at(self.now)
        for begun in begin_due(self.now):
            running = RunningAttempt(begun)
            outcome = carry_out(running, running.begin(self._clock))
            complete.finish([running.finished(outcome, self.now)], owner="w1", now=self.now)

    def executions(self, name: str, **filters: Any) -> list[Execution]:
        """Return the executions of the timer of that name in planned order."""
        return list(Execution.objects.filter(timer=self.timer(name), **filters).order_by("scheduled_for", "serial"))

    def statuses(self, name: str) -> list[str]:
        return [each.status for each in self.executions(name)]

    def details(self, execution: Execution) -> dict[str, Any]:
        return Attempt.objects.filter(execution_id=execution.pk).latest("number").details or {}


@pytest.fixture
def stage(settings: Any, admin: Any, now: datetime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """An installation with an administrator, on a Monday at noon."""
    monkeypatch.setattr(execute, "_close_connections", lambda: None)  # the test's own connection
    yield Stage(settings, now)
    service_instances.stop_all()
    settings.TIMERS_CODE_MODULES = ()
    code_timers._load.cache_clear()


def module_of(*things: Any, name: str = "shop.jobs") -> types.ModuleType:
    """Return a module that defines these functions and services."""
    module = types.ModuleType(name)
    for thing in things:
        thing.__module__ = name
        thing.__qualname__ = thing.__name__
        setattr(module, thing.__name__, thing)
    return module
