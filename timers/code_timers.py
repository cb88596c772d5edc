"""The decorator `@timer`, which declares functions and services to run on time. It runs nothing and needs no Django.

@timer(interval=60)
def refresh_cache(): ...

class Maintenance:
    name = "maintenance"
    @timer(cron="0 0 3 * * *", timezone="Europe/Berlin")
    def nightly(self): ...
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import ModuleType
from typing import Any, TypeVar

from timers import clock
from timers.errors import Invalid
from timers.scheduling.bounds import BoundedSchedule, parse_schedule
from timers.scheduling.policies import parse_policies

F = TypeVar("F", bound=Callable[..., Any])

DECLARATIONS_ATTRIBUTE = "__timer_declarations__"

DEFAULT_BREAKER_COOLDOWN_SECONDS = 3600.0
"""Seconds for which an open breaker stops all runs, unless the declaration names another number."""

ON_CHOICES = ("one", "every")


class DeclarationError(Exception):
    """A declaration that cannot work. The message names file and line."""


class Allow(StrEnum):
    """Users who may make timers and workflows that run a function: administrators (superusers), staff too, or all."""

    ADMINISTRATORS = "administrators"
    STAFF = "staff"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The arguments of one `@timer`. Without interval and cron the function is only registered under its name."""

    function: Callable[..., Any]
    name: str | None
    interval: float | None = None
    cron: str | None = None
    timezone: str | None = None
    eager: bool = False
    window: dict[str, Any] | None = None
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    skip_if: Callable[..., Any] | None = None
    on: str = "one"
    at_most_once: bool = False
    allow: str = Allow.ADMINISTRATORS
    policies: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Return file and line of the function, for error messages."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        return repr(self.function) if code is None else f"{code.co_filename}:{code.co_firstlineno}"

    @property
    def runs_on_time(self) -> bool:
        return self.interval is not None or self.cron is not None

    def schedule(self, *, now: datetime) -> dict[str, Any]:
        """Return the schedule of a timer created now. The first run is one interval away, or now if it is eager."""
        window = {} if self.window is None else {"window": self.window}
        if self.cron is not None:
            return {"type": "cron", "expression": self.cron, "timezone": self.timezone or "UTC", **window}
        start = now + timedelta(seconds=0 if self.eager else self.interval or 0)
        return {"type": "recurring", "interval_seconds": self.interval, "start": start.isoformat(), **window}

    def body(self, name: str) -> dict[str, Any]:
        """Return the body of the timer of type `code` that calls the function."""
        return {
            "function": name,
            **({"args": list(self.args)} if self.args else {}),
            **({"kwargs": dict(self.kwargs)} if self.kwargs else {}),
            **({"on": self.on} if self.on != "one" else {}),
            **({"at_most_once": True} if self.at_most_once else {}),
        }


@dataclass(frozen=True, kw_only=True)
class RegisteredFunction:
    """A function that code timers can call: a plain function, or a method of the only instance of its service."""

    name: str
    declaration: Declaration
    module: str
    service: type | None = None
    attribute: str = ""


def timer(
    function: Callable[..., Any] | float | None = None,
    *,
    interval: float | None = None,
    cron: str | None = None,
    timezone: str | None = None,
    eager: bool = False,
    name: str | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    between: Sequence[str] | None = None,
    weekdays: str | Sequence[str] | None = None,
    skip_if: Callable[..., Any] | None = None,
    on: str = "one",
    at_most_once: bool = False,
    allow: str = Allow.ADMINISTRATORS,
    retries: int | None = None,
    backoff: float | None = None,
    timeout: float | None = None,
    breaker: int | None = None,
    breaker_cooldown: float | None = None,
    **policies: Any,
) -> Any:
    """Declare that a function runs every `interval` seconds (at least 0.1), or by the rule `cron` in `timezone`.

    `@timer(60)` is short for the former. With neither, the function is only registered, so that timers of type `code`
    can name it. `eager` runs it as soon as its timer is created, not only after one interval. The function is called
    with `args` and `kwargs`.

    `between=("09:00", "17:00")` and `weekdays="MON-FRI"` skip runs outside of them, on the clock of `timezone`.
    `skip_if` is called before each run, with the service's instance if it takes an argument. A true value skips the
    run; a text is recorded as the reason. `on="every"` runs once on every live cluster instead of on one.
    `at_most_once` never repeats a run whose worker died. `allow` says who may make timers and workflows that call the
    function with arguments of their own: administrators only, "staff" too, or "all".

    Policies: `retries=3` is max_attempts 4; `backoff` is backoff_seconds, the wait before the second attempt, which
    doubles from there; `timeout` is timeout_seconds of one attempt. `breaker=5` is pause_after_failures: that many
    failures in a row pause the timer and notify the channels in `notify` (default: the owner, by e-mail). After
    `breaker_cooldown` seconds (default: an hour) one run is tried. Its success closes the breaker; its failure opens
    it again for twice as long, at most a day. Other policies have the names of the API (`overlap="queue_one"`, ...).

    Raises DeclarationError naming file and line.
    """
    seconds = interval if function is None or callable(function) else function

    def declare(target: F) -> F:
        declaration = Declaration(
            function=target,
            name=name,
            interval=seconds,
            cron=cron,
            timezone=timezone,
            eager=eager,
            window=_window(between, weekdays, timezone),
            args=args,
            kwargs={} if kwargs is None else kwargs,
            skip_if=skip_if,
            on=on,
            at_most_once=at_most_once,
            allow=allow,
            policies=_policies(policies, retries, backoff, timeout, breaker, breaker_cooldown),
        )
        try:
            _check(declaration)
        except Invalid as error:
            raise DeclarationError(f"{declaration.place}: {_error_text(error)}") from error
        setattr(target, DECLARATIONS_ATTRIBUTE, (*vars(target).get(DECLARATIONS_ATTRIBUTE, ()), declaration))
        return target

    return declare(function) if callable(function) else declare


