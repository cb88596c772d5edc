"""Context of every page: the reader's preferences, and the health of scheduling."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Min

from timers.models import Preference, Process, Schedule

DISPATCHER_SILENCE = timedelta(seconds=10)
CLUSTER_SILENCE = timedelta(seconds=15)
LATE_AFTER = timedelta(seconds=5)


@dataclass(frozen=True)
class SchedulingHealth:
    """Health of scheduling. `silent_for` is the time since a dispatcher's last heartbeat, None if there was none."""

    dispatcher_alive: bool
    cluster_alive: bool
    late_by: timedelta
    silent_for: timedelta | None
    missing: list[str] = field(default_factory=list)

    @property
    def standing_still(self) -> bool:
        return not self.dispatcher_alive or not self.cluster_alive

    @property
    def late(self) -> bool:
        return self.late_by > LATE_AFTER

    @property
    def tone(self) -> str:
        return "bad" if self.standing_still else "wait" if self.late else "ok"

    @property
    def icon(self) -> str:
        return "alert" if self.standing_still or self.late else "check"


def preference(user: Any) -> Preference | None:
    """Return the display preferences of the reader, None for the defaults."""
    return Preference.objects.filter(owner_id=user.pk).first()


def health(now: datetime) -> SchedulingHealth:
    """Return the health of scheduling, from two queries."""
    seen = dict(Process.objects.values_list("role").annotate(Max("seen_at")))
    earliest = Schedule.objects.filter(next_run_at__isnull=False).aggregate(at=Min("next_run_at"))["at"]
    dispatcher = _alive(seen.get("dispatcher"), now, DISPATCHER_SILENCE)
    cluster = _alive(seen.get("cluster"), now, CLUSTER_SILENCE)
    missing = [name for name, alive in (("dispatcher", dispatcher), ("cluster", cluster)) if not alive]
    last = seen.get("dispatcher")
    late_by = max(timedelta(0), now - earliest) if earliest is not None else timedelta(0)
    return SchedulingHealth(dispatcher, cluster, late_by, None if last is None else now - last, missing)


def _alive(seen: datetime | None, now: datetime, silence: timedelta) -> bool:
    return seen is not None and now - seen <= silence


def processes() -> list[Process]:
    """Return up to 50 dispatchers and clusters, the latest heartbeat first."""
    return list(Process.objects.filter(role__in=("dispatcher", "cluster")).order_by("-seen_at")[:50])
