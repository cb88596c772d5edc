"""How dates, durations, lists and counts read in English; written out here, as the ground floor has no locale."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from timers.scheduling.fields import write_number

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ORDINALS = ("first", "second", "third", "fourth", "fifth")

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_MAX_OF_ONE_UNIT = 120  # "90 minutes" reads well, "3,661 seconds" does not


def day(moment: datetime) -> str:
    """Return "1 May 2027"."""
    return f"{moment.day} {MONTHS[moment.month - 1][:3]} {moment.year}"


def clock(hour: int, minute: int, second: int = 0) -> str:
    """Return "02:00", with seconds only where there are some."""
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")


def moment(moment: datetime) -> str:
    """Return "1 May 2027 14:30"."""
    return f"{day(moment)} {clock(moment.hour, moment.minute, moment.second)}"


def both(parts: Sequence[str], last: str = "and") -> str:
    """Return "a, b and c"."""
    return f" {last} ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def amount(number: float, unit: str) -> str:
    """Return "1 hour" or "2 hours"."""
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"


def every(seconds: float) -> str:
    """Return "every hour", "every 90 minutes" or "every 1 hour 1 minute 1 second"."""
    for unit, size in _UNITS:
        number = write_number(seconds / size)
        if isinstance(number, int) and (number <= _MAX_OF_ONE_UNIT or unit == "day"):
            return f"every {unit}" if number == 1 else f"every {amount(number, unit)}"
    parts = []
    for unit, size in _UNITS:
        number = write_number(round(seconds, 6) if unit == "second" else seconds // size)
        seconds -= number * size
        if number:
            parts.append(amount(number, unit))
    return f"every {' '.join(parts)}"


def length(seconds: float) -> str:
    """Return "1 day", "90 minutes" or "1 hour 1 second"."""
    text = every(seconds).removeprefix("every ")
    return text if text[:1].isdigit() else f"1 {text}" if text else "0 seconds"


def ordinal(number: int) -> str:
    """Return "second" for 2 and "7th" for what has no short word."""
    return _ORDINALS[number - 1] if number <= len(_ORDINALS) else f"{number}th"


def spans(numbers: Sequence[int], names: Sequence[str] | None = None) -> list[str]:
    """Return the ascending numbers with three or more neighbours drawn together: 1, 2, 3, 5 is "1 to 3", "5".

    `names` are shown instead of the numbers, the first one for 1.
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])

    def name(number: int) -> str:
        return names[number - 1] if names else str(number)

    parts: list[str] = []
    for run in runs:
        parts += [f"{name(run[0])} to {name(run[-1])}"] if len(run) > 2 else [name(number) for number in run]
    return parts


def sentence_case(text: str) -> str:
    """Return the text with a capital first letter and the rest as it is."""
    return text[:1].upper() + text[1:]
