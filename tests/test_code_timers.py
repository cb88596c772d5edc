"""What `@timer` records, and the one sentence when a declaration cannot work."""

from __future__ import annotations

import types
from functools import wraps
from typing import Any

import pytest

from timers import timer
from timers.code_timers import DeclarationError, declared_in, services_in


def _module(called: str = "someapp.timers", /, **contents: Any) -> types.ModuleType:
    module = types.ModuleType(called)
    for name, value in contents.items():
        value.__module__ = module.__name__
        setattr(module, name, value)
    return module


def test_a_function_is_named_after_its_module() -> None:
    @timer(interval=60)
    def refresh() -> None: ...

    refresh.__qualname__ = "refresh"

    (entry,) = declared_in(_module(refresh=refresh))

    assert (entry.name, entry.declaration.interval, entry.service) == ("someapp.timers.refresh", 60, None)


def test_a_method_is_named_after_its_service() -> None:
    class Maintenance:
        name = "maintenance"

        @timer(interval=0.1, eager=True)
        def sample(self) -> None: ...

        def helper(self) -> None: ...

    (entry,) = declared_in(_module(Maintenance=Maintenance))

    assert (entry.name, entry.service, entry.declaration.eager) == ("maintenance.sample", Maintenance, True)


def test_a_class_without_a_name_is_no_service() -> None:
    class Plain:
        @timer(interval=1)
        def sample(self) -> None: ...

    assert list(declared_in(_module(Plain=Plain))) == []


def test_what_a_module_imported_is_not_declared_again() -> None:
    @timer(name="elsewhere")
    def imported() -> None: ...

    module = types.ModuleType("someapp.timers")
    module.imported = imported  # type: ignore[attr-defined]

    assert list(declared_in(module)) == []


def test_the_interval_may_stand_alone() -> None:
    @timer(0.5)
    def sample() -> None: ...

    (entry,) = declared_in(_module(sample=sample))

    assert entry.declaration.interval == 0.5


def test_what_other_decorators_make_of_a_function_is_what_runs() -> None:
    def twice(function: Any) -> Any:
        return wraps(function)(lambda: 2 * function())

    @twice
    @timer(interval=60)
    def one() -> int:
        return 1

    (entry,) = declared_in(_module(one=one))

    assert entry.declaration.function() == 2


def test_a_function_may_be_registered_only() -> None:
    @timer(name="reports.daily")
    def report() -> None: ...

    (entry,) = declared_in(_module(report=report))

    assert (entry.name, entry.declaration.runs_on_time) == ("reports.daily", False)


@pytest.mark.parametrize("interval", [0, 0.05, -1, True, "60", float("nan"), float("inf")])
def test_an_interval_that_cannot_work_names_file_and_line(interval: Any) -> None:
    with pytest.raises(DeclarationError, match=r"test_code_timers\.py:\d+: interval"):

        @timer(interval=interval)
        def wrong() -> None: ...


def test_interval_and_cron_exclude_each_other() -> None:
    with pytest.raises(DeclarationError, match="not both"):

        @timer(interval=60, cron="0 0 * * * *")
        def wrong() -> None: ...


def test_the_decorated_function_stays_an_ordinary_one() -> None:
    @timer(interval=60)
    def double(value: int) -> int:
        return 2 * value

    assert double(21) == 42


def test_a_function_may_be_declared_more_than_once() -> None:
    @timer(interval=60, name="often")
    @timer(interval=3600, name="seldom", kwargs={"thorough": True})
    def tidy(thorough: bool = False) -> None: ...

    found = {entry.name: entry.declaration.kwargs for entry in declared_in(_module(tidy=tidy))}

    assert found == {"seldom": {"thorough": True}, "often": {}}


def test_policies_have_short_names() -> None:
    @timer(interval=60, retries=3, backoff=2, timeout=1.5, breaker=5, overlap="queue_one")
    def work() -> None: ...

    (entry,) = declared_in(_module(work=work))

    assert entry.declaration.policies == {
        "overlap": "queue_one",
        "max_attempts": 4,
        "backoff_seconds": 2,
        "timeout_seconds": 1.5,
        "pause_after_failures": 5,
        "breaker_cooldown_seconds": 3600.0,
        "notify": ["email"],
    }


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"cron": "0 0 25 * * *"}, "cron"),
        ({"cron": "0 0 9 * * *", "timezone": "Berlin"}, "timezone"),
        ({"interval": 60, "between": ("9", "17")}, "between"),
        ({"interval": 60, "weekdays": "WORKDAYS"}, "weekdays"),
        ({"interval": 60, "retries": -1}, "retries"),
        ({"interval": 60, "backoff": "slow"}, "backoff"),
        ({"interval": 60, "timeout": 0}, "timeout"),
        ({"interval": 60, "breaker": 1.5}, "breaker"),
        ({"interval": 60, "on": "some"}, "on"),
        ({"interval": 60, "skip_if": True}, "skip_if"),
        ({"interval": 60, "args": [object()]}, "args"),
        ({"interval": 60, "args": "eu"}, "args"),
        ({"interval": 60, "kwargs": ["eu"]}, "kwargs"),
        ({"interval": 60, "retries": 1, "at_most_once": True}, "at_most_once"),
        ({"interval": 60, "overlapping": "skip"}, "overlapping"),
        ({"between": ("09:00", "17:00"), "name": "x"}, "between"),
        ({"interval": 60, "name": ""}, "name"),
    ],
)
def test_a_declaration_that_cannot_work_names_file_line_and_word(options: dict[str, Any], word: str) -> None:
    with pytest.raises(DeclarationError, match=rf"test_code_timers\.py:\d+: .*{word}"):

        @timer(**options)
        def wrong() -> None: ...


def test_what_would_run_nothing_when_called_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"test_code_timers\.py:\d+: it is async or a generator"):

        @timer(interval=60)
        async def later() -> None: ...

    with pytest.raises(DeclarationError, match="generator"):

        @timer(interval=60)
        def one_by_one() -> Any:
            yield


def test_a_service_that_needs_arguments_names_file_and_line() -> None:
    class Needy:
        name = "needy"

        def __init__(self, wants: str) -> None: ...

    with pytest.raises(DeclarationError, match=r"test_code_timers\.py:\d+: needy cannot be created .*'wants'"):
        list(declared_in(_module(__name__, Needy=Needy)))


def test_services_are_found_with_or_without_timers() -> None:
    class Users:
        name = "users"

    class Plain: ...

    assert list(services_in(_module(Users=Users, Plain=Plain))) == [Users]
