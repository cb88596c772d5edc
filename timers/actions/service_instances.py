"""Services of code timers: one instance per worker process, created when first needed, with its dependencies set.

Its methods may run in several threads at once, because several of its timers may be due together.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.conf import settings

from timers.code_timers import DECLARATIONS_ATTRIBUTE, Config, RegisteredFunction, RpcProxy
from timers.services.timers import code_timers

log = logging.getLogger(__name__)

_instances: dict[type, Any] = {}
_being_set_up: dict[type, Any] = {}
"""Instances whose setup is running.

Only the thread that runs it sees them, because `setup` may call a service that calls it back.
"""

_lock = threading.RLock()


def function_of(entry: RegisteredFunction) -> Callable[..., Any]:
    """Return the function to call: the function itself, or the method of its service's instance."""
    if entry.service is None:
        return entry.declaration.function
    method: Callable[..., Any] = getattr(instance_of(entry.service), entry.attribute)
    return method


def instance_of(service: type) -> Any:
    """Return this process's instance of a service."""
    instance = _instances.get(service)
    if instance is not None:
        return instance
    with _lock:
        for instances in (_instances, _being_set_up):
            if service in instances:
                return instances[service]
        return _create(service)


def stop_all() -> None:
    """Call the `stop` hooks of all instances, the newest first, when the process ends."""
    with _lock:
        created = list(_instances.items())[::-1]
        _instances.clear()
    for service, instance in created:
        for owner in (instance, *_dependencies(service).values()):
            if not isinstance(owner, Config | RpcProxy):
                _stop(owner)


def _create(service: type) -> Any:
    """Return a new instance with its dependencies, after its setup; nothing is kept when that fails."""
    instance = _being_set_up[service] = service()
    try:
        for attribute, dependency in _dependencies(service).items():
            setattr(instance, attribute, _bind(dependency, instance))
        if (setup := _hook(instance, "setup")) is not None:
            setup()
        _instances[service] = instance
    finally:
        del _being_set_up[service]
    return instance


def _dependencies(service: type) -> dict[str, Any]:
    """Return the class attributes that declare dependencies, by name."""
    dependencies = {}
    for attribute in dir(service):
        if not attribute.startswith("__"):
            value = getattr(service, attribute)
            if isinstance(value, Config | RpcProxy) or _is_provider(value):
                dependencies[attribute] = value
    return dependencies


def _is_provider(value: Any) -> bool:
    return not isinstance(value, type) and callable(getattr(type(value), "bind", None))


def _bind(dependency: Any, instance: Any) -> Any:
    if isinstance(dependency, Config):
        return _Settings(dependency.defaults)
    if isinstance(dependency, RpcProxy):
        return _Proxy(dependency.service)
    if (setup := _hook(dependency, "setup")) is not None:
        setup()
    return dependency.bind(instance)


def _hook(owner: Any, name: str) -> Callable[[], Any] | None:
    """Return a hook, None if there is none; a timer of that name is not a hook."""
    hook = getattr(owner, name, None)
    return hook if callable(hook) and not getattr(hook, DECLARATIONS_ATTRIBUTE, None) else None


def _stop(owner: Any) -> None:
    try:
        if (hook := _hook(owner, "stop")) is not None:
            hook()
    except Exception:
        log.exception("A service could not be stopped.", extra={"service": type(owner).__name__})


class _Settings(Mapping[str, Any]):
    """The site's settings as a mapping, with defaults for missing ones."""

    def __init__(self, defaults: Mapping[str, Any]) -> None:
        self._defaults = defaults

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(settings, name)
        except AttributeError:
            return self._defaults[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*(name for name in dir(settings) if name.isupper()), *self._defaults]))

    def __len__(self) -> int:
        return len(list(iter(self)))


class _Proxy:
    """The public methods of another service's instance in this process."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_"):
            raise AttributeError(f"{method} is not a public method of the service {self._service!r}.")
        service = code_timers.services().get(self._service)
        if service is None:
            known = ", ".join(sorted(code_timers.services())) or "none"
            raise LookupError(f"No service is named {self._service!r}; known: {known}.")
        attribute = getattr(instance_of(service), method)
        if not callable(attribute):
            raise AttributeError(f"{method} is not a method of the service {self._service!r}.")
        return attribute
