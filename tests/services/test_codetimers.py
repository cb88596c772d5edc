"""Declared code timers in the database: made once, moved by no restart, woken by none."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from timers import timer
from timers.codetimers import DeclarationError
from timers.lifecycle import TimerStatus
from timers.models import Timer
from timers.services import codetimers, timers

pytestmark = pytest.mark.django_db


@pytest.fixture
def declare(settings: Any) -> Iterator[Any]:
    """Install modules of declarations; each call replaces the ones before."""

    def install(*modules: types.ModuleType) -> None:
        for module in modules:
            sys.modules[module.__name__] = module
        settings.TIMERS_CODE_MODULES = tuple(module.__name__ for module in modules)
        codetimers._registered.cache_clear()

    yield install
    codetimers._registered.cache_clear()


def _module(name: str, /, **options: Any) -> types.ModuleType:
    module = types.ModuleType(name)

    def refresh() -> None: ...

    refresh.__module__, refresh.__qualname__ = name, "refresh"
    module.refresh = timer(**options)(refresh)  # type: ignore[attr-defined]
    return module


def test_a_declaration_becomes_a_timer_of_the_first_administrator(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60))

    (made,) = codetimers.sync(now=now)

    assert (made.name, made.owner, made.action) == ("jobs.refresh", admin, "code")
    assert made.schedule.next_run_at == now + timedelta(seconds=60)


def test_an_eager_declaration_runs_at_once(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60, eager=True))

    (made,) = codetimers.sync(now=now)

    assert made.schedule.next_run_at == now


def test_a_restart_moves_no_grid(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60))
    (made,) = codetimers.sync(now=now)

    (again,) = codetimers.sync(now=now + timedelta(seconds=17))

    assert (again.pk, again.schedule.next_run_at) == (made.pk, made.schedule.next_run_at)
    assert made.definitions.count() == 1


def test_a_restart_wakes_no_paused_timer(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60))
    (made,) = codetimers.sync(now=now)
    timers.pause(made, by=admin, now=now)

    codetimers.sync(now=now + timedelta(hours=1))

    assert Timer.objects.get(pk=made.pk).status == TimerStatus.PAUSED


def test_a_changed_interval_is_taken_over(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60))
    (made,) = codetimers.sync(now=now)
    declare(_module("jobs", interval=30))

    (changed,) = codetimers.sync(now=now)

    assert changed.pk == made.pk
    assert changed.schedule.next_run_at == now + timedelta(seconds=30)


def test_two_declarations_of_one_name_are_refused_with_both_places(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60, name="same"), _module("more", interval=60, name="same"))

    with pytest.raises(DeclarationError, match=r"test_codetimers\.py:\d+: the name 'same' is taken by"):
        codetimers.sync(now=now)


def test_without_an_administrator_there_is_nothing_to_do_yet(declare: Any, owner: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60))

    assert codetimers.sync(now=now) == []


def test_a_module_that_cannot_be_imported_names_the_setting(settings: Any, admin: Any, now: datetime) -> None:
    settings.TIMERS_CODE_MODULES = ("no.such.module",)
    codetimers._registered.cache_clear()

    with pytest.raises(DeclarationError, match=r"TIMERS_CODE_MODULES names no\.such\.module"):
        codetimers.sync(now=now)

    settings.TIMERS_CODE_MODULES = ()
    codetimers._registered.cache_clear()
