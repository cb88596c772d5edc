"""Planned runs by hour: intervals by arithmetic, cron rules by stepping. Timers with equal rules are stepped once."""

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
from timers.scheduling.base import ScheduleRule as Rule
from timers.scheduling.bounds import parse_schedule

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
STRETCH_US = 10 * DAY_US
"""Stretch of time for which the runs of a rule are cached: from the day before to the end of any reader's week."""
MAX_STEPS = 30_000
"""Steps through cron rules in one answer. Rules beyond this are left out and counted in `left_out`."""
STEPS_PER_RULE = 250
"""Occurrences in the stretch up to which a rule is stepped; a rule with more is counted hour by hour."""
MAX_CACHED_RULES = 10_000
UNLIMITED = 2**62
_MANY = 7_000_000
"""More runs than the shortest interval has in eight days."""


@dataclass(frozen=True)
class PlannedSchedule:
    """The needed columns of a schedule row. Instants are microseconds; `left` is the number of runs still allowed."""

    timer_id: UUID
    interval_us: int | None
    at: int
    end: int
    left: int
    document: dict[str, Any] | None = None

    def count(self, begin: int, until: int) -> int:
        """Return the number of an interval's occurrences from `begin` until just before `until`."""
        return max(0, self._before(until) - self._before(begin))

    def _before(self, instant: int) -> int:
        step = self.interval_us or UNLIMITED
        return max(0, min(-((self.at - min(instant, self.end + 1)) // step), self.left))


class HourlyCounter:
    """Counter of runs in consecutive hours. The first hour counts only from `begin` on."""

    def __init__(self, *, now: int, begin: int, first: int, hours: int) -> None:
        self.begin, self.first, self.hours = begin, first, hours
        self.until = first + hours * HOUR_US
        self.left_out = 0
        self._totals = [0] * hours
        self._changes = [0] * (hours + 1)
        self._dense: dict[int, tuple[_RuleRuns, list[int]]] = {}
        self._stretch = (
            now - now % DAY_US - DAY_US + first % HOUR_US
        )  # the same all day, so that the cache serves all readers
        self._steps = MAX_STEPS

    def totals(self) -> list[int]:
        """Return the number of runs of each hour."""
        totals = [single + steady for single, steady in zip(self._totals, accumulate(self._changes[:-1]), strict=True)]
        skipped = (self.first - self._stretch) // HOUR_US
        for rule_runs, timers_by_start in self._dense.values():
            for slot, (timers, runs) in enumerate(
                zip(accumulate(timers_by_start[:-1]), rule_runs.counts[skipped:], strict=False)
            ):
                totals[slot] += timers * runs
        return totals

    def add(self, row: PlannedSchedule) -> None:
        """Add the runs of one timer."""
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
        if step >= HOUR_US:
            self._add_instants(range(start, last + 1, step))
        elif HOUR_US % step == 0 and last == self.until - 1 and start < self.until:
            slot = self._slot(start)
            self._totals[slot] += row.count(start, self._edge(slot + 1))
            self._changes[slot + 1] += HOUR_US // step
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
        rule_runs = self._stepped(row.document or {})
        if rule_runs is None:
            self.left_out += 1
            return
        if rule_runs.instants is not None:
            following = bisect_left(rule_runs.instants, row.at)
            last = min(bisect_right(rule_runs.instants, row.end), following + row.left)
            self._add_instants(rule_runs.instants[max(following, bisect_left(rule_runs.instants, self.begin)) : last])
            return
        begin = max(self.begin, row.at)
        if begin >= self.until:
            return
        if row.end < self.until or row.left < _MANY or self.hours == 1:  # a single hour has no further hours to share
            self._add_bounded(row, rule_runs, begin)
            return
        slot = self._slot(begin)
        self._totals[slot] += _count(rule_runs.rule, begin, self._edge(slot + 1))
        self._dense.setdefault(id(rule_runs), (rule_runs, [0] * (self.hours + 1)))[1][slot + 1] += 1

    def _add_bounded(self, row: PlannedSchedule, rule_runs: _RuleRuns, begin: int) -> None:
        left = row.left - _count(rule_runs.rule, min(row.at, begin), begin)
        for slot in range(self._slot(begin), self._slot(min(self.until - 1, row.end)) + 1):
            here = max(begin, self._edge(slot)), min(self._edge(slot + 1), row.end + 1)
            counted = max(0, min(left, _count(rule_runs.rule, *here)))
            self._totals[slot] += counted
            left -= counted

    def _stepped(self, document: dict[str, Any]) -> _RuleRuns | None:
        """Return the runs of a rule, None for one that cannot be read or when all steps are used up."""
        text = json.dumps({name: value for name, value in document.items() if name not in ("start", "end")})
        key = (text, self._stretch)
        if key not in _CACHE:
            if self._steps <= 0:
                return None
            if len(_CACHE) >= MAX_CACHED_RULES:
                _CACHE.clear()
            _CACHE[key] = self._step(document)
        return _CACHE[key]

    def _step(self, document: dict[str, Any]) -> _RuleRuns | None:
        try:
            rule = read_rule(document)
            edges = range(self._stretch, self._stretch + STRETCH_US + 1, HOUR_US)
            count = _count(rule, edges[0], edges[-1])
            self._steps -= min(count, len(edges)) + 1
            if count <= STEPS_PER_RULE:
                return _RuleRuns(rule, list(_instants(rule, edges[0], edges[-1])), [])
            return _RuleRuns(rule, None, [_count(rule, begin, until) for begin, until in pairwise(edges)])
        except Exception:  # one broken rule must not hide all others
            return None

    def _slot(self, instant: int) -> int:
        return (instant - self.first) // HOUR_US

    def _edge(self, slot: int) -> int:
        return self.first + slot * HOUR_US


@dataclass(frozen=True)
class _RuleRuns:
    """The runs of one rule: all instants or, when these are too many, the number of runs in each hour."""

    rule: Rule
    instants: list[int] | None
    counts: list[int]


_CACHE: dict[tuple[str, int], _RuleRuns | None] = {}
"""Cache of the runs of rules in the current stretch of days. It does not depend on a timer's next run."""


def read_rule(document: dict[str, Any]) -> Rule:
    """Return the rule of a stored schedule, without its bounds; raises Invalid."""
    return parse_schedule(document, now=clock.EPOCH, refuse_never=False).rule


def _instants(rule: Rule, begin: int, until: int) -> Iterator[int]:
    instant, end = rule.next_after(clock.from_us(begin) - TICK), clock.from_us(until)
    while instant is not None and instant < end:
        yield clock.to_us(instant)
        instant = rule.next_after(instant)


@lru_cache(maxsize=4096)
def _count(rule: Rule, begin: int, until: int) -> int:
    return rule.count_between(clock.from_us(begin) - TICK, clock.from_us(until) - TICK)
