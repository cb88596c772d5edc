"""Filters of lists by their query parameters, and the orders of lists."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import QueryDict

from timers.actions.base import ACTIONS
from timers.api import query_parameters
from timers.errors import Invalid
from timers.lifecycle import ExecutionStatus, TimerStatus, TransferStatus, Trigger, WorkflowStatus
from timers.models import Timer
from timers.models.executions import ExecutionQuerySet
from timers.models.timers import TimerQuerySet
from timers.models.transfers import TransferQuerySet
from timers.models.workflows import WorkflowRunQuerySet
from timers.queries.paging import Order, SortKey, newest_first
from timers.queries.timers.filters import select
from timers.queries.transfers.files import STATES, VERDICTS, FileFilters, Place, read_place

_ID = SortKey("pk", UUID)

TIMER_ORDERS = (
    Order("-created_at", (SortKey("created_at", datetime, descending=True), _ID)),
    Order("created_at", (SortKey("created_at", datetime), SortKey("pk", UUID, descending=True))),
    Order("name", (SortKey("name", str), _ID)),
    Order("-name", (SortKey("name", str, descending=True), _ID)),
    Order("next_run", (SortKey("schedule__next_run_at", datetime, nullable=True), _ID)),
    Order("-next_run", (SortKey("schedule__next_run_at", datetime, descending=True, nullable=True), _ID)),
)
EXECUTION_ORDER = newest_first("scheduled_for")
COLLECTION_ORDER = Order("-created_at", (SortKey("created_at", datetime, descending=True), _ID))
TRANSFER_ORDER = Order("-requested_at", (SortKey("requested_at", datetime, descending=True), _ID))
WORKFLOW_ORDER = Order("name", (SortKey("name", str), SortKey("version", int, descending=True), SortKey("pk", int)))
WORKFLOW_RUN_ORDER = Order("-created_at", (SortKey("created_at", datetime, descending=True), _ID))
EVENT_ORDER = Order("-id", (SortKey("pk", int, descending=True),))


def timers(rows: TimerQuerySet, query: QueryDict) -> TimerQuerySet:
    """Return the timers that are asked for; deleted ones are gone from lists."""
    return select(
        rows.not_deleted(),
        statuses=query_parameters.words(query, "status", list(TimerStatus)),
        actions=query_parameters.words(query, "action", list(ACTIONS)),
        tags=query_parameters.tags(query),
        text=query_parameters.text(query, "q"),
    )


def executions(rows: ExecutionQuerySet, query: QueryDict) -> ExecutionQuerySet:
    """Return the executions that are asked for."""
    if statuses := query_parameters.words(query, "status", list(ExecutionStatus)):
        rows = rows.filter(status__in=statuses)
    if triggers := query_parameters.words(query, "trigger", list(Trigger)):
        rows = rows.filter(trigger__in=triggers)
    if actions := query_parameters.words(query, "action", list(ACTIONS)):
        rows = rows.filter(timer__action__in=actions)
    if timer_id := query_parameters.uuid(query, "timer_id"):
        rows = rows.filter(timer_id=timer_id)
    for key, value in query_parameters.tags(query):
        rows = rows.filter(timer_id__in=Timer.objects.tagged(key, value).values("pk"))
    if since := query_parameters.instant(query, "since"):
        rows = rows.filter(scheduled_for__gte=since)
    if until := query_parameters.instant(query, "until"):
        rows = rows.filter(scheduled_for__lte=until)
    return rows


def transfers(rows: TransferQuerySet, query: QueryDict) -> TransferQuerySet:
    """Return the transfers that are asked for."""
    if statuses := query_parameters.words(query, "status", list(TransferStatus)):
        rows = rows.filter(status__in=statuses)
    return rows


def workflow_runs(rows: WorkflowRunQuerySet, query: QueryDict) -> WorkflowRunQuerySet:
    """Return the workflow runs that are asked for."""
    if statuses := query_parameters.words(query, "status", list(WorkflowStatus)):
        rows = rows.filter(status__in=statuses)
    if name := query_parameters.text(query, "workflow"):
        rows = rows.filter(name=name)
    if correlation_id := query_parameters.text(query, "correlation_id"):
        rows = rows.filter(correlation_id=correlation_id)
    if timer_id := query_parameters.uuid(query, "timer_id"):
        rows = rows.filter(timer_id=timer_id)
    return rows


def files(query: QueryDict) -> FileFilters:
    """Return which files of a transfer are asked for."""
    return FileFilters(
        states=query_parameters.words(query, "status", STATES),
        verdicts=query_parameters.words(query, "verdict", VERDICTS),
        text=query_parameters.text(query, "q"),
    )


def place(query: QueryDict) -> Place | None:
    """Return the file after which the page that is wanted begins, None for the first one."""
    marker = query_parameters.marker(query)
    file = None if marker is None else read_place(marker)
    if marker is not None and file is None:
        raise Invalid({"marker": "This is no marker of this list."})
    return file
