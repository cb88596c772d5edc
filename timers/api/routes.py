"""Paths and views of the native API, as its OpenAPI document describes them."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import URLPattern, path

from timers.api.base import ApiView
from timers.api.views import (
    collections,
    executions,
    jobs,
    running,
    scheduling,
    timers,
    transfers,
    workflows,
)

ROUTES: tuple[tuple[str, type[ApiView]], ...] = (
    ("timers", timers.TimerList),
    ("timers/bulk", timers.TimerBulk),
    ("timers/<str:timer_id>", timers.TimerDetail),
    ("timers/<str:timer_id>/pause", running.TimerPause),
    ("timers/<str:timer_id>/resume", running.TimerResume),
    ("timers/<str:timer_id>/run", running.TimerRun),
    ("timers/<str:timer_id>/next", running.TimerNext),
    ("timers/<str:timer_id>/executions", executions.TimerExecutions),
    ("timers/<str:timer_id>/tags", timers.TimerTags),
    ("timers/<str:timer_id>/signing-secret", timers.TimerSigningSecret),
    ("executions", executions.ExecutionList),
    ("executions/<str:execution_id>", executions.ExecutionDetail),
    ("executions/<str:execution_id>/cancel", executions.ExecutionCancel),
    ("executions/<str:execution_id>/rerun", executions.ExecutionRerun),
    ("jobs", jobs.JobList),
    ("schedules/preview", running.PreviewSchedule),
    ("scheduling", scheduling.SchedulingDetail),
    ("scheduling/pause", scheduling.PauseAll),
    ("scheduling/resume", scheduling.ResumeAll),
    ("collections", collections.CollectionList),
    ("collections/<str:collection_id>", collections.CollectionDetail),
    ("collections/<str:collection_id>/ls", collections.CollectionFolder),
    ("collections/<str:collection_id>/test", collections.CollectionTest),
    ("transfers", transfers.TransferList),
    ("transfers/<str:transfer_id>", transfers.TransferDetail),
    ("transfers/<str:transfer_id>/files", transfers.TransferFiles),
    ("transfers/<str:transfer_id>/manifest", transfers.TransferManifest),
    ("transfers/<str:transfer_id>/events", transfers.TransferEvents),
    ("transfers/<str:transfer_id>/cancel", transfers.TransferCancel),
    ("transfers/<str:transfer_id>/pause", transfers.TransferPause),
    ("transfers/<str:transfer_id>/resume", transfers.TransferResume),
    ("transfers/<str:transfer_id>/rerun", transfers.TransferRerun),
    ("workflows", workflows.WorkflowList),
    ("workflows/<str:name>", workflows.WorkflowDetail),
    ("workflow-runs", workflows.WorkflowRunList),
    ("workflow-runs/<str:run_id>", workflows.WorkflowRunDetail),
    ("workflow-runs/<str:run_id>/terminate", workflows.WorkflowRunTerminate),
)


def patterns(routes: Iterable[tuple[str, type[ApiView]]], *, end: str = "") -> list[URLPattern]:
    return [path(route + end, view.as_view()) for route, view in routes]


described_patterns = patterns(ROUTES)
"""Patterns of the OpenAPI document: every path once."""
