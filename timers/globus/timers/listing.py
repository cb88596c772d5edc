"""Filters and order of the list of timers, read from its query."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, Q, QuerySet
from django.http import QueryDict

from timers import validation
from timers.errors import Invalid
from timers.http_api import queries
from timers.lifecycle import TimerStatus
from timers.models import Timer

EXPRESSIBLE = Q(schedule__kind__in=("once", "recurring")) & (
    Q(action__in=("transfer", "webhook")) | Q(action="workflow", origin__isnull=False)
)
"""Timers that this dialect can describe: no code, no cron; only workflows that were requested as flows."""

ORDERS = {
    "job_id": "pk",
    "name": "name",
    "status": "status",
    "submitted_at": "created_at",
    "interval": "schedule__interval_us",
    "last_ran_at": "schedule__last_run_at",
    "next_run": "schedule__next_run_at",
    "n_runs": "schedule__run_count",
    "n_errors": "schedule__failure_count",
}
_STATUSES = {
    "active": TimerStatus.ACTIVE,
    "new": TimerStatus.ACTIVE,
    "loaded": TimerStatus.ACTIVE,
    "inactive": TimerStatus.PAUSED,
    "ended": TimerStatus.ENDED,
}


def filter_timers(rows: QuerySet[Timer], query: QueryDict) -> QuerySet[Timer]:
    """Return the timers that match a query, in its order. Raises Invalid naming query.<name>."""
    rows = rows.filter(EXPRESSIBLE).exclude(status=TimerStatus.DELETED)
    if name := query.get("filter_name"):
        rows = rows.filter(name__icontains=name)
    if statuses := query.get("filter_status"):
        rows = rows.filter(status__in=_read_statuses(statuses))
    for flag, status in (("filter_active", TimerStatus.ACTIVE), ("filter_stopped", TimerStatus.ENDED)):
        rows = _filter_by_flag(rows, query, flag, status)
    if query.get("submitted_after"):
        rows = rows.filter(created_at__gt=_instant(query, "submitted_after"))
    if query.get("submitted_before"):
        rows = rows.filter(created_at__lt=_instant(query, "submitted_before"))
    return _ordered(rows, query.get("order", ""))


def _read_statuses(text: str) -> set[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in _STATUSES]
    if unknown:
        raise Invalid({"query.filter_status": f"Unknown status {unknown[0]!r}; known: active, inactive, ended."})
    return {_STATUSES[word] for word in words}


def _filter_by_flag(rows: QuerySet[Timer], query: QueryDict, name: str, status: TimerStatus) -> QuerySet[Timer]:
    is_wanted = validation.under("query", lambda: queries.optional_flag(query, name))
    if is_wanted is None:
        return rows
    return rows.filter(status=status) if is_wanted else rows.exclude(status=status)


def _instant(query: QueryDict, name: str) -> datetime:
    return validation.under("query", lambda: validation.instant_of_query(query.get(name, ""), name))


def _ordered(rows: QuerySet[Timer], text: str) -> QuerySet[Timer]:
    field, _, direction = " ".join(text.split()).partition(" ")
    field, direction = field or "submitted_at", direction.lower() or "asc"
    if field not in ORDERS or direction not in ("asc", "desc"):
        raise Invalid({"query.order": f"Give a field and asc or desc; fields: {', '.join(ORDERS)}."})
    column = F(ORDERS[field])
    order = column.desc(nulls_last=True) if direction == "desc" else column.asc(nulls_last=True)
    return rows.order_by(order, "pk")
