"""Cron expressions in words: common shapes as people say them, any other field by field."""

from __future__ import annotations

from itertools import product

from timers import formatting
from timers.scheduling import bits
from timers.scheduling.cron_expression import CronExpression, DayField

_MAX_CLOCK_TIMES = 6

_ALL_SIXTY = list(range(60))
_ALL_HOURS = list(range(24))
_ALL_MONTHS = list(range(1, 13))


def in_words(expression: CronExpression) -> str:
    """Return text such as "Every day at 02:00" or "Every 15 minutes from 09:00 to 17:45, Monday to Friday"."""
    times = _clock_times(expression)
    days = _days(expression)
    if times:
        on = f"{days or 'every day'}{_in_months(expression)}{',' if ', ' in days else ''}"
        return formatting.sentence_case(f"{on} at {formatting.joined(times)}")
    often = _frequency(expression) or _by_fields(expression)
    return formatting.sentence_case(f"{often}{', ' + days if days else ''}{_in_months(expression)}")


def _clock_times(expression: CronExpression) -> list[str]:
    """Return the times of a day if they are at most _MAX_CLOCK_TIMES, else nothing."""
    calendar = expression.calendar
    if calendar.times_a_day() > _MAX_CLOCK_TIMES:
        return []
    sets = (bits.members(calendar.hours), bits.members(calendar.minutes), bits.members(calendar.seconds))
    return [formatting.time_of_day(*time) for time in product(*sets)]


def _frequency(expression: CronExpression) -> str | None:
    """Return the frequency within a day of a rule with equal distances, else None."""
    seconds, minutes, hours = _times(expression)
    if minutes == _ALL_SIXTY and hours == _ALL_HOURS and len(seconds) > 1:
        step = _even_step(seconds, 60)
        return formatting.every(step) if step else None
    if len(seconds) > 1:
        return None
    second = seconds[0]
    at_second = f" at second {second}" if second else ""
    step = _even_step(minutes, 60)
    if step and step < 60:
        return formatting.every(step * 60) + at_second + _hours_text(hours, minutes[-1])
    if len(minutes) > 1:
        return (
            f"every hour at minutes {formatting.joined(formatting.number_spans(minutes))}{at_second}"
            if hours == _ALL_HOURS
            else None
        )
    return _hourly(hours, minutes[0], at_second)


def _hourly(hours: list[int], minute: int, at_second: str) -> str | None:
    at_minute = f" at minute {minute}{at_second and ' and' + at_second[3:]}" if minute else at_second
    step = _even_step(hours, 24)
    if step:
        return formatting.every(step * 3_600) + at_minute
    if _are_consecutive(hours) and len(hours) > 1 and not at_second:
        return (
            f"every hour from {formatting.time_of_day(hours[0], minute)} to {formatting.time_of_day(hours[-1], minute)}"
        )
    return None


def _hours_text(hours: list[int], last_minute: int) -> str:
    """Return the hours in words, nothing for the whole day."""
    if hours == _ALL_HOURS:
        return ""
    if _are_consecutive(hours):
        return f" from {formatting.time_of_day(hours[0], 0)} to {formatting.time_of_day(hours[-1], last_minute)}"
    return f" of {_numbered('hour', hours)}"


def _by_fields(expression: CronExpression) -> str:
    """Return the sets of seconds, minutes and hours one after the other, for rules without a common shape."""
    seconds, minutes, hours = _times(expression)
    of_seconds = "every second" if seconds == _ALL_SIXTY else f"at {_numbered('second', seconds)}"
    of_minutes = "every minute" if minutes == _ALL_SIXTY else _numbered("minute", minutes)
    of_hours = "every hour" if hours == _ALL_HOURS else _numbered("hour", hours)
    in_detail = minutes != _ALL_SIXTY or hours != _ALL_HOURS
    return f"{of_seconds} of {of_minutes}{f' of {of_hours}' if in_detail else ''}"


def _days(expression: CronExpression) -> str:
    """Return the days in words, nothing for all days."""
    if expression.days.restricted:
        return _days_by_number(expression)
    return _days_by_weekday(expression) if expression.weekdays.restricted else ""


def _days_by_number(expression: CronExpression) -> str:
    field = expression.days
    plain = [_numbered("day", bits.members(field.plain))] if field.plain else []
    on = _yearly_date(expression) or f"on {_listed(plain, field)} of {_of_months(expression)}"
    if not expression.weekdays.restricted:
        return on
    weekdays = [f"a {formatting.WEEKDAYS[number - 1]}" for number in bits.members(expression.weekdays.plain)]
    return f"{on}, if that is {_listed(weekdays, expression.weekdays, 'or')}"


def _days_by_weekday(expression: CronExpression) -> str:
    field = expression.weekdays
    plain = formatting.number_spans(bits.members(field.plain), formatting.WEEKDAYS)
    if field.specials:
        every = [f"every {formatting.joined(plain)}"] if plain else []
        return f"on {_listed(every, field)} of {_of_months(expression)}"
    return formatting.joined(plain) if " to " in plain[0] else f"every {formatting.joined(plain)}"


def _listed(plain: list[str], field: DayField, last: str = "and") -> str:
    return formatting.joined([*plain, *(special.in_words() for special in field.specials)], last)


def _yearly_date(expression: CronExpression) -> str | None:
    """Return "every year on 1 January" for a rule of one day in one month."""
    days, months = bits.members(expression.days.plain), bits.members(expression.calendar.months)
    if len(days) == len(months) == 1 and not expression.days.specials:
        years = "every leap year" if (days, months) == ([29], [2]) else "every year"
        return f"{years} on {days[0]} {formatting.MONTHS[months[0] - 1]}"
    return None


def _of_months(expression: CronExpression) -> str:
    months = bits.members(expression.calendar.months)
    return (
        "every month"
        if months == _ALL_MONTHS
        else formatting.joined(formatting.number_spans(months, formatting.MONTHS))
    )


def _in_months(expression: CronExpression) -> str:
    """Return the months in words, nothing for all months or when the text of the days names them."""
    is_named = expression.days.restricted or expression.weekdays.specials
    return "" if is_named or _of_months(expression) == "every month" else f" in {_of_months(expression)}"


def _times(expression: CronExpression) -> tuple[list[int], list[int], list[int]]:
    calendar = expression.calendar
    return bits.members(calendar.seconds), bits.members(calendar.minutes), bits.members(calendar.hours)


def _numbered(unit: str, numbers: list[int]) -> str:
    """Return "minute 5" or "minutes 5, 10 to 12 and 20"."""
    return f"{unit}{'s' if len(numbers) > 1 else ''} {formatting.joined(formatting.number_spans(numbers))}"


def _even_step(numbers: list[int], size: int) -> int | None:
    """Return the distance of the numbers if they begin at 0 and divide `size` evenly, else None."""
    step = size // len(numbers)
    return step if numbers == list(range(0, size, step)) and size % len(numbers) == 0 else None


def _are_consecutive(numbers: list[int]) -> bool:
    return numbers[-1] - numbers[0] == len(numbers) - 1
