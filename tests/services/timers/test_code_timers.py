"""Declared code timers in the database: made once, moved by no restart, woken by none."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.engine.steps import claim_at
from timers import timer
from timers.code_timers import DeclarationError
from timers.lifecycle import TimerStatus
from timers.models import Execution, Timer
from timers.services.timers import code_timers
from timers.services.timers import commands as timers

pytestmark = pytest.mark.django_db


@pytest.fixture
def declare(settings: Any) -> Iterator[Any]:
    """Install modules of declarations; each call replaces the ones before."""

    def install(*modules: types.ModuleType) -> None:
        for module in modules:
            sys.modules[module.__name__] = module
        settings.TIMERS_CODE_MODULES = tuple(module.__name__ for module in modules)
        code_timers._load.cache_clear()

    yield install
    code_timers._load.cache_clear()


def _module(name: str, /, **options: Any) -> types.ModuleType:
    module = types.ModuleType(name)

    def refresh() -> None: ...

    refresh.__module__, refresh.__qualname__ = name, "refresh"
    module.refresh = timer(**options)(refresh)  # type: ignore[attr-defined]
    return module


def test_a_declaration_becomes_a_timer_of_the_first_administrator(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60))

    (made,) = code_timers.sync(now=now).declared

    assert (made.name, made.owner, made.action) == ("jobs.refresh", admin, "code")
    assert made.schedule.next_run_at == now + timedelta(seconds=60)


def test_an_eager_declaration_runs_at_once(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60, eager=True))

    (made,) = code_timers.sync(now=now).declared

    assert made.schedule.next_run_at == now


def test_a_restart_moves_no_grid(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60))
    (made,) = code_timers.sync(now=now).declared

    (again,) = code_timers.sync(now=now + timedelta(seconds=17)).declared

    assert (again.pk, again.schedule.next_run_at) == (made.pk, made.schedule.next_run_at)
    assert made.definitions.count() == 1


def test_the_grid_decides_whether_a_window_is_met_not_the_hour_of_a_restart(
    declare: Any, admin: Any, now: datetime
) -> None:
    declare(_module("jobs", interval=86_400, between=("12:00", "12:05")))
    (made,) = code_timers.sync(now=now).declared
    in_the_evening = now + timedelta(hours=7)

    (again,) = code_timers.sync(now=in_the_evening).declared
    declare(_module("new_jobs", interval=86_400, between=("12:00", "12:05")))

    assert (again.pk, again.schedule.next_run_at) == (made.pk, now + timedelta(days=1))
    with pytest.raises(DeclarationError, match=r"test_code_timers\.py:\d+: .*none of its occurrences lies in"):
        code_timers.sync(now=in_the_evening)


def test_a_restart_wakes_no_paused_timer(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60))
    (made,) = code_timers.sync(now=now).declared
    timers.pause(made, by=admin, now=now)

    code_timers.sync(now=now + timedelta(hours=1))

    assert Timer.objects.get(pk=made.pk).status == TimerStatus.PAUSED


def test_a_changed_interval_is_taken_over(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60))
    (made,) = code_timers.sync(now=now).declared
    declare(_module("jobs", interval=30))

    (changed,) = code_timers.sync(now=now).declared

    assert changed.pk == made.pk
    assert changed.schedule.next_run_at == now + timedelta(seconds=30)


def test_a_declaration_that_is_gone_ends_its_timer_and_keeps_its_history(
    declare: Any, admin: Any, now: datetime
) -> None:
    declare(_module("jobs", interval=60))
    (made,) = code_timers.sync(now=now).declared
    claim_at(now + timedelta(seconds=60))
    declare(types.ModuleType("jobs"))

    synced = code_timers.sync(now=now + timedelta(seconds=61))

    made.refresh_from_db()
    assert [each.pk for each in synced.ended] == [made.pk]
    assert (made.status, made.status_reason) == (TimerStatus.ENDED, "Its declaration is gone from the code.")
    assert Execution.objects.filter(timer=made).count() == 1


def test_only_who_loaded_its_module_knows_that_a_declaration_is_gone(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60))
    (made,) = code_timers.sync(now=now).declared
    declare(_module("other_jobs", interval=60))

    assert code_timers.sync(now=now).ended == []
    assert Timer.objects.get(pk=made.pk).status == TimerStatus.ACTIVE


@pytest.mark.parametrize("options", [{"interval": 60}, {"cron": "0 0 3 * * *"}])
def test_a_declaration_that_comes_back_starts_its_timer_again(
    declare: Any, admin: Any, now: datetime, options: dict[str, Any]
) -> None:
    declare(_module("jobs", **options))
    (made,) = code_timers.sync(now=now).declared
    declare(types.ModuleType("jobs"))
    code_timers.sync(now=now)
    declare(_module("jobs", **options))

    (again,) = code_timers.sync(now=now + timedelta(hours=1)).declared

    assert (again.pk, again.status) == (made.pk, TimerStatus.ACTIVE)
    assert again.schedule.next_run_at > now + timedelta(hours=1)


def test_what_somebody_changed_stays_until_the_declaration_changes(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60, retries=1))
    (made,) = code_timers.sync(now=now).declared
    timers.update(made, changes={"policies": {"max_attempts": 9, "backoff_seconds": 5}}, by=admin, now=now)
    code_timers.sync(now=now)
    assert Timer.objects.get(pk=made.pk).definition.policies["max_attempts"] == 9

    declare(_module("jobs", interval=60, retries=2))
    (changed,) = code_timers.sync(now=now).declared

    assert changed.definition.policies["max_attempts"] == 3
    assert changed.definition.policies["backoff_seconds"] == 5


def test_what_somebody_changed_stays_also_after_a_declaration_that_said_the_same_as_them(
    declare: Any, admin: Any, now: datetime
) -> None:
    declare(_module("jobs", interval=60, retries=1))
    (made,) = code_timers.sync(now=now).declared

    def set_attempts(most: int) -> None:
        timers.update(made, changes={"policies": {"max_attempts": most}}, by=admin, now=now)

    set_attempts(3)
    declare(_module("jobs", interval=60, retries=2))
    code_timers.sync(now=now)
    set_attempts(5)
    code_timers.sync(now=now)

    made.refresh_from_db()
    assert made.definition.policies["max_attempts"] == 5


def test_a_policy_that_is_no_longer_declared_is_the_default_again(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60, retries=4, between=("09:00", "17:00")))
    code_timers.sync(now=now)
    declare(_module("jobs", interval=60))

    (changed,) = code_timers.sync(now=now).declared

    assert changed.definition.policies["max_attempts"] == 1
    assert "window" not in changed.definition.schedule


def test_a_declaration_that_the_site_refuses_names_its_place(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60, notify=["not a channel"]))

    with pytest.raises(DeclarationError, match=r"test_code_timers\.py:\d+: policies\.notify"):
        code_timers.sync(now=now)


def test_a_function_that_needs_arguments_is_refused_with_its_place(declare: Any, admin: Any, now: datetime) -> None:
    module = types.ModuleType("jobs")

    @timer(interval=60, args=["eu"])
    def send(region: str, limit: int) -> None: ...

    send.__module__, send.__qualname__ = "jobs", "send"
    module.send = send  # type: ignore[attr-defined]
    declare(module)

    with pytest.raises(DeclarationError, match=r"test_code_timers\.py:\d+: jobs\.send cannot be called .* 'limit'"):
        code_timers.sync(now=now)


def test_a_module_that_fails_to_load_is_named(settings: Any, admin: Any, now: datetime, tmp_path: Any) -> None:
    (tmp_path / "broken_jobs.py").write_text("import os\n1 / 0\n")
    sys.path.insert(0, str(tmp_path))
    settings.TIMERS_CODE_MODULES = ("broken_jobs",)
    code_timers._load.cache_clear()

    try:
        with pytest.raises(DeclarationError, match=r"names broken_jobs, .*broken_jobs\.py:2\): ZeroDivisionError"):
            code_timers.sync(now=now)
    finally:
        sys.path.remove(str(tmp_path))
        settings.TIMERS_CODE_MODULES = ()
        code_timers._load.cache_clear()


def test_two_declarations_of_one_name_are_refused_with_both_places(declare: Any, admin: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60, name="same"), _module("more", interval=60, name="same"))

    with pytest.raises(DeclarationError, match=r"test_code_timers\.py:\d+: the name 'same' is taken by"):
        code_timers.sync(now=now)


def test_without_an_administrator_there_is_nothing_to_do_yet(declare: Any, owner: Any, now: datetime) -> None:
    declare(_module("jobs", interval=60))

    assert code_timers.sync(now=now).declared == []


def test_a_module_that_cannot_be_imported_names_the_setting(settings: Any, admin: Any, now: datetime) -> None:
    settings.TIMERS_CODE_MODULES = ("no.such.module",)
    code_timers._load.cache_clear()

    with pytest.raises(DeclarationError, match=r"TIMERS_CODE_MODULES names no\.such\.module"):
        code_timers.sync(now=now)

    settings.TIMERS_CODE_MODULES = ()
    code_timers._load.cache_clear()
