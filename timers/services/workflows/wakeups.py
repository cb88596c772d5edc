"""Steps whose instant has come: waits that are over, retries, lost messages, workers that fell silent.

The dispatcher only wakes; workers settle. So a thousand waits that end together do not hold up the timers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from timers.lifecycle import StepStatus
from timers.models import WorkflowRun, WorkflowStep, sql
from timers.services.workflows import progress, steps
from timers.services.workflows.unit_of_work import UnitOfWork, send
from timers.workflow_rules.definitions import CARRIED_OUT_HERE, TaskType

AT_ONCE = 500
REPEAT_AFTER = timedelta(seconds=20)
"""How long a message may take before it is repeated once more."""


def wake_due(*, now: datetime) -> tuple[int, datetime | None]:
    """Wake workers for the steps that are due, take back those of dead ones; return how many, and when the next is."""
    with sql.turn():
        unfinished = WorkflowStep.objects.unfinished().filter(lease_until__isnull=False).order_by("lease_until")
        overdue = unfinished.filter(lease_until__lte=now)
        if sql.on_postgresql():
            overdue = overdue.select_for_update(skip_locked=True)
        due = list(overdue.only("pk", "run_id", "status", "lease_owner", "type")[:AT_ONCE])
        if due:
            lost = [step for step in due if step.lease_owner is not None]
            WorkflowStep.objects.filter(pk__in=[step.pk for step in due if step.lease_owner is None]).update(
                lease_until=now + REPEAT_AFTER
            )
            send([step.pk for step in due if step.lease_owner is None])
            _hand_over(lost, now=now)
    return len(due), unfinished.values_list("lease_until", flat=True).first()


def _hand_over(lost: Iterable[WorkflowStep], *, now: datetime) -> None:
    """Make steps whose worker died nobody's; whoever is woken for them finds out what to do."""
    ids = [each.pk for each in lost]
    if ids:
        WorkflowStep.objects.filter(pk__in=ids).update(lease_owner=None, lease_until=now + REPEAT_AFTER)
        send(ids)


def advance_woken(ids: Iterable[UUID | str], *, now: datetime) -> None:
    """Go on with those of the steps that a worker of ours was woken for but need not be carried out."""
    wanted = {sql.as_uuid(each) for each in ids}
    in_progress = WorkflowStep.objects.filter(pk__in=wanted, status=StepStatus.IN_PROGRESS)
    run_ids = set(in_progress.values_list("run_id", flat=True))
    if not run_ids:
        return
    with sql.turn():
        writing = UnitOfWork(now)
        runs = progress.locked(run_ids)
        writing.read_steps(runs)
        for run in runs:
            for step in list(writing.steps_of(run)):
                if step.pk in wanted and step.status == StepStatus.IN_PROGRESS:
                    _settle(run, step, writing)
        writing.flush()


def _settle(run: WorkflowRun, step: WorkflowStep, writing: UnitOfWork) -> None:
    now = writing.now
    if step.type in CARRIED_OUT_HERE:
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
