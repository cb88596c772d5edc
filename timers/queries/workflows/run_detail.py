"""Read models of workflow runs: lists, and one run with its tasks over time."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from timers import formatting
from timers.lifecycle import UNFINISHED_STEP, StepStatus, WorkflowStatus
from timers.models import Timer, WorkflowRun, WorkflowStep
from timers.queries.paging import Page, newest_first, page

PAGE_SIZE = 50
ORDER = newest_first("created_at")
MIN_WIDTH_PERCENT = 0.6
LABEL_WIDTH_PERCENT = 14.0

STATE_TEXTS = {
    StepStatus.SCHEDULED: "waiting",
    StepStatus.IN_PROGRESS: "running",
    StepStatus.FAILED_WITH_TERMINAL_ERROR: "failed",
}


@dataclass(frozen=True)
class RunRow:
    """One run in a list."""

    run: WorkflowRun
    took: timedelta

    @property
    def state(self) -> str:
        return self.run.status.replace("_", " ")

    @property
    def unfinished(self) -> bool:
        return self.run.status == WorkflowStatus.RUNNING


@dataclass(frozen=True)
class StepRow:
    """One task of a run: its state so far, or an entry for a task not reached yet."""

    reference: str
    type: str
    state: str
    said: str
    took: timedelta | None = None
    step: WorkflowStep | None = None

    @property
    def later(self) -> bool:
        return self.step is None

    @property
    def number(self) -> str:
        """The number of the attempt, empty for the first one."""
        if self.step is None or not self.step.retries:
            return ""
        return f"attempt {self.step.retries + 1}"


@dataclass(frozen=True)
class StepBar:
    """A step in the chart. Places are per cent of the width. `label` is empty when there is no room."""

    x: float
    width: float
    tone: str
    label: str
    waited: tuple[float, float] | None = None


@dataclass(frozen=True)
class AxisTick:
    x: float
    at: datetime
    anchor: str


@dataclass(frozen=True)
class RunDetail:
    """Read model of the page of one run."""

    row: RunRow
    steps: Sequence[StepRow]
    bars: Sequence[StepBar]
    ticks: Sequence[AxisTick]
    summary: str
    timer: Timer | None
    finished: int
    total: int


def runs_page(
    user: Any, *, now: datetime, status: str = "", name: str = "", owner: Any = None, marker: str | None = None
) -> Page[RunRow]:
    """Return a page of runs, newest first, from one query."""
    runs = WorkflowRun.objects.visible_to(user).defer("definition", "input", "output", "variables", "kept")
    if owner is not None:
        runs = runs.filter(owner=owner)
    if name:
        runs = runs.filter(name=name)
    if status in set(WorkflowStatus):
        runs = runs.filter(status=status)
    return page(runs, order=ORDER, limit=PAGE_SIZE, marker=marker).map(lambda run: run_row(run, now=now))


def run_row(run: WorkflowRun, *, now: datetime) -> RunRow:
    return RunRow(run, (run.finished_at or now) - run.created_at)


def find_run(user: Any, run_id: uuid.UUID) -> WorkflowRun | None:
    """Return the run, None if it does not exist or is not visible to the user."""
    return WorkflowRun.objects.visible_to(user).select_related("owner").filter(pk=run_id).first()


def run_detail(run: WorkflowRun, *, now: datetime) -> RunDetail:
    """Return a run with its tasks, including those not reached yet, from two queries."""
    steps = list(run.steps.order_by("seq"))
    tasks: list[Any] = run.definition.get("tasks") or []
    timer = Timer.objects.filter(pk=run.timer_id).first() if run.timer_id else None
    return RunDetail(
        row=run_row(run, now=now),
        steps=[*(_step_row(step, now=now) for step in steps), *_later_rows(run, steps, tasks)],
        bars=_bars(run, steps, now=now),
        ticks=_ticks(run, now=now),
        summary=_summary(steps),
        timer=timer,
        finished=sum(not step.is_retried and step.status not in UNFINISHED_STEP for step in steps),
        total=len(tasks),
    )


def _step_row(step: WorkflowStep, *, now: datetime) -> StepRow:
    since = step.started_at or step.scheduled_at
    took = (step.finished_at or now) - since if step.started_at or step.finished_at is None else None
    return StepRow(step.reference, step.type, _state(step), _status_text(step, now=now), took, step)


def _state(step: WorkflowStep) -> str:
    return STATE_TEXTS.get(StepStatus(step.status), step.status.replace("_", " "))


def _status_text(step: WorkflowStep, *, now: datetime) -> str:
    """Return the state of a step in one sentence."""
    if step.reason:
        again = " It was tried again." if step.is_retried else ""
        return f"{step.reason}{again}"
    if step.status == StepStatus.SCHEDULED:
        if step.run_at is not None and step.run_at > now:
            return f"is tried again in {formatting.duration(step.run_at - now)}"
        return f"waits for a worker that polls for {step.name}" if step.type == "SIMPLE" else "waits for a free worker"
    if step.status == StepStatus.IN_PROGRESS:
        return _running_text(step, now=now)
    return f"by {step.worker}" if step.worker and step.type == "SIMPLE" else ""


def _running_text(step: WorkflowStep, *, now: datetime) -> str:
    if step.type == "SIMPLE":
        answers = f"answers within {formatting.duration(step.response_timeout_seconds)}"
        return f"worker {step.worker}, heard {formatting.duration(now - step.updated_at)} ago, {answers}"
    if step.type == "WAIT" and step.run_at is not None:
        return f"waits for another {formatting.duration(max(timedelta(), step.run_at - now))}"
    return "waits for a result from outside" if step.type == "WAIT" else ""


def _later_rows(run: WorkflowRun, steps: Sequence[WorkflowStep], tasks: Sequence[Any]) -> list[StepRow]:
    if run.status != WorkflowStatus.RUNNING:
        return []
    before = steps[-1].reference if steps else ""
    rows = []
    for task in tasks[run.position + 1 :]:
        reference = str(task.get("taskReferenceName"))
        rows.append(StepRow(reference, str(task.get("type") or "SIMPLE"), "wait", f"waits for {before}"))
        before = reference
    return rows


# The chart


def _duration_seconds(run: WorkflowRun, now: datetime) -> float:
    return max(0.001, ((run.finished_at or now) - run.created_at).total_seconds())


def _bars(run: WorkflowRun, steps: Sequence[WorkflowStep], *, now: datetime) -> list[StepBar]:
    span = _duration_seconds(run, now)

    def place(instant: datetime) -> float:
        return round(min(100.0, max(0.0, 100 * (instant - run.created_at).total_seconds() / span)), 2)

    bars: list[StepBar] = []
    labelled = -LABEL_WIDTH_PERCENT
    for step in steps:
        begin = place(step.started_at or step.finished_at or now)
        end = place(step.finished_at or now)
        x = min(begin, 100 - MIN_WIDTH_PERCENT)
        label = step.reference if x - labelled >= LABEL_WIDTH_PERCENT and x <= 100 - LABEL_WIDTH_PERCENT / 2 else ""
        labelled = x if label else labelled
        queued = place(step.scheduled_at)
        waited = (queued, begin) if begin - queued > 1 else None
        bars.append(StepBar(x, max(MIN_WIDTH_PERCENT, round(end - x, 2)), _tone(step), label, waited))
    return bars


def _tone(step: WorkflowStep) -> str:
    if step.status in (StepStatus.COMPLETED, StepStatus.COMPLETED_WITH_ERRORS):
        return "ok"
    if step.status in UNFINISHED_STEP:
        return "run"
    return "idle" if step.status == StepStatus.CANCELLED else "bad"


def _ticks(run: WorkflowRun, *, now: datetime) -> list[AxisTick]:
    end = run.finished_at or now
    middle = run.created_at + (end - run.created_at) / 2
    return [AxisTick(0, run.created_at, "start"), AxisTick(50, middle, "middle"), AxisTick(100, end, "end")]


def _summary(steps: Sequence[WorkflowStep]) -> str:
    if not steps:
        return "No task was reached yet"
    states = [f"{step.reference} {_state(step)}" for step in steps[-6:]]
    return f"Tasks over time: {', '.join(states)}"
