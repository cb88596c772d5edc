"""Numbers, sizes, instants and lengths of time in words: the same on pages, in messages, descriptions and pictures.

Written out here, as the ground floor has no locale.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

# Instants, lengths of time, numbers and sizes as short as a table needs them

NARROW, TIED = "\u202f", "\u00a0"
"""Between the thousands of a number, and between a number and its unit."""


def zone_name(instant: datetime) -> str:
    """Return the short name of the zone at that instant; offsets without a name of their own as UTC+03."""
    name = instant.tzname() or "UTC"
    return f"UTC{name}" if name[:1] in "+-" else name


def in_zone(instant: datetime, zone: tzinfo) -> datetime:
    """Return the instant in a zone; in UTC where its year there would lie outside 1 to 9999."""
    try:
        return instant.astimezone(zone)
    except OverflowError:
        return instant.astimezone(UTC)


def clock_text(instant: datetime, zone: tzinfo, *, now: datetime | None = None, style: str = "minute") -> str:
    """Return an instant as people read it, always with its zone; the year only when it is not this one.

    Styles: `minute` (seconds when there are any), `second`, `exact` (milliseconds), `time` (no day).
    """
    local = in_zone(instant, zone)
    if style == "exact":
        moment = f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"
    elif style == "second" or local.second:
        moment = f"{local:%H:%M:%S}"
    else:
        moment = f"{local:%H:%M}"
    name = zone_name(local)
    if style == "time":
        return f"{moment} {name}"
    year = f" {local.year}" if now is None or local.year != in_zone(now, zone).year else ""
    return f"{local:%a} {local.day} {local:%b}{year} {moment} {name}"


def duration(length: timedelta | float | None) -> str:
    """Return a length of time in two units at most."""
    if length is None:
        return ""
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if seconds < 0:
        return f"−{duration(-seconds)}"
    if seconds < 1:
        return f"{round(seconds * 1000)}{TIED}ms"
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + f"{TIED}s"
    return _two_units(round(seconds))


def largest_unit(length: timedelta) -> str:
    """Return a length of time in its largest unit alone, where room is short."""
    return TIED.join(duration(timedelta(seconds=int(length.total_seconds()))).split(" ")[0].split(TIED)[:2])


def _two_units(seconds: int) -> str:
    for size, unit, smaller_size, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            more = rest // smaller_size
            first = f"{number(count)}{TIED}{unit}"
            return first if not more or count >= 100 else f"{first} {more}{TIED}{smaller}"
    return f"{seconds}{TIED}s"


def number(value: int | None) -> str:
    """Return a whole number with narrow spaces in the thousands."""
    return "" if value is None else f"{value:,}".replace(",", NARROW)


def share(part: int, whole: int) -> str:
    """Return a part as per cent, rounded down to hundredths: 100 % only where nothing is missing."""
    whole_ones, hundredths = divmod(10_000 * part // whole, 100)
    return f"{whole_ones}.{hundredths:02d}".rstrip("0").removesuffix(".") + f"{TIED}%"


def size(count: int | float | None) -> str:
    """Return a number of bytes in a unit that suits it."""
    return "" if count is None else plain_size(count).replace(" ", TIED)


def plain_size(count: int | float) -> str:
    """Return a number of bytes in a unit that suits it."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    text = f"{value:.0f}" if unit == "B" or value >= 100 else f"{value:.1f}"
    return f"{text} {unit}"


def iso(instant: datetime) -> str:
    """Return ISO 8601 text in UTC, ending in +00:00."""
    return instant.astimezone(UTC).isoformat()


def plain_number(number: float) -> int | float:
    """Return a whole number without its fraction, so that 60.0 is written as 60."""
    return int(number) if number == int(number) else number


# Sentences about schedules

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ORDINALS = ("first", "second", "third", "fourth", "fifth")

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_MAX_OF_ONE_UNIT = 120  # "90 minutes" reads well, "3,661 seconds" does not


def date_text(moment: datetime) -> str:
    """Return "1 May 2027"."""
    return f"{moment.day} {MONTHS[moment.month - 1][:3]} {moment.year}"


def time_of_day(hour: int, minute: int, second: int = 0) -> str:
    """Return "02:00", with seconds only where there are some."""
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")


def date_and_time(moment: datetime) -> str:
    """Return "1 May 2027 14:30"."""
    return f"{date_text(moment)} {time_of_day(moment.hour, moment.minute, moment.second)}"


def joined(parts: Sequence[str], last: str = "and") -> str:
    """Return "a, b and c"."""
    return f" {last} ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def count_of(number: float, unit: str) -> str:
    """Return "1 hour" or "2 hours"."""
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"


def every(seconds: float) -> str:
    """Return "every hour", "every 90 minutes" or "every 1 hour 1 minute 1 second"."""
    for unit, size in _UNITS:
        number = plain_number(seconds / size)
        if isinstance(number, int) and (number <= _MAX_OF_ONE_UNIT or unit == "day"):
            return f"every {unit}" if number == 1 else f"every {count_of(number, unit)}"
    parts = []
    for unit, size in _UNITS:
        number = plain_number(round(seconds, 6) if unit == "second" else seconds // size)
        seconds -= number * size
        if number:
            parts.append(count_of(number, unit))
    return f"every {' '.join(parts)}"


def duration_words(seconds: float) -> str:
    """Return "1 day", "90 minutes" or "1 hour 1 second"."""
    text = every(seconds).removeprefix("every ")
    return text if text[:1].isdigit() else f"1 {text}" if text else "0 seconds"


def ordinal(number: int) -> str:
    """Return "second" for 2 and "7th" for what has no short word."""
    return _ORDINALS[number - 1] if number <= len(_ORDINALS) else f"{number}th"


def number_spans(numbers: Sequence[int], names: Sequence[str] | None = None) -> list[str]:
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
