"""How instants, lengths of time, numbers and sizes read; the same in pages, messages and the names of pictures."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from timers.copying import words

NARROW, TIED = "\u202f", "\u00a0"
"""Between the thousands of a number, and between a number and its unit."""


def zone_name(instant: datetime) -> str:
    """Return the short name of the zone at that instant; offsets without a name of their own as UTC+03."""
    name = instant.tzname() or "UTC"
    return f"UTC{name}" if name[:1] in "+-" else name


def clock_text(instant: datetime, zone: tzinfo, *, now: datetime | None = None, style: str = "minute") -> str:
    """Return an instant as people read it, always with its zone; the year only when it is not this one.

    Styles: `minute` (seconds when there are any), `second`, `exact` (milliseconds), `time` (no day).
    """
    local = instant.astimezone(zone)
    if style == "exact":
        moment = f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"
    elif style == "second" or local.second:
        moment = f"{local:%H:%M:%S}"
    else:
        moment = f"{local:%H:%M}"
    name = zone_name(local)
    if style == "time":
        return f"{moment} {name}"
    year = f" {local.year}" if now is None or local.year != now.astimezone(zone).year else ""
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
    return "" if count is None else words.size(count).replace(" ", TIED)
