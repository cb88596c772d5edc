"""Schedules, their bounds, and the decisions about missed and overlapping occurrences. Pure code without Django.

Call `backoff.delay`, `catchup.plan` and `overlap.decide` with the name of their module.
"""

from timers.scheduling import backoff, catchup, overlap
from timers.scheduling.base import KINDS, ScheduleRule
from timers.scheduling.bounds import BoundedSchedule, jitter_delay, parse_schedule
from timers.scheduling.catchup import CatchUpPolicy
from timers.scheduling.overlap import OverlapPolicy
from timers.scheduling.policies import Policies, merge_policies, parse_policies
from timers.scheduling.text import describe, warnings

__all__ = [
    "KINDS",
    "BoundedSchedule",
    "CatchUpPolicy",
    "OverlapPolicy",
    "Policies",
    "ScheduleRule",
    "backoff",
    "catchup",
    "describe",
    "jitter_delay",
    "merge_policies",
    "overlap",
    "parse_policies",
    "parse_schedule",
    "warnings",
]