def _window(between: Any, weekdays: Any, timezone: str | None) -> dict[str, Any] | None:
    if between is None and weekdays is None:
        return None
    window = {"between": between, "weekdays": weekdays, "timezone": timezone}
    return {key: value for key, value in window.items() if value is not None}


def _policies(  # noqa: PLR0917  in the order of the decorator's own
    policies: dict[str, Any],
    retries: int | None,
    backoff: float | None,
    timeout: float | None,
    breaker: int | None,
    cooldown: float | None,
) -> dict[str, Any]:
    """Return the policies under the names of the API."""
    values: dict[str, Any] = {"backoff_seconds": backoff, "timeout_seconds": timeout, "pause_after_failures": breaker}
    if retries is not None:
        is_number = isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0
        values["max_attempts"] = retries + 1 if is_number else retries
    if breaker or cooldown is not None:
        values["breaker_cooldown_seconds"] = DEFAULT_BREAKER_COOLDOWN_SECONDS if cooldown is None else cooldown
    if breaker and "notify" not in policies:
        values["notify"] = ["email"]
    return {**policies, **{name: value for name, value in values.items() if value is not None}}


_ARGUMENT_NAMES = {
    "schedule.interval_seconds": "interval",
    "schedule.expression": "cron",
    "schedule.timezone": "timezone",
    "schedule.window": "between, weekdays",
    "schedule.window.between": "between",
    "schedule.window.weekdays": "weekdays",
    "schedule.window.timezone": "timezone",
    "backoff_seconds": "backoff",
    "timeout_seconds": "timeout",
    "max_attempts": "max_attempts (retries + 1)",
    "pause_after_failures": "breaker",
    "breaker_cooldown_seconds": "breaker_cooldown",
}


def _error_text(error: Invalid) -> str:
    return " ".join(f"{_ARGUMENT_NAMES.get(name, name)}: {' '.join(texts)}" for name, texts in error.fields.items())


_IS_NOT_CALLED_DIRECTLY = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)


