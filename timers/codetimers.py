"""`@timer`: records which functions and services are to run on time. Runs nothing and knows no Django.

@timer(interval=60)
def refresh_cache(): ...

class Maintenance:
    name = "maintenance"
    @timer(cron="0 0 3 * * *", timezone="Europe/Berlin")
    def nightly(self): ...
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

MARK = "__timer_declaration__"


class DeclarationError(Exception):
    """A declaration that cannot work; the sentence names file and line."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What `@timer` was told. With neither interval nor cron the function is only registered under its name."""

    function: Callable[..., Any]
    name: str | None
    interval: float | None = None
    cron: str | None = None
    timezone: str | None = None
    eager: bool = False
    policies: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Return file and line of the function, for messages."""
        code = self.function.__code__
        return f"{code.co_filename}:{code.co_firstlineno}"

    @property
    def runs_on_time(self) -> bool:
        return self.interval is not None or self.cron is not None


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A function that code timers can call: by itself, or as a method of its service's one instance."""

    name: str
    declaration: Declaration
    service: type | None = None


def timer(
    function: F | None = None,
    *,
    interval: float | None = None,
    cron: str | None = None,
    timezone: str | None = None,
    eager: bool = False,
    name: str | None = None,
    **policies: Any,
) -> Any:
    """Declare that a function runs every `interval` seconds (from 0.1) or when `cron` says, in `timezone`.

    With neither, the function is registered only, so that timers of type `code` can name it. `policies` are those of a
    timer (`max_attempts=3`, `overlap="queue_one"`, ...). Raises DeclarationError naming file and line.
    """

    def declare(target: F) -> F:
        declaration = Declaration(
            function=target,
            name=name,
            interval=interval,
            cron=cron,
            timezone=timezone,
            eager=eager,
            policies=policies,
        )
        _check(declaration)
        setattr(target, MARK, declaration)
        return target

    return declare if function is None else declare(function)


def _check(declaration: Declaration) -> None:
    interval = declaration.interval
    if interval is not None and declaration.cron is not None:
        raise DeclarationError(f"{declaration.place}: give either interval or cron, not both.")
    if interval is not None and (
        isinstance(interval, bool) or not isinstance(interval, int | float) or not 0.1 <= interval <= 3e9
    ):
        raise DeclarationError(
            f"{declaration.place}: interval must be a number of seconds from 0.1; it is {interval!r}."
        )
    if declaration.cron is not None and not isinstance(declaration.cron, str):
        raise DeclarationError(f"{declaration.place}: cron must be text.")


def declared_in(module: ModuleType) -> Iterator[Registered]:
    """Yield what a module declares: its functions and the methods of its services (classes with a `name`).

    Only what the module defines itself counts, so an import does not declare a function twice.
    """
    for value in list(vars(module).values()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield from _methods(value)
        elif (declaration := getattr(value, MARK, None)) is not None:
            yield Registered(
                name=declaration.name or f"{module.__name__}.{value.__qualname__}", declaration=declaration
            )


def _methods(service: type) -> Iterator[Registered]:
    service_name = getattr(service, "name", None)
    if not isinstance(service_name, str):
        return
    for attribute, value in inspect.getmembers(service, inspect.isfunction):
        declaration = getattr(value, MARK, None)
        if declaration is not None:
            yield Registered(
                name=declaration.name or f"{service_name}.{attribute}", declaration=declaration, service=service
            )


class Config:
    """Declares that a service reads settings: `self.config["NAME"]`, `self.config.get("NAME", default)`."""


class RpcProxy:
    """Declares that a service calls the public methods of another one, in the same process."""

    def __init__(self, service: str) -> None:
        self.service = service
