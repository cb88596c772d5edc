"""The functions that come with the service, for timers of type `code` to name."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count

from timers import clock, timer
from timers.models import Execution


@timer(name="timers.last_hour", allow="all")
def last_hour() -> dict[str, int]:
    """Return how many executions were planned in the last hour, by status."""
    since = clock.now() - timedelta(hours=1)
    rows = Execution.objects.filter(scheduled_for__gte=since).values_list("status").annotate(count=Count("id"))
    return dict(rows.order_by("status"))