def _check(declaration: Declaration) -> None:
    """Raise Invalid or DeclarationError for every fault that shows without calling the function."""
    place = declaration.place
    if declaration.interval is not None and declaration.cron is not None:
        raise DeclarationError(f"{place}: give either interval or cron, not both.")
    if any(is_kind(inspect.unwrap(declaration.function)) for is_kind in _IS_NOT_CALLED_DIRECTLY):
        raise DeclarationError(f"{place}: it is async or a generator; calling it would run nothing.")
    if declaration.on not in ON_CHOICES:
        raise DeclarationError(f'{place}: on must be "one" or "every"; it is {declaration.on!r}.')
    if declaration.allow not in set(Allow):
        raise DeclarationError(
            f'{place}: allow must be "administrators", "staff" or "all"; it is {declaration.allow!r}.'
        )
    if declaration.skip_if is not None and not callable(declaration.skip_if):
        raise DeclarationError(f"{place}: skip_if must be a function.")
    if declaration.name is not None and (not isinstance(declaration.name, str) or not declaration.name.strip()):
        raise DeclarationError(f"{place}: name must be text.")
    if declaration.window is not None and not declaration.runs_on_time:
        raise DeclarationError(f"{place}: between and weekdays need an interval or cron.")
    if isinstance(declaration.args, str) or not isinstance(declaration.args, Sequence):
        raise DeclarationError(f"{place}: args must be a list of values; it is {declaration.args!r}.")
    if not isinstance(declaration.kwargs, Mapping):
        raise DeclarationError(f"{place}: kwargs must be names and values; it is {declaration.kwargs!r}.")
    try:
        json.dumps([declaration.args, declaration.kwargs], allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DeclarationError(f"{place}: args and kwargs must be values that JSON knows: {error}.") from None
    attempts = declaration.policies.get("max_attempts", 1)
    if declaration.at_most_once and attempts != 1:
        raise DeclarationError(f"{place}: at_most_once and retries exclude each other.")
    rule: BoundedSchedule | None = None
    if declaration.runs_on_time:
        _check_interval(declaration)
        # Whether an interval ever meets its window depends on its start, which is known only once the timer is created.
        is_settled = declaration.cron is not None
        rule = parse_schedule(declaration.schedule(now=clock.now()), now=clock.now(), refuse_never=is_settled)
    parse_policies(declaration.policies, max_attempts=1, timeout_seconds=3600, schedule=rule)


def _check_interval(declaration: Declaration) -> None:
    interval = declaration.interval
    if interval is not None and (
        isinstance(interval, bool) or not isinstance(interval, int | float) or not 0.1 <= interval <= 3e9
    ):
        raise DeclarationError(
            f"{declaration.place}: interval must be a number of seconds from 0.1; it is {interval!r}."
        )


def declared_in(module: ModuleType) -> Iterator[RegisteredFunction]:
    """Yield the declared functions of a module and the declared methods of its services (classes with a `name`).

    Imported functions do not count, so an import does not declare a function twice. Raises DeclarationError for a
    scheduled function that cannot be called with its declared arguments alone.
    """
    for value in _defined_in(module):
        if not inspect.isclass(value):
            for declaration in _declarations(value):
                name = declaration.name or f"{module.__name__}.{value.__qualname__}"
                decorated = replace(declaration, function=value)  # includes the decorators around `@timer`
                yield _check_callable(RegisteredFunction(name=name, declaration=decorated, module=module.__name__))
    for service in services_in(module):
        yield from _methods(service, module.__name__)


def services_in(module: ModuleType) -> Iterator[type]:
    """Yield the services that a module defines: its classes with a `name`, whether or not they have timers.

    Raises DeclarationError for a service that cannot be created without arguments.
    """
    for value in _defined_in(module):
        if inspect.isclass(value) and isinstance(getattr(value, "name", None), str):
            if (problem := _signature_problem(value)) is not None:
                name = value.name  # type: ignore[attr-defined]
                raise DeclarationError(f"{place_of(value)}: {name} cannot be created without arguments: {problem}.")
            yield value


def place_of(service: type) -> str:
    """Return file and line of a service, for error messages."""
    try:
        return f"{inspect.getsourcefile(service)}:{inspect.getsourcelines(service)[1]}"
    except (OSError, TypeError):  # the source is not available
        return f"{service.__module__}.{service.__qualname__}"


def _defined_in(module: ModuleType) -> Iterator[Any]:
    seen: set[int] = set()
    for value in list(vars(module).values()):
        if getattr(value, "__module__", None) == module.__name__ and id(value) not in seen:
            seen.add(id(value))
            yield value


def _declarations(value: Any) -> tuple[Declaration, ...]:
    declarations = getattr(value, DECLARATIONS_ATTRIBUTE, ())
    return declarations if isinstance(declarations, tuple) else ()


def _methods(service: Any, module: str) -> Iterator[RegisteredFunction]:
    for attribute, value in inspect.getmembers(service, inspect.isfunction):
        for declaration in _declarations(value):
            name = declaration.name or f"{service.name}.{attribute}"
            function = RegisteredFunction(
                name=name, declaration=declaration, module=module, service=service, attribute=attribute
            )
            yield _check_callable(function)


def _check_callable(entry: RegisteredFunction) -> RegisteredFunction:
    declaration = entry.declaration
    instance = () if entry.service is None else (None,)
    problem = _signature_problem(declaration.function, *instance, *declaration.args, **declaration.kwargs)
    if declaration.runs_on_time and problem is not None:
        raise DeclarationError(
            f"{declaration.place}: {entry.name} cannot be called with its declared arguments alone: {problem}."
        )
    return entry


def _signature_problem(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str | None:
    """Return why the arguments do not fit a function; None when they fit, or when the signature is unknown."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        return str(error)
    except ValueError:  # a function without a readable signature
        pass
    return None


# Dependencies of services. They are declared here; the worker supplies the values.


class Config:
    """Declaration that a service reads settings: `self.config["NAME"]`, `self.config.get("NAME", default)`.

    `Config(BATCH_SIZE=100)` gives defaults for settings that are not set.
    """

    def __init__(self, **defaults: Any) -> None:
        self.defaults = defaults


class RpcProxy:
    """Declaration that a service calls the public methods of another service, in the same process."""

    def __init__(self, service: str) -> None:
        self.service = service
