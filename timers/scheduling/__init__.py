"""WHEN: schedules, their bounds and the decisions about missed and overlapping occurrences; pure, without Django.

`backoff.delay`, `catchup.plan` and `overlap.decide` read best with their module's name.
"""

from timers.scheduling import backoff, catchup, overlap
from timers.scheduling.base import KINDS, Schedule
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
    "Schedule",
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
