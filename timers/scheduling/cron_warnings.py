"""Warnings about a cron expression: days named both ways, and times that a clock change leaves out or repeats."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from timers import formatting
from timers.scheduling.clock_changes import ClockChange, DstOverlap
from timers.scheduling.cron_expression import CronExpression

_SECOND = timedelta(seconds=1)
_MAX_NAMED_TIMES = 4


def of(
    expression: CronExpression, *, changes: Iterable[ClockChange], timezone: str, shifts: bool, passes: DstOverlap
) -> list[str]:
    """Return one sentence for each thing to know before saving the rule."""
    sentences = (
        _clock_change(expression, change, timezone=timezone, shifts=shifts, passes=passes) for change in changes
    )
    return [*_unix_days(expression), *filter(None, sentences)]


def _unix_days(expression: CronExpression) -> list[str]:
    """Return the warning about a five-field expression that restricts both day of month and day of week."""
    if expression.written_fields != 5 or expression.fields[3][0] in "*?" or expression.fields[5][0] in "*?":
        return []
    return ["Day of month and day of week must both match here; in a Unix crontab one of them is enough."]


def _clock_change(
    expression: CronExpression, change: ClockChange, *, timezone: str, shifts: bool, passes: DstOverlap
) -> str | None:
    """Return the effect of a clock change on the rule in a sentence, None if there is none."""
    if expression.floating and expression.calendar.hours.bit_count() == 24:
        return None  # it continues in real time, as expected
    times = _times_within(expression, change)
    if not times:
        return None
    begin = f"On {formatting.date_text(change.local_start)} the clock in {timezone} goes"
    one = len(times) == 1
    if change.is_gap:
        do_not_exist = "does not exist" if one else "do not exist"
        shifted = f"instead it fires {'' if one else 'once, '}at {_clock(change.local_end)}"
        reaction = shifted if shifts else "it does not fire then"
        return f"{begin} forward: {_listed(times, change)} {do_not_exist}; {reaction}."
    only = {DstOverlap.FIRST: "the first time only", DstOverlap.SECOND: "the second time only"}
    fires = only.get(passes, "both times")
    return f"{begin} back: {_listed(times, change)} {'comes' if one else 'come'} twice; it fires {fires}."


def _times_within(expression: CronExpression, change: ClockChange) -> list[datetime]:
    """Return the rule's local times that a clock change removes or repeats, at most one more than are named."""
    calendar = expression.calendar
    times: list[datetime] = []
    local = calendar.next_after(change.local_start - _SECOND, last_year=change.local_end.year)
    while local is not None and local < change.local_end and len(times) <= _MAX_NAMED_TIMES:
        times.append(local)
        local = calendar.next_after(local, last_year=change.local_end.year)
    return times


def _listed(times: list[datetime], change: ClockChange) -> str:
    if len(times) > _MAX_NAMED_TIMES:
        return f"the times from {_clock(times[0])} to before {_clock(change.local_end)}"
    return formatting.joined([_clock(time) for time in times])


def _clock(local: datetime) -> str:
    return formatting.time_of_day(local.hour, local.minute, local.second)
