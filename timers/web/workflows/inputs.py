"""Inputs of a workflow as a form asks for them: one field per name, and the rest as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from timers.errors import Invalid
from timers.queries.workflows.listing import WorkflowInput

PREFIX = "input-"
REST = "input"


@dataclass(frozen=True)
class InputField:
    """One field of the form: the name of the input, and what stands in it."""

    name: str
    value: str

    @property
    def html_name(self) -> str:
        return f"{PREFIX}{self.name}"


def fields(inputs: Sequence[WorkflowInput], given: Mapping[str, Any] | None = None) -> list[InputField]:
    """Return the fields for these inputs, filled with what is given, else with what is usual."""
    given = given or {}
    return [InputField(entry.name, _text(given.get(entry.name, entry.usual))) for entry in inputs]


def rest(inputs: Sequence[WorkflowInput], given: Mapping[str, Any] | None = None) -> str:
    """Return what is given beside the named inputs, as JSON for the last field; empty when there is nothing."""
    named = {entry.name for entry in inputs}
    more = {name: value for name, value in (given or {}).items() if name not in named}
    return json.dumps(more, indent=2, ensure_ascii=False) if more else ""


def read(post: Mapping[str, Any]) -> dict[str, Any]:
    """Return the input that was filled in; an empty field gives nothing. Raises Invalid naming the field `input`."""
    sent = {name: str(post[name]) for name in post if name.startswith(PREFIX)}
    found = {name.removeprefix(PREFIX): _value(value) for name, value in sent.items() if value.strip()}
    text = post.get(REST, "").strip()
    if not text:
        return found
    try:
        more = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid({REST: f"This is not JSON: {error}."}) from error
    if not isinstance(more, dict):
        raise Invalid({REST: 'Give a JSON object, such as {"region": "eu"}.'})
    return {**more, **found}


def _value(text: str) -> Any:
    """Return JSON as what it means (numbers, true, lists), anything else as text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and _value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
