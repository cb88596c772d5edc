"""The action `code`: runs a Python function that was registered with `@timer`."""

from __future__ import annotations

import inspect
import logging
import math
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar

from timers import validation
from timers.actions import run_output, service_instances
from timers.actions.base import CURRENT, Action, Context, Defaults, Outcome
from timers.code_timers import ON_CHOICES, DeclarationError, RegisteredFunction
from timers.errors import ExternalError, Forbidden, Invalid
from timers.lifecycle import PLANNED_TRIGGERS, SkipReason
from timers.services.people import rights
from timers.services.timers import code_timers
from timers.workflow_rules.definitions import TaskType

log = logging.getLogger(__name__)

MAX_TRACEBACK_LENGTH = 20_000
FIELDS = ("function", "args", "kwargs", "on", "at_most_once")


class CodeAction(Action):
    """Calls `{"function": "registered.name", "args"?, "kwargs"?}`; the value that the function returns is the result.

    With `on` "every" it is called once on every live cluster. With `at_most_once` it is never repeated after its worker
    died.
    """

    kind: ClassVar[str] = "code"
    label: ClassVar[str] = "Code"
    icon: ClassVar[str] = "code"
    defaults: ClassVar[Defaults] = Defaults(max_attempts=1, timeout_seconds=3600.0)
    form: ClassVar[str] = "timers.web.timers.action_forms.code.CodeForm"
    may_run_ahead: ClassVar[bool] = True
    task_type: ClassVar[str] = TaskType.CODE

    @classmethod
    def runs_on_every_cluster(cls, body: Mapping[str, Any]) -> bool:
        return body.get("on") == "every"

    @classmethod
    def runs_at_most_once(cls, body: Mapping[str, Any]) -> bool:
        return bool(body.get("at_most_once"))

    @classmethod
    def clean(cls, body: Mapping[str, Any], *, owner: Any) -> dict[str, Any]:
        unknown = sorted(set(body) - set(FIELDS))
        if unknown:
            raise Invalid(dict.fromkeys(unknown, f"Unknown field; known: {', '.join(FIELDS)}."))
        cleaned = {"function": _clean_function(body.get("function"), owner)}
        args, kwargs = body.get("args", []), body.get("kwargs", {})
        if not isinstance(args, list | tuple):
            raise Invalid({"args": "Arguments are a list of values."})
        if not isinstance(kwargs, Mapping):
            raise Invalid({"kwargs": "Arguments are an object of names and values."})
        validation.one_of(body.get("on", "one"), "on", ON_CHOICES)
        validation.flag(body.get("at_most_once"), "at_most_once")
        optional = {
            "args": list(args),
            "kwargs": dict(kwargs),
            "on": body.get("on") if body.get("on") != "one" else None,
            "at_most_once": body.get("at_most_once"),
        }
        return {**cleaned, **{name: value for name, value in optional.items() if value}}

    def run(self, context: Context) -> Outcome:
        name = context.parameters["function"]
        entry = _entry(name)
        if entry is None:
            return Outcome.not_here(f"Waits for a worker that knows the function {name!r}.")
        token = CURRENT.set(context)
        try:
            with run_output.KeptOutput(context.notes):
                return _run(entry, context)
        finally:
            CURRENT.reset(token)

    @classmethod
    def close(cls) -> None:
        service_instances.stop_all()

    @classmethod
    def summary(cls, body: Mapping[str, Any]) -> str:
        return str(body.get("function", cls.label))


def _clean_function(name: object, owner: Any) -> str:
    try:
        registered = code_timers.registered()
    except DeclarationError as error:
        raise Invalid({"function": f"The registered functions cannot be read: {error}"}) from error
    entry = registered.get(name) if isinstance(name, str) else None
    if entry is None:
        known = ", ".join(sorted(code_timers.registered_for(owner))) or "none"
        raise Invalid({"function": f"No function is registered under {name!r}; registered: {known}."})
    if not rights.may_name_function(owner, entry.declaration.allow):
        raise Forbidden(f"The function {name} can be run by administrators only, as its declaration says.")
    return str(name)


def _entry(name: str) -> RegisteredFunction | None:
    try:
        return code_timers.registered().get(name)
    except DeclarationError:
        log.exception("The registered functions cannot be read here.")
        return None


def _run(entry: RegisteredFunction, context: Context) -> Outcome:
    parameters, notes = context.parameters, context.notes
    try:
        if entry.declaration.skip_if is not None and context.attempt == 1 and context.trigger in PLANNED_TRIGGERS:
            reason = _reason_to_skip(entry)
            if reason is not None:
                return Outcome.skipped(reason, reason=SkipReason.SKIP_IF, details=notes or None)
        function = service_instances.function_of(entry)
        value = function(*parameters.get("args", ()), **parameters.get("kwargs", {}))
    except ExternalError as error:
        return Outcome.failed(
            error.message,
            reason=error.reason,
            retryable=error.retryable,
            retry_after=error.retry_after,
            details=notes or None,
        )
    except Exception as error:
        notes["traceback"] = _traceback(error)
        return Outcome.failed(
            f"{type(error).__name__}: {error}".removesuffix(": "), reason="error", retryable=True, details=notes
        )
    return Outcome.completed(_result(value), details=notes or None)


def _traceback(error: Exception) -> str:
    """Return the traceback from the function on; the frames of its caller are of no use."""
    trace = error.__traceback__
    text = "".join(traceback.format_exception(type(error), error, trace.tb_next if trace and trace.tb_next else trace))
    return text[-MAX_TRACEBACK_LENGTH:].replace("\x00", "")


def _reason_to_skip(entry: RegisteredFunction) -> str | None:
    """Call the declared condition; return the reason to skip this run, None when it is to run."""
    declaration = entry.declaration
    assert declaration.skip_if is not None
    takes_instance = entry.service is not None and _takes_argument(declaration.skip_if)
    answer = (
        declaration.skip_if(service_instances.instance_of(entry.service))
        if takes_instance and entry.service
        else declaration.skip_if()
    )
    if not answer:
        return None
    name = getattr(declaration.skip_if, "__name__", "")
    default_reason = f"{name} returned true." if name and name != "<lambda>" else "Its condition returned true."
    return answer[:1000] if isinstance(answer, str) else default_reason


@lru_cache(maxsize=256)
def _takes_argument(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except (TypeError, ValueError):
        return False
    return True


def _result(value: object) -> dict[str, Any] | None:
    """Return the function's value as the execution's result; as text when it cannot be written as JSON."""
    return None if value is None else {"value": value if _is_json(value) else repr(value)[:1000]}


def _is_json(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_json(item) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int | bool)
