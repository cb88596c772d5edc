"""Texts with values of a run in them, as in `/backup/{{ planned_at|date:"%Y/%m/%d" }}/`.

Between double braces stands the name of a value, with the filter `date` where it is an instant, or a quoted text that
stands for itself: `{{ "{{" }}` writes two braces. A text without double braces is itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from timers import formatting
from timers.errors import Invalid

_OPENING, _CLOSING = "{{", "}}"
_HOW_TO_WRITE_BRACES = 'Write {{ "{{" }} for two braces that stand for themselves.'
_QUOTED = r"\"[^\"]*\"|'[^']*'"
_EXPRESSION = re.compile(
    rf"\s*(?:(?P<text>{_QUOTED})|(?P<name>[A-Za-z_][\w.]*)(?:\s*\|\s*date\s*:\s*(?P<format>{_QUOTED}))?)\s*"
)
_BRACES = re.compile(rf"\{{\{{((?:{_QUOTED}|[^\"'])*?)\}}\}}", re.DOTALL)

_CODES: Mapping[str, Callable[[datetime], str]] = {
    "Y": lambda at: f"{at.year:04}",
    "y": lambda at: f"{at.year % 100:02}",
    "m": lambda at: f"{at.month:02}",
    "d": lambda at: f"{at.day:02}",
    "j": lambda at: f"{at.timetuple().tm_yday:03}",
    "H": lambda at: f"{at.hour:02}",
    "I": lambda at: f"{at.hour % 12 or 12:02}",
    "p": lambda at: "AM" if at.hour < 12 else "PM",
    "M": lambda at: f"{at.minute:02}",
    "S": lambda at: f"{at.second:02}",
    "f": lambda at: f"{at.microsecond:06}",
    "B": lambda at: formatting.MONTHS[at.month - 1],
    "b": lambda at: formatting.MONTHS[at.month - 1][:3],
    "A": lambda at: formatting.WEEKDAYS[at.weekday()],
    "a": lambda at: formatting.WEEKDAYS[at.weekday()][:3],
    "u": lambda at: str(at.isoweekday()),
    "G": lambda at: f"{at.isocalendar().year:04}",
    "V": lambda at: f"{at.isocalendar().week:02}",
    "F": lambda at: f"{at.year:04}-{at.month:02}-{at.day:02}",
    "T": lambda at: f"{at.hour:02}:{at.minute:02}:{at.second:02}",
    "z": lambda at: f"{at:%z}",
    "s": lambda at: str(int(at.timestamp())),
    "%": lambda _: "%",
}
"""Codes of the filter `date`, as of strftime; names of months and days are English on every machine."""


@dataclass(frozen=True)
class _Value:
    """A place for a value, with the format of its date; empty without the filter."""

    name: str
    date_format: str = ""

    def render(self, values: Mapping[str, Any]) -> str:
        value = values[self.name]
        if not isinstance(value, datetime):
            return str(value)
        return date_text(value, self.date_format) if self.date_format else _plain(value)


@dataclass(frozen=True)
class TextTemplate:
    """A text with places for values."""

    parts: tuple[str | _Value, ...]

    @classmethod
    def parse(cls, text: str, field: str, *, names: Collection[str]) -> Self:
        """Return the template of a text with values of these names; raises Invalid naming `field`."""
        parts: list[str | _Value] = []
        end = 0
        while (begin := text.find(_OPENING, end)) >= 0:
            match = _BRACES.match(text, begin)
            if match is None:
                raise Invalid({field: f"{_OPENING} has no {_CLOSING} after it. {_HOW_TO_WRITE_BRACES}"})
            parts += [text[end:begin], _expression(match[1], field, names)]
            end = match.end()
        return cls(tuple(filter(None, [*parts, text[end:]])))

    def render(self, values: Mapping[str, Any]) -> str:
        """Return the text with its values; an instant is shown in its own zone by `date`, else in UTC."""
        return "".join(part if isinstance(part, str) else part.render(values) for part in self.parts)

    @property
    def is_constant(self) -> bool:
        """True for a text without values."""
        return all(isinstance(part, str) for part in self.parts)

    @property
    def beginning(self) -> str:
        """The text before the first value."""
        constant = []
        for part in self.parts:
            if not isinstance(part, str):
                break
            constant.append(part)
        return "".join(constant)


def escape(text: str) -> str:
    """Return the template that gives this very text."""
    return text.replace(_OPENING, '{{ "{{" }}')


def date_text(instant: datetime, date_format: str) -> str:
    """Return an instant in its own zone, written by a format of checked codes."""
    return re.sub(r"%(.)", lambda match: _CODES[match[1]](instant), date_format)


def _expression(text: str, field: str, names: Collection[str]) -> str | _Value:
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        shown = f"{_OPENING}{text[:60]}{_CLOSING}"
        raise Invalid({field: f'{shown} cannot be read; write {{{{ planned_at }}}} or {{{{ planned_at|date:"%Y" }}}}.'})
    if match["text"] is not None:
        return match["text"][1:-1]
    if match["name"] not in names:
        known = formatting.joined(sorted(names), "or")
        raise Invalid({field: f"There is no value {match['name'][:60]}; known here: {known}. {_HOW_TO_WRITE_BRACES}"})
    date_format = (match["format"] or "")[1:-1]
    if match["format"] is not None:
        _check_format(date_format, field)
    return _Value(match["name"], date_format)


def _check_format(date_format: str, field: str) -> None:
    if not date_format:
        raise Invalid({field: 'The filter date needs a format, such as date:"%Y-%m-%d".'})
    unknown = [code for code in re.findall(r"%(.?)", date_format, re.DOTALL) if code not in _CODES]
    if unknown:
        raise Invalid({field: f"The date has no code %{unknown[0]}; known: {' '.join(f'%{code}' for code in _CODES)}."})


def _plain(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds")
