"""Filters and order of the list of timers, read from its query."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, Q, QuerySet
from django.http import QueryDict

from timers import validation
from timers.actions.base import kinds_that
from timers.errors import Invalid
from timers.http_api import queries
from timers.lifecycle import TimerStatus
from timers.models import Timer
from timers.models.timers import TimerQuerySet
from timers.queries.timers.filters import select
from timers.scheduling.base import KINDS

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


def expressible() -> Q:
    """Return the condition of the timers that this dialect can describe: some kinds of actions, and flows."""
    schedules = [kind for kind, rule in KINDS.items() if rule.in_globus]
    always = Q(action__in=kinds_that(lambda action: action.in_globus))
    as_flow = Q(action__in=kinds_that(lambda action: action.input_fields), origin__isnull=False)
    return Q(schedule__kind__in=schedules) & (always | as_flow)


def filter_timers(rows: TimerQuerySet, query: QueryDict) -> QuerySet[Timer]:
    """Return the timers that match a query, in its order. Raises Invalid naming query.<name>."""
    named = query.get("filter_status")
    statuses = _read_statuses(named) if named else None
    selected = select(
        rows.filter(expressible()).not_deleted() if statuses != set() else rows.none(),
        names=[query.get("filter_name", "")],
        statuses=statuses or (),
        created_after=_instant(query, "submitted_after"),
        created_before=_instant(query, "submitted_before"),
    )
    for flag, status in (("filter_active", TimerStatus.ACTIVE), ("filter_stopped", TimerStatus.ENDED)):
        selected = _filter_by_flag(selected, query, flag, status)
    return _ordered(selected, query.get("order", ""))


def _read_statuses(text: str) -> set[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in _STATUSES]
    if unknown:
        raise Invalid({"query.filter_status": f"Unknown status {unknown[0]!r}; known: active, inactive, ended."})
    return {_STATUSES[word] for word in words}


def _filter_by_flag(rows: TimerQuerySet, query: QueryDict, name: str, status: TimerStatus) -> TimerQuerySet:
    is_wanted = validation.under("query", lambda: queries.optional_flag(query, name))
    if is_wanted is None:
        return rows
    return rows.filter(status=status) if is_wanted else rows.exclude(status=status)


def _instant(query: QueryDict, name: str) -> datetime | None:
    if not query.get(name):
        return None
    return validation.under("query", lambda: validation.instant_of_query(query.get(name, ""), name))


def _ordered(rows: QuerySet[Timer], text: str) -> QuerySet[Timer]:
    field, _, direction = " ".join(text.split()).partition(" ")
    field, direction = field or "submitted_at", direction.lower() or "asc"
    if field not in ORDERS or direction not in ("asc", "desc"):
        raise Invalid({"query.order": f"Give a field and asc or desc; fields: {', '.join(ORDERS)}."})
    column = F(ORDERS[field])
    order = column.desc(nulls_last=True) if direction == "desc" else column.asc(nulls_last=True)
    return rows.order_by(order, "pk")
