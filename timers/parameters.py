"""Parameters that an action, a storage or a schedule declares: forms, the API document and the checks read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from timers import formatting, validation
from timers.errors import REQUIRED, Invalid

MAX_NUMBER = 2**53 - 1


class ParameterType(StrEnum):
    """The kinds of values that a parameter can hold."""

    TEXT = "text"
    URL = "url"
    LINES = "lines"
    WHOLE = "whole"
    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"
    INSTANT = "instant"
    JSON = "json"


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter. A `secret` one is kept encrypted and never shown; a null value is one that was left out."""

    name: str
    label: str
    type: ParameterType = ParameterType.TEXT
    required: bool = False
    secret: bool = False
    help_text: str = ""
    description: str = ""
    """The sentence of the API document, where `help_text` does not suit it."""
    default: Any = None
    """The value that a form offers at first."""
    choices: tuple[tuple[str, str], ...] = ()
    """Values and their labels, for CHOICE."""
    empty_label: str = ""
    minimum: float | None = None
    maximum: float | None = None
    max_length: int = validation.MAX_TEXT_LENGTH
    recipient: str = ""
    """The word for the parameter where it says to whom secrets are sent: they are given anew when it changes."""
    placeholder: str = ""
    rows: int = 3
    width: str = ""
    """Its share of a row of the form: `wide`, `narrow` or even."""
    beside: bool = False
    """True when the form shows it in one row with the previous parameter."""

    def read(self, value: object) -> Any:
        """Return the value checked; raises Invalid naming the parameter."""
        return _READERS.get(self.type, _line)(self, value)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value of a number."""
        return (
            -MAX_NUMBER if self.minimum is None else self.minimum,
            MAX_NUMBER if self.maximum is None else self.maximum,
        )

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        schema = dict(_SCHEMAS.get(self.type, {"type": "string"}))
        if self.type is ParameterType.CHOICE:
            schema["enum"] = [value for value, _ in self.choices]
        if self.minimum is not None:
            schema["minimum"] = formatting.plain_number(self.minimum)
        if self.maximum is not None:
            schema["maximum"] = formatting.plain_number(self.maximum)
        if description := self.description or self.help_text:
            schema["description"] = description
        return schema


def _line(parameter: Parameter, value: object) -> str:
    return validation.line(value, parameter.name, max_length=parameter.max_length)


def _lines(parameter: Parameter, value: object) -> str:
    return validation.paragraph(value, parameter.name, max_length=parameter.max_length)


def _whole(parameter: Parameter, value: object) -> int:
    minimum, maximum = map(int, parameter.bounds)
    return validation.whole(value, parameter.name, minimum=minimum, maximum=maximum)


def _number(parameter: Parameter, value: object) -> int | float:
    minimum, maximum = parameter.bounds
    return validation.number(value, parameter.name, minimum=minimum, maximum=maximum)


def _choice(parameter: Parameter, value: object) -> str:
    return validation.one_of(value, parameter.name, [known for known, _ in parameter.choices])


_READERS: dict[ParameterType, Callable[[Parameter, object], Any]] = {
    ParameterType.LINES: _lines,
    ParameterType.WHOLE: _whole,
    ParameterType.NUMBER: _number,
    ParameterType.FLAG: lambda parameter, value: validation.flag(value, parameter.name),
    ParameterType.CHOICE: _choice,
    ParameterType.INSTANT: lambda parameter, value: formatting.iso(validation.instant(value, parameter.name)),
    ParameterType.JSON: lambda _, value: value,
}
_SCHEMAS: dict[ParameterType, dict[str, Any]] = {
    ParameterType.WHOLE: {"type": "integer"},
    ParameterType.NUMBER: {"type": "number"},
    ParameterType.FLAG: {"type": "boolean"},
    ParameterType.INSTANT: {"type": "string", "format": "date-time"},
    ParameterType.JSON: {},
}


def read(parameters: Iterable[Parameter], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document checked, without what was left out; raises Invalid naming every field that cannot work."""
    known = {parameter.name: parameter for parameter in parameters}
    cleaned: dict[str, Any] = {}
    problems: dict[str, Any] = {}
    try:
        validation.only_known(document, known)
    except Invalid as error:
        problems |= error.fields
    for name, parameter in known.items():
        value = document.get(name)
        if value is None or (value == "" and not parameter.required):
            problems |= {name: REQUIRED} if parameter.required else {}
            continue
        try:
            cleaned[name] = parameter.read(value)
        except Invalid as error:
            problems |= error.fields
    if problems:
        raise Invalid(problems)
    return cleaned


def object_schema(
    parameters: Iterable[Parameter], *, tag: tuple[str, str] | None = None, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the JSON schema of an object of these parameters; `tag` is the field that names its kind, and the kind."""
    declared = tuple(parameters)
    properties: dict[str, Any] = {} if tag is None else {tag[0]: {"type": "string", "enum": [tag[1]]}}
    properties |= {parameter.name: parameter.schema() for parameter in declared}
    required = [tag[0]] if tag is not None else []
    required += [parameter.name for parameter in declared if parameter.required]
    return {
        "type": "object",
        **({"required": required} if required else {}),
        "properties": {**properties, **(more or {})},
        "additionalProperties": False,
    }
