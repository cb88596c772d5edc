"""Services of code timers: one instance per worker process, made when first needed, with its dependencies in place.

Its methods may run in several threads at once, as several of its timers may be due together.
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
_unready: dict[type, Any] = {}
"""What is being set up; only the thread that does so sees it, as its `setup` may call a service that calls it back."""

_making = threading.RLock()


def function_of(entry: RegisteredFunction) -> Callable[..., Any]:
    """Return what to call: the function, or the method of its service's instance."""
    if entry.service is None:
        return entry.declaration.function
    method: Callable[..., Any] = getattr(instance_of(entry.service), entry.attribute)
    return method


def instance_of(service: type) -> Any:
    """Return this process's instance of a service."""
    found = _instances.get(service)
    if found is not None:
        return found
    with _making:
        for made in (_instances, _unready):
            if service in made:
                return made[service]
        return _make(service)


def stop_all() -> None:
    """Call the `stop` hooks of what was made, the newest first: the process ends."""
    with _making:
        made = list(_instances.items())[::-1]
        _instances.clear()
    for service, instance in made:
        for holder in (instance, *_dependencies(service).values()):
            if not isinstance(holder, Config | RpcProxy):
                _stop(holder)


def _make(service: type) -> Any:
    """Return a new instance that has its dependencies and was set up; nothing is kept when that fails."""
    instance = _unready[service] = service()
    try:
        for attribute, dependency in _dependencies(service).items():
            setattr(instance, attribute, _bound(dependency, instance))
        if (setup := _hook(instance, "setup")) is not None:
            setup()
        _instances[service] = instance
    finally:
        del _unready[service]
    return instance


def _dependencies(service: type) -> dict[str, Any]:
    """Return what stands in the class for the instance's dependencies, by attribute."""
    found = {}
    for attribute in dir(service):
        if not attribute.startswith("__"):
            value = getattr(service, attribute)
            if isinstance(value, Config | RpcProxy) or _is_provider(value):
                found[attribute] = value
    return found


def _is_provider(value: Any) -> bool:
    return not isinstance(value, type) and callable(getattr(type(value), "bind", None))


def _bound(dependency: Any, instance: Any) -> Any:
    if isinstance(dependency, Config):
        return _Settings(dependency.defaults)
    if isinstance(dependency, RpcProxy):
        return _Proxy(dependency.service)
    if (setup := _hook(dependency, "setup")) is not None:
        setup()
    return dependency.bind(instance)


def _hook(holder: Any, name: str) -> Callable[[], Any] | None:
    """Return a hook; a timer of that name is none."""
    found = getattr(holder, name, None)
    return found if callable(found) and not getattr(found, DECLARATIONS_ATTRIBUTE, None) else None


def _stop(holder: Any) -> None:
    try:
        if (hook := _hook(holder, "stop")) is not None:
            hook()
    except Exception:
        log.exception("A service could not be stopped in order.", extra={"service": type(holder).__name__})


class _Settings(Mapping[str, Any]):
    """The site's settings, read like a dict, and defaults for what they do not have."""

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
        found = getattr(instance_of(service), method)
        if not callable(found):
            raise AttributeError(f"{method} is not a method of the service {self._service!r}.")
        return found
