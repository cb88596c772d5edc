"""Runs a Python function that was registered with `@timer`."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings

from timers.actions.base import Action, Context, Defaults, Outcome
from timers.codetimers import Config, Registered, RpcProxy
from timers.errors import ExternalError, Invalid
from timers.services import codetimers


class CodeAction(Action):
    """Calls `{"function": "registered.name", "kwargs"?: {...}}`; what the function returns is the result."""

    kind: ClassVar[str] = "code"
    label: ClassVar[str] = "Code"
    icon: ClassVar[str] = "code"
    defaults: ClassVar[Defaults] = Defaults(max_attempts=1, timeout_seconds=3600.0)

    @classmethod
    def clean(cls, body: Mapping[str, Any], *, owner: Any) -> dict[str, Any]:
        unknown = sorted(set(body) - {"function", "kwargs"})
        if unknown:
            raise Invalid(dict.fromkeys(unknown, "Unknown field; known: function, kwargs."))
        name = body.get("function")
        if not isinstance(name, str) or name not in codetimers.registered():
            known = ", ".join(sorted(codetimers.registered())) or "none"
            raise Invalid({"function": f"No function is registered under {name!r}; registered: {known}."})
        kwargs = body.get("kwargs", {})
        if not isinstance(kwargs, Mapping):
            raise Invalid({"kwargs": "Arguments are an object of names and values."})
        return {"function": name, "kwargs": dict(kwargs)} if kwargs else {"function": name}

    def run(self, context: Context) -> Outcome:
        name = context.parameters["function"]
        entry = codetimers.registered().get(name)
        if entry is None:
            raise ExternalError(
                f"No function is registered under {name!r} on this machine.", retryable=True, reason="unknown_function"
            )
        return Outcome.completed(_result(_callable(entry)(**context.parameters.get("kwargs", {}))))

    @classmethod
    def summary(cls, body: Mapping[str, Any]) -> str:
        return str(body.get("function", cls.label))


def _result(value: object) -> dict[str, Any] | None:
    """Return what the function gave back as the execution's result; as text when JSON does not know it."""
    return None if value is None else {"value": value if _is_json(value) else repr(value)[:1000]}


def _is_json(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_json(each) for key, each in value.items())
    if isinstance(value, list | tuple):
        return all(_is_json(each) for each in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int | bool)


def _callable(entry: Registered) -> Any:
    if entry.service is None:
        return entry.declaration.function
    return getattr(_instance(entry.service), entry.declaration.function.__name__)


# Services: one instance per worker process, made when first needed

_instances: dict[type, Any] = {}
_making = threading.RLock()


def _instance(service: type) -> Any:
    with _making:
        if service not in _instances:
            _instances[service] = _bound(service)
        return _instances[service]


def _bound(service: type) -> Any:
    instance = service()
    for attribute in dir(service):
        dependency = getattr(service, attribute)
        if isinstance(dependency, Config):
            setattr(instance, attribute, _Settings())
        elif isinstance(dependency, RpcProxy):
            setattr(instance, attribute, _Proxy(dependency.service))
    return instance


class _Settings(Mapping[str, Any]):
    """The site's settings, read like a dict."""

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(settings, name)
        except AttributeError as error:
            raise KeyError(name) from error

    def __iter__(self) -> Any:
        return iter(dir(settings))

    def __len__(self) -> int:
        return len(dir(settings))


class _Proxy:
    """The public methods of another service's instance in this process."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_"):
            raise AttributeError(method)
        for entry in codetimers.registered().values():
            if entry.service is not None and getattr(entry.service, "name", None) == self._service:
                return getattr(_instance(entry.service), method)
        raise LookupError(f"No service is named {self._service!r}.")
