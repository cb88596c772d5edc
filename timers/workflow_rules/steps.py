"""What comes next in a run: pure decisions that services carry out without further conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from timers.errors import Invalid
from timers.lifecycle import StepStatus, WorkflowStatus
from timers.workflow_rules.definitions import AT_ONCE, ENDINGS, Task, TaskType, Workflow
from timers.workflow_rules.references import MAX_BYTES, resolve, weight
from timers.workflow_rules.task_definitions import RetryRule, TimeoutPolicy


@dataclass(frozen=True)
class RunState:
    """What a run knows so far. `steps` maps references to what can be named of each step that ended."""

    facts: Mapping[str, Any]
    """The run itself: workflowId, input and so on."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def scope(self) -> dict[str, Any]:
        """Return what references are looked up in."""
        return {**self.steps, "workflow": {**self.facts, "variables": self.variables}}


@dataclass(frozen=True)
class Passed:
    """A step that was done the moment it was reached."""

    position: int
    task: Task
    inputs: dict[str, Any]
    output: dict[str, Any]


@dataclass(frozen=True)
class Next:
    """The step that the run waits for from now on; its input still lacks the template of its task definition."""

    position: int
    task: Task
    inputs: dict[str, Any]


@dataclass(frozen=True)
class RunEnd:
    """How the run ends."""

    status: WorkflowStatus
    output: dict[str, Any]
    reason: str | None = None


@dataclass(frozen=True)
class Course:
    """What to record: steps that were passed, the variables after them, and then a step to wait for or the end."""

    passed: tuple[Passed, ...]
    variables: Mapping[str, Any]
    then: Next | RunEnd


def advance(workflow: Workflow, position: int, known: RunState) -> Course:
    """Return how the run goes on from the task at `position`; beyond the last one it ends.

    A run whose references come to more than can be kept has failed.
    """
    passed: list[Passed] = []
    try:
        return _follow(workflow, position, known, passed)
    except Invalid as error:
        return Course(tuple(passed), known.variables, RunEnd(WorkflowStatus.FAILED, {}, error.message))


def _follow(workflow: Workflow, position: int, known: RunState, passed: list[Passed]) -> Course:
    """Return the same, noting what was passed; raises Invalid naming the task whose references are too much."""
    room = MAX_BYTES
    for number, task in enumerate(workflow.tasks[position:], position):
        try:
            inputs = resolve(task.inputs, known.scope())
            room -= weight(inputs, most=room)
        except Invalid as error:
            raise error.under(f"Task {task.reference}") from None
        if task.type not in AT_ONCE:
            return Course(tuple(passed), known.variables, Next(number, task, inputs))
        output = {} if task.type is TaskType.SET_VARIABLE else _ending_output(inputs)
        passed.append(Passed(number, task, inputs, output))
        known = _after(known, passed[-1])
        if task.type is TaskType.TERMINATE:
            return Course(tuple(passed), known.variables, _terminated(workflow, inputs, known))
    return Course(tuple(passed), known.variables, RunEnd(WorkflowStatus.COMPLETED, _output(workflow, known)))


def _after(known: RunState, passed: Passed) -> RunState:
    variables = {**known.variables, **passed.inputs} if passed.task.type is TaskType.SET_VARIABLE else known.variables
    step = {"input": passed.inputs, "output": passed.output, "status": "COMPLETED"}
    return RunState(known.facts, variables, {**known.steps, passed.task.reference: step})


def _ending_output(inputs: Mapping[str, Any]) -> dict[str, Any]:
    output = inputs.get("workflowOutput")
    return dict(output) if isinstance(output, Mapping) else {} if output is None else {"output": output}


def _terminated(workflow: Workflow, inputs: Mapping[str, Any], known: RunState) -> RunEnd:
    status = inputs.get("terminationStatus") or "COMPLETED"
    given = inputs.get("workflowOutput")
    output = _output(workflow, known) if given is None and workflow.outputs else _ending_output(inputs)
    reason = inputs.get("terminationReason")
    if status not in ENDINGS:
        return RunEnd(WorkflowStatus.FAILED, output, f"The TERMINATE task was given the unknown status {status!r}.")
    if reason is None and status != "COMPLETED":
        reason = f"A TERMINATE task ended the workflow as {status}."
    return RunEnd(WorkflowStatus(status.lower()), output, None if reason is None else str(reason))


def _output(workflow: Workflow, known: RunState) -> dict[str, Any]:
    """Return what the workflow's output parameters name, or the output of the last step."""
    if workflow.outputs is not None:
        output = dict(resolve(workflow.outputs, known.scope()))
        weight(output, most=MAX_BYTES)
        return output
    last: Sequence[Mapping[str, Any]] = list(known.steps.values())[-1:]
    return dict(last[0].get("output") or {}) if last else {}


# After a step has ended


class Then(StrEnum):
    """What follows a step that ended."""

    GO_ON = "go_on"
    RETRY = "retry"
    END_RUN = "end_run"


@dataclass(frozen=True)
class StepVerdict:
    """What a step that ended is recorded as, and what follows; `delay` is in seconds, before a retry."""

    status: StepStatus
    then: Then
    delay: int = 0
    run_status: WorkflowStatus = WorkflowStatus.FAILED


def judge(
    ended: StepStatus, *, optional: bool, retries: int, most: int, patience: RetryRule, overdue: bool = False
) -> StepVerdict:
    """Return what follows a step that ended so, after `retries` retries of at most `most`.

    `overdue`: it took longer than its task definition allows, as opposed to a worker that fell silent.
    """
    if ended in (StepStatus.COMPLETED, StepStatus.COMPLETED_WITH_ERRORS):
        return StepVerdict(ended, Then.GO_ON)
    final = ended is StepStatus.FAILED_WITH_TERMINAL_ERROR
    if overdue and patience.timeout_policy is TimeoutPolicy.TIME_OUT_WF:
        final = True
    if not final and retries < most:
        return StepVerdict(ended, Then.RETRY, delay=patience.delay(retries + 1))
    if optional:
        return StepVerdict(StepStatus.COMPLETED_WITH_ERRORS, Then.GO_ON)
    timed_out = ended is StepStatus.TIMED_OUT
    return StepVerdict(ended, Then.END_RUN, run_status=WorkflowStatus.TIMED_OUT if timed_out else WorkflowStatus.FAILED)
