"""Adds up planned runs hour by hour: intervals by arithmetic, rules of the calendar by stepping, shared ones once."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any
from uuid import UUID

from timers import clock
from timers.scheduling.base import TICK
from timers.scheduling.base import Schedule as Rule
from timers.scheduling.bounds import parse_schedule

HOUR = 3_600_000_000
DAY = 24 * HOUR
STRETCH = 10 * DAY
"""What is remembered of a rule: from the day before to the end of any reader's week."""
MAX_STEPS = 30_000
"""Steps through rules of the calendar in one answer; what is beyond is left out, and said."""
STEPS_PER_RULE = 250
"""A rule with more occurrences in this stretch is counted hour by hour instead."""
MAX_REMEMBERED = 10_000
EVER = 2**62
_MANY = 7_000_000
"""More runs than the shortest interval has in a week and a day."""


@dataclass(frozen=True)
class PlannedSchedule:
    """What is needed of one schedule row; instants are microseconds, `left` is how many runs it may still begin."""

    timer_id: UUID
    interval_us: int | None
    at: int
    end: int
    left: int
    document: dict[str, Any] | None = None

    def count(self, begin: int, until: int) -> int:
        """Return how many occurrences of an interval lie from `begin` until just before `until`."""
        return max(0, self._before(until) - self._before(begin))

    def _before(self, instant: int) -> int:
        step = self.interval_us or EVER
        return max(0, min(-((self.at - min(instant, self.end + 1)) // step), self.left))


class Hours:
    """Adds up runs in hours that follow each other; the first one counts from `begin` only."""

    def __init__(self, *, now: int, begin: int, first: int, hours: int) -> None:
        self.begin, self.first, self.hours = begin, first, hours
        self.until = first + hours * HOUR
        self.left_out = 0
        self._totals = [0] * hours
        self._changes = [0] * (hours + 1)
        self._dense: dict[int, tuple[_Stepped, list[int]]] = {}
        self._stretch = now - now % DAY - DAY + first % HOUR  # the same all day, so that others find it remembered
        self._steps = MAX_STEPS

    def totals(self) -> list[int]:
        """Return the number of runs of each hour."""
        totals = [one + steady for one, steady in zip(self._totals, accumulate(self._changes[:-1]), strict=True)]
        skipped = (self.first - self._stretch) // HOUR
        for stepped, begun in self._dense.values():
            for slot, (timers, runs) in enumerate(zip(accumulate(begun[:-1]), stepped.counts[skipped:], strict=False)):
                totals[slot] += timers * runs
        return totals

    def add(self, row: PlannedSchedule) -> None:
        """Count one timer's runs."""
        if row.interval_us is not None:
            self._add_interval(row, row.interval_us)
        elif row.document is None or row.document.get("type") == "once":
            self._add_instants([row.at] if row.at >= self.begin else [])
        else:
            self._add_rule(row)

    def _add_interval(self, row: PlannedSchedule, step: int) -> None:
        skipped = max(0, -((row.at - self.begin) // step))
        start = row.at + skipped * step
        last = min(self.until - 1, row.end, row.at + (row.left - 1) * step)
        if step >= HOUR:
            self._add_instants(range(start, last + 1, step))
        elif HOUR % step == 0 and last == self.until - 1 and start < self.until:
            slot = self._slot(start)
            self._totals[slot] += row.count(start, self._edge(slot + 1))
            self._changes[slot + 1] += HOUR // step
        elif start <= last:
            slots = range(self._slot(start), self._slot(last) + 1)
            until = [-((start - self._edge(slot + 1)) // step) for slot in slots[:-1]]
            until.append((last - start) // step + 1)
            for slot, here, earlier in zip(slots, until, [0, *until], strict=False):
                self._totals[slot] += here - earlier

    def _add_instants(self, instants: Iterable[int]) -> None:
        for at in instants:
            if at < self.until:
                self._totals[self._slot(at)] += 1

    def _add_rule(self, row: PlannedSchedule) -> None:
        stepped = self._stepped(row.document or {})
        if stepped is None:
            self.left_out += 1
            return
        if stepped.instants is not None:
            following = bisect_left(stepped.instants, row.at)
            last = min(bisect_right(stepped.instants, row.end), following + row.left)
            self._add_instants(stepped.instants[max(following, bisect_left(stepped.instants, self.begin)) : last])
            return
        begin = max(self.begin, row.at)
        if begin >= self.until:
            return
        if row.end < self.until or row.left < _MANY or self.hours == 1:  # a single hour has no whole ones to share
            self._add_bounded(row, stepped, begin)
            return
        slot = self._slot(begin)
        self._totals[slot] += _count(stepped.rule, begin, self._edge(slot + 1))
        self._dense.setdefault(id(stepped), (stepped, [0] * (self.hours + 1)))[1][slot + 1] += 1

    def _add_bounded(self, row: PlannedSchedule, stepped: _Stepped, begin: int) -> None:
        left = row.left - _count(stepped.rule, min(row.at, begin), begin)
        for slot in range(self._slot(begin), self._slot(min(self.until - 1, row.end)) + 1):
            here = max(begin, self._edge(slot)), min(self._edge(slot + 1), row.end + 1)
            counted = max(0, min(left, _count(stepped.rule, *here)))
            self._totals[slot] += counted
            left -= counted

    def _stepped(self, document: dict[str, Any]) -> _Stepped | None:
        """Return the runs of a rule, None for one that cannot be read or that there is no time left for."""
        text = json.dumps({name: value for name, value in document.items() if name not in ("start", "end")})
        key = (text, self._stretch)
        if key not in _REMEMBERED:
            if self._steps <= 0:
                return None
            if len(_REMEMBERED) >= MAX_REMEMBERED:
                _REMEMBERED.clear()
            _REMEMBERED[key] = self._step(document)
        return _REMEMBERED[key]

    def _step(self, document: dict[str, Any]) -> _Stepped | None:
        try:
            rule = read_rule(document)
            edges = range(self._stretch, self._stretch + STRETCH + 1, HOUR)
            count = _count(rule, edges[0], edges[-1])
            self._steps -= min(count, len(edges)) + 1
            if count <= STEPS_PER_RULE:
                return _Stepped(rule, list(_instants(rule, edges[0], edges[-1])), [])
            return _Stepped(rule, None, [_count(rule, begin, until) for begin, until in pairwise(edges)])
        except Exception:  # one broken rule must not hide all others
            return None

    def _slot(self, instant: int) -> int:
        return (instant - self.first) // HOUR

    def _edge(self, slot: int) -> int:
        return self.first + slot * HOUR


@dataclass(frozen=True)
class _Stepped:
    """The runs of one rule: every instant, or where these are too many, how many each hour of the stretch has."""

    rule: Rule
    instants: list[int] | None
    counts: list[int]


_REMEMBERED: dict[tuple[str, int], _Stepped | None] = {}
"""What rules do in the present stretch of days, for the next answer; it does not depend on when a timer runs next."""


def read_rule(document: dict[str, Any]) -> Rule:
    """Return the rule of a stored schedule, without its bounds."""
    return parse_schedule(document, now=clock.EPOCH, refuse_never=False).rule


def _instants(rule: Rule, begin: int, until: int) -> Iterator[int]:
    instant, end = rule.next_after(clock.from_us(begin) - TICK), clock.from_us(until)
    while instant is not None and instant < end:
        yield clock.to_us(instant)
        instant = rule.next_after(instant)


@lru_cache(maxsize=4096)
def _count(rule: Rule, begin: int, until: int) -> int:
    return rule.count_between(clock.from_us(begin) - TICK, clock.from_us(until) - TICK)
