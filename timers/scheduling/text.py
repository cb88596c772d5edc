"""Schedules in words, and warnings for their owners."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from timers import formatting, validation
from timers.scheduling.base import ScheduleRule
from timers.scheduling.bounds import BoundedSchedule
from timers.scheduling.clock_changes import ClockChange, changes_between, load_zone
from timers.scheduling.cron import CronSchedule, DstOverlap
from timers.scheduling.cron_text import in_words
from timers.scheduling.interval import IntervalSchedule
from timers.scheduling.once import OnceSchedule

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_MAX_NAMED_TIMES = 4


def describe(schedule: BoundedSchedule) -> str:
    """Return text such as "Every 2 hours until 1 May 2027" or "Every day at 02:00 (Europe/Berlin), 10 times"."""
    return _rule(schedule.rule) + _bounds(schedule)


def _rule(rule: ScheduleRule) -> str:
    match rule:
        case OnceSchedule():
            return f"Once, {formatting.date_and_time(rule.at)} UTC"
        case IntervalSchedule():
            return formatting.sentence_case(formatting.every(rule.interval_seconds))
        case CronSchedule():
            return f"{in_words(rule.parsed)} ({rule.timezone})"
        case _:
            return formatting.sentence_case(rule.kind)


def _bounds(schedule: BoundedSchedule) -> str:
    """Return window, start, end and number of runs in words, without the start of an interval: all have one."""
    text = "" if schedule.window is None else f", {schedule.window.describe()}"
    if schedule.start is not None and schedule.rule.anchor() is None:
        text += f" from {_instant(schedule.start, schedule)}"
    ends = (
        schedule.end is not None and schedule.end <= validation.LAST_INSTANT
    )  # programs write the year 9999 for "forever"
    if ends and schedule.end is not None:
        text += f" until {_instant(schedule.end, schedule)}"
    if schedule.max_runs is not None:
        times = "once" if schedule.max_runs == 1 else f"{schedule.max_runs:,} times"
        text += f", at most {times}" if ends else f", {times}"
    return text


def _instant(instant: datetime, schedule: BoundedSchedule) -> str:
    """Return the instant on the schedule's clock, without a time at midnight and without the zone for a cron rule."""
    local = instant.astimezone(load_zone(schedule.timezone))
    if local.time() == local.time().min:
        return formatting.date_text(local)
    return (
        formatting.date_and_time(local)
        if isinstance(schedule.rule, CronSchedule)
        else f"{formatting.date_and_time(local)} UTC"
    )


def warnings(schedule: BoundedSchedule, *, now: datetime, limit: int = 10) -> list[str]:
    """Return the warnings, one sentence each. Clock changes are searched among the next `limit` occurrences."""
    first = schedule.first(created=now)
    if first is None:
        return [_never_fires_text(schedule, now)]
    if not schedule.rule.repeats:
        return ["That instant has passed: it runs at once."] if first < now else []
    sentences = []
    gap = schedule.smallest_gap()
    if gap is not None and gap < _MINUTE:
        sentences.append("It fires more than once a minute.")
    if isinstance(schedule.rule, CronSchedule):
        sentences += _unix_days(schedule.rule)
        *_, last = islice(_occurrences_from(schedule, first), max(1, limit))
        changes = changes_between(schedule.timezone, now, last)
        sentences += [text for change in changes if (text := _clock_change(schedule.rule, change))]
    return sentences


def _never_fires_text(schedule: BoundedSchedule, now: datetime) -> str:
    if schedule.rule.next_after(max(now, schedule.start or now)) is None:
        return "It never fires: no date within 40 years matches it."
    if schedule.misses_window(now):
        return "It never fires: none of its occurrences lies in the window."
    return "It never fires: it ends before its first occurrence."


def _occurrences_from(schedule: BoundedSchedule, occurrence: datetime | None) -> Iterator[datetime]:
    while occurrence is not None:
        yield occurrence
        occurrence = schedule.next_after(occurrence)


def _unix_days(rule: CronSchedule) -> list[str]:
    """Return the warning about a five-field expression that restricts both day of month and day of week."""
    expression = rule.parsed
    if expression.written_fields != 5 or expression.fields[3][0] in "*?" or expression.fields[5][0] in "*?":
        return []
    return ["Day of month and day of week must both match here; in a Unix crontab one of them is enough."]


def _clock_change(rule: CronSchedule, change: ClockChange) -> str | None:
    """Return the effect of a clock change on the rule in a sentence, None if there is none."""
    if rule.parsed.floating and rule.parsed.calendar.hours.bit_count() == 24:
        return None  # it continues in real time, as expected
    times = _times_within(rule, change)
    if not times:
        return None
    begin = f"On {formatting.date_text(change.local_start)} the clock in {rule.timezone} goes"
    one = len(times) == 1
    if change.is_gap:
        do_not_exist = "does not exist" if one else "do not exist"
        shifted = f"instead it fires {'' if one else 'once, '}at {_clock(change.local_end)}"
        reaction = shifted if rule.shifts else "it does not fire then"
        return f"{begin} forward: {_listed(times, change)} {do_not_exist}; {reaction}."
    passes = {DstOverlap.FIRST: "the first time only", DstOverlap.SECOND: "the second time only"}
    fires = passes.get(rule.passes, "both times")
    return f"{begin} back: {_listed(times, change)} {'comes' if one else 'come'} twice; it fires {fires}."


def _times_within(rule: CronSchedule, change: ClockChange) -> list[datetime]:
    """Return the rule's local times that a clock change removes or repeats, at most one more than are named."""
    calendar = rule.parsed.calendar
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
