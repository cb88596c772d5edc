"""Maintenance by every dispatcher, every few seconds and bounded per pass: above all, lost work is taken back."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from timers.messaging import queue
from timers.services import processes
from timers.services.executions import cluster_routing
from timers.services.executions import leases as execution_leases
from timers.services.executions.leases import Reaped
from timers.services.notifications import delivery
from timers.services.timers import commands as timers
from timers.services.workflows import runs as workflow_runs
from timers.services.workflows import wakeups

log = logging.getLogger(__name__)


@dataclass
class Every:
    """Something that is done once in a while; a clock that jumps back does not put it off."""

    period: timedelta
    last: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Return whether it is time again, and take it as done."""
        if self.last is not None and self.last <= now < self.last + self.period:
            return False
        self.last = now
        return True


AGAIN = timedelta(milliseconds=50)
"""The least time between two checks that notifications cause."""


@dataclass
class Reaper:
    """The chores of a dispatcher beside claiming."""

    leases: Every = field(default_factory=lambda: Every(timedelta(seconds=2)))
    retries: Every = field(default_factory=lambda: Every(timedelta(seconds=0.5)))
    snoozes: Every = field(default_factory=lambda: Every(timedelta(seconds=1)))
    processes: Every = field(default_factory=lambda: Every(timedelta(minutes=1)))
    steps: Every = field(default_factory=lambda: Every(timedelta(seconds=0.5)))
    next_retry: datetime | None = None
    next_step: datetime | None = None
    next_snooze: datetime | None = None
    change_noted_at: datetime | None = None

    def note_change(self, now: datetime) -> None:
        """Check what may be due earlier than was known, as a notification came: now, or soon after the last time."""
        if self.change_noted_at is None or not now - AGAIN < self.change_noted_at <= now + AGAIN:
            self.change_noted_at = now
        elif self.change_noted_at <= now:
            self.change_noted_at += AGAIN
        self.next_retry = earliest(self.next_retry, self.change_noted_at)
        self.next_step = earliest(self.next_step, self.change_noted_at)
        self.next_snooze = earliest(self.next_snooze, self.change_noted_at)

    def run_due(self, now: datetime, *, horizon: datetime) -> Reaped:
        """Do the chores that are due; return what was taken back. Pauses end in time for the claim up to `horizon`."""
        if self.retries.is_due(now) or (self.next_retry is not None and self.next_retry <= now):
            _, self.next_retry = execution_leases.release_retries(now=now)
        if self.steps.is_due(now) or (self.next_step is not None and self.next_step <= now):
            self.next_step = earliest(wakeups.wake_due(now=now)[1], workflow_runs.end_overdue(now=now))
        if self.snoozes.is_due(now) or (self.next_snooze is not None and self.next_snooze <= horizon):
            self.next_snooze = timers.resume_snoozed(until=horizon, now=now)
        if self.processes.is_due(now):
            processes.prune(now=now)
            queue.drop_messages(but=cluster_routing.alive(now=now))
        if not self.leases.is_due(now):
            return Reaped()
        delivery.repeat_due(now=now)
        reaped = execution_leases.reap(now=now)
        if reaped.lost:
            about = {"event": "take_over", "executions": reaped.lost, "execution_ids": reaped.lost_ids}
            log.info("Took over what lost workers had begun.", extra=about)
        if reaped.repeated:
            log.warning("Sent messages again that got lost.", extra={"messages": reaped.repeated})
        return reaped


def earliest(*instants: datetime | None) -> datetime | None:
    """Return the earliest of the instants that are known."""
    return min((instant for instant in instants if instant is not None), default=None)
