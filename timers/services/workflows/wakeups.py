"""Steps whose instant has come: waits that are over, retries, lost messages, workers that fell silent.

The dispatcher only wakes; workers carry on. So a thousand waits that end together do not hold up the timers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from timers.lifecycle import StepStatus
from timers.models import WorkflowRun, WorkflowStep, sql
from timers.models.leases import STEPS
from timers.services.workflows import progress, steps
from timers.services.workflows.unit_of_work import UnitOfWork, send
from timers.workflow_rules.definitions import BUILT_IN_TYPES, TaskType


def wake_due(*, now: datetime) -> tuple[int, datetime | None]:
    """Wake workers for the steps that are due, take back those of dead ones; return how many, and when the next is."""
    with sql.turn():
        unfinished = WorkflowStep.objects.unfinished().filter(lease_until__isnull=False)
        due = unfinished.overdue(now=now).values_list("pk", "lease_owner")[: STEPS.batch]
        free: list[UUID] = []
        lost: list[UUID] = []
        for step_id, lease_owner in due:
            (free if lease_owner is None else lost).append(step_id)
        # a step whose worker died is nobody's from now on: the worker that is woken for it decides how it goes on
        for ids in filter(None, (free, lost)):
            WorkflowStep.objects.filter(pk__in=ids).release(until=now + STEPS.repeat_after)
            send(ids)
    following = unfinished.order_by("lease_until").values_list("lease_until", flat=True).first()
    return len(free) + len(lost), following


def advance_woken(ids: Iterable[UUID | str], *, now: datetime) -> None:
    """Go on with those of the steps that a worker of ours was woken for but need not be carried out."""
    woken = {sql.as_uuid(step_id) for step_id in ids}
    in_progress = WorkflowStep.objects.filter(pk__in=woken, status=StepStatus.IN_PROGRESS)
    run_ids = set(in_progress.values_list("run_id", flat=True))
    if not run_ids:
        return
    with sql.turn():
        writing = UnitOfWork(now)
        runs = progress.locked(run_ids)
        writing.read_steps(runs)
        for run in runs:
            for step in list(writing.steps_of(run)):
                if step.pk in woken and step.status == StepStatus.IN_PROGRESS:
                    _settle(run, step, writing)
        writing.flush()


def _settle(run: WorkflowRun, step: WorkflowStep, writing: UnitOfWork) -> None:
    now = writing.now
    if step.type in BUILT_IN_TYPES:
        if step.lease_owner is None and step.lease_until is not None:
            steps.lost(run, step, writing)
        return
    if step.run_at is None or step.run_at > now:
        return
    if step.type == TaskType.WAIT:
        progress.end_step(run, step, StepStatus.COMPLETED, writing)
        return
    overdue = step.overdue_at is not None and step.overdue_at <= now
    reason = (
        "It took longer than its task definition allows."
        if overdue
        else f"The worker {step.worker} did not report for {step.response_timeout_seconds} seconds."
    )
    progress.end_step(run, step, StepStatus.TIMED_OUT, writing, reason=reason, overdue=overdue)
