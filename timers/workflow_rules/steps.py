"""Decisions on the next step of a run. They are pure; services carry them out without further conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from timers.errors import Invalid
from timers.lifecycle import StepStatus, WorkflowStatus
from timers.workflow_rules.definitions import IMMEDIATE_TYPES, TERMINATION_STATUSES, Task, TaskType, Workflow
from timers.workflow_rules.references import MAX_BYTES, resolve, weight
from timers.workflow_rules.task_definitions import RetryRule, TimeoutPolicy


@dataclass(frozen=True)
class RunState:
    """The state of a run so far. `steps` maps references to the values of each ended step."""

    facts: Mapping[str, Any]
    """The run itself: workflowId, input and so on."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def scope(self) -> dict[str, Any]:
        """Return the values in which references are looked up."""
        return {**self.steps, "workflow": {**self.facts, "variables": self.variables}}


@dataclass(frozen=True)
class PassedStep:
    """A step that was completed as soon as it was reached."""

    position: int
    task: Task
    inputs: dict[str, Any]
    output: dict[str, Any]


@dataclass(frozen=True)
class NextStep:
    """The step that the run waits for. Its inputs do not include the template of its task definition yet."""

    position: int
    task: Task
    inputs: dict[str, Any]


@dataclass(frozen=True)
class RunEnd:
    """The end of a run."""

    status: WorkflowStatus
    output: dict[str, Any]
    reason: str | None = None


@dataclass(frozen=True)
class RunProgress:
    """The progress to record: passed steps, the variables after them, and then a step to wait for or the end."""

    passed: tuple[PassedStep, ...]
    variables: Mapping[str, Any]
    then: NextStep | RunEnd


def advance(workflow: Workflow, position: int, known: RunState) -> RunProgress:
    """Return the progress of a run from the task at `position` on. After the last task the run ends.

    A run whose references yield too large values fails.
    """
    passed: list[PassedStep] = []
    try:
        return _advance(workflow, position, known, passed)
    except Invalid as error:
        return RunProgress(tuple(passed), known.variables, RunEnd(WorkflowStatus.FAILED, {}, error.message))


def _advance(workflow: Workflow, position: int, known: RunState, passed: list[PassedStep]) -> RunProgress:
    """Return the progress and add passed steps to `passed`. Raises Invalid naming a task with too large inputs."""
    budget = MAX_BYTES
    for number, task in enumerate(workflow.tasks[position:], position):
        try:
            inputs = resolve(task.inputs, known.scope())
            budget -= weight(inputs, most=budget)
        except Invalid as error:
            raise error.under(f"Task {task.reference}") from None
        if task.type not in IMMEDIATE_TYPES:
            return RunProgress(tuple(passed), known.variables, NextStep(number, task, inputs))
        output = {} if task.type is TaskType.SET_VARIABLE else _ending_output(inputs)
        passed.append(PassedStep(number, task, inputs, output))
        known = _after(known, passed[-1])
        if task.type is TaskType.TERMINATE:
            return RunProgress(tuple(passed), known.variables, _terminated(workflow, inputs, known))
    return RunProgress(tuple(passed), known.variables, RunEnd(WorkflowStatus.COMPLETED, _output(workflow, known)))


def _after(known: RunState, passed: PassedStep) -> RunState:
    variables = {**known.variables, **passed.inputs} if passed.task.type is TaskType.SET_VARIABLE else known.variables
    step = {"input": passed.inputs, "output": passed.output, "status": "COMPLETED"}
    return RunState(known.facts, variables, {**known.steps, passed.task.reference: step})


def _ending_output(inputs: Mapping[str, Any]) -> dict[str, Any]:
    output = inputs.get("workflowOutput")
    if output is None:
        return {}
    return dict(output) if isinstance(output, Mapping) else {"output": output}


def _terminated(workflow: Workflow, inputs: Mapping[str, Any], known: RunState) -> RunEnd:
    status = inputs.get("terminationStatus") or "COMPLETED"
    given = inputs.get("workflowOutput")
    output = _output(workflow, known) if given is None and workflow.outputs else _ending_output(inputs)
    reason = inputs.get("terminationReason")
    if status not in TERMINATION_STATUSES:
        return RunEnd(WorkflowStatus.FAILED, output, f"The TERMINATE task was given the unknown status {status!r}.")
    if reason is None and status != "COMPLETED":
        reason = f"A TERMINATE task ended the workflow as {status}."
    return RunEnd(WorkflowStatus(status.lower()), output, None if reason is None else str(reason))


def _output(workflow: Workflow, known: RunState) -> dict[str, Any]:
    """Return the workflow's output parameters, or else the output of the last step."""
    if workflow.outputs is not None:
        output = dict(resolve(workflow.outputs, known.scope()))
        weight(output, most=MAX_BYTES)
        return output
    last: Sequence[Mapping[str, Any]] = list(known.steps.values())[-1:]
    return dict(last[0].get("output") or {}) if last else {}


# After a step has ended


class FollowUp(StrEnum):
    """The reaction to an ended step."""

    CONTINUE = "continue"
    RETRY = "retry"
    END_RUN = "end_run"


@dataclass(frozen=True)
class StepVerdict:
    """The status to record for an ended step, and the reaction; `delay` is the seconds before a retry."""

    status: StepStatus
    then: FollowUp
    delay: int = 0
    run_status: WorkflowStatus = WorkflowStatus.FAILED


def judge(
    status: StepStatus, *, optional: bool, retries: int, most: int, rule: RetryRule, overdue: bool = False
) -> StepVerdict:
    """Return the verdict on a step that ended with a status, after `retries` of at most `most` retries.

    `overdue`: it exceeded the time limit of its task definition, as opposed to a worker that stopped responding.
    """
    if status in (StepStatus.COMPLETED, StepStatus.COMPLETED_WITH_ERRORS):
        return StepVerdict(status, FollowUp.CONTINUE)
    final = status is StepStatus.FAILED_WITH_TERMINAL_ERROR
    if overdue and rule.timeout_policy is TimeoutPolicy.TIME_OUT_WF:
        final = True
    if not final and retries < most:
        return StepVerdict(status, FollowUp.RETRY, delay=rule.delay(retries + 1))
    if optional:
        return StepVerdict(StepStatus.COMPLETED_WITH_ERRORS, FollowUp.CONTINUE)
    timed_out = status is StepStatus.TIMED_OUT
    return StepVerdict(
        status, FollowUp.END_RUN, run_status=WorkflowStatus.TIMED_OUT if timed_out else WorkflowStatus.FAILED
    )
