"""A field for a length of time: "90", "30 s", "5 min", "2 h", "1 d"; seconds in Python."""

from __future__ import annotations

import math
import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_LENGTH = re.compile(r"(\d+(?:[.,]\d+)?)\s*([a-z]*)", re.IGNORECASE)
_NAMES = {
    "": 1.0, "ms": 0.001, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0,
    "m": 60.0, "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86400.0, "day": 86400.0, "days": 86400.0, "w": 604800.0, "week": 604800.0, "weeks": 604800.0,
}  # fmt: skip


class DurationField(forms.CharField):
    """A length of time with its unit, or None when empty; a number alone is seconds."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
        super().__init__(**{"required": False, "widget": widget, **options})

    def clean(self, value: Any) -> float | int | None:
        text = str(super().clean(value) or "").strip()
        return read(text) if text else None

    def prepare_value(self, value: Any) -> Any:
        return write(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def read(text: str) -> float | int:
    """Return seconds; raises ValidationError for what is no length of time. Several units add up: "1 h 30 min"."""
    parts = _LENGTH.findall(text)
    if not parts or _LENGTH.sub("", text).strip() or any(unit.lower() not in _NAMES for _, unit in parts):
        raise ValidationError("Give a length of time, like 30 s, 5 min or 2 h.")
    seconds = round(sum(float(number.replace(",", ".")) * _NAMES[unit.lower()] for number, unit in parts), 6)
    if not math.isfinite(seconds):
        raise ValidationError("This is too long.")
    return int(seconds) if seconds == int(seconds) else seconds


def write(seconds: float) -> str:
    """Return a length of time as the field takes it, in the largest unit that needs no fraction."""
    for unit, size in UNITS:
        if seconds and seconds % size == 0:
            return f"{int(seconds // size)} {unit}"
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + " s"
