"""What comes next in a run: as tables, and for any workflow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers.lifecycle import StepStatus, WorkflowStatus
from timers.workflow_rules import definitions
from timers.workflow_rules.definitions import IMMEDIATE_TYPES
from timers.workflow_rules.steps import FollowUp, NextStep, RunEnd, RunState, advance, judge
from timers.workflow_rules.task_definitions import RetryRule, TimeoutPolicy

SET = {"name": "s", "type": "SET_VARIABLE", "inputParameters": {"seen": "${workflow.input.x}"}}
ASK = {"name": "ask", "type": "SIMPLE", "inputParameters": {"seen": "${workflow.variables.seen}"}}


def workflow(*tasks: dict[str, Any], **more: Any) -> definitions.Workflow:
    numbered = [{"taskReferenceName": f"t{number}", **each} for number, each in enumerate(tasks)]
    return definitions.read({"name": "w", "tasks": numbered, **more})


def known(**steps: Any) -> RunState:
    return RunState(
        {"workflowId": "id", "input": {"x": 5}}, {}, {name: {"output": each} for name, each in steps.items()}
    )


def test_variables_count_for_the_next_task() -> None:
    course = advance(workflow(SET, ASK), 0, known())

    assert [each.task.reference for each in course.passed] == ["t0"]
    assert course.variables == {"seen": 5}
    assert isinstance(course.then, NextStep)
    assert (course.then.position, course.then.inputs) == (1, {"seen": 5})


def test_the_output_is_that_of_the_last_task_unless_the_workflow_says_otherwise() -> None:
    last = advance(workflow(ASK, ASK), 2, known(t0={"a": 1}, t1={"b": 2})).then
    named = advance(workflow(ASK, outputParameters={"a": "${t0.output.a}"}), 1, known(t0={"a": 1})).then

    assert isinstance(last, RunEnd) and last.output == {"b": 2}
    assert isinstance(named, RunEnd) and (named.status, named.output) == (WorkflowStatus.COMPLETED, {"a": 1})


@pytest.mark.parametrize(
    ("inputs", "status", "output"),
    [
        ({}, "completed", {}),
        ({"terminationStatus": "FAILED", "workflowOutput": {"why": "${workflow.input.x}"}}, "failed", {"why": 5}),
        ({"terminationStatus": "TERMINATED"}, "terminated", {}),
        ({"terminationStatus": "${workflow.input.x}"}, "failed", {}),
    ],
)
def test_a_terminate_task_ends_the_run(inputs: dict[str, Any], status: str, output: dict[str, Any]) -> None:
    course = advance(workflow({"name": "end", "type": "TERMINATE", "inputParameters": inputs}, ASK), 0, known())

    assert isinstance(course.then, RunEnd)
    assert (course.then.status, course.then.output) == (status, output)


@given(st.lists(st.sampled_from(["SIMPLE", "SET_VARIABLE", "WAIT", "TERMINATE"]), min_size=1, max_size=12))
def test_every_run_comes_to_an_end_and_no_task_is_reached_twice(types: list[str]) -> None:
    tasks = workflow(*({"name": "x", "type": each, "inputParameters": {"a": "${t0.output.a}"}} for each in types))
    reached: list[int] = []
    position, now = 0, known()
    while True:
        course = advance(tasks, position, now)
        reached += [each.position for each in course.passed]
        if isinstance(course.then, RunEnd):
            break
        reached.append(course.then.position)
        position = course.then.position + 1

    stops = types.index("TERMINATE") + 1 if "TERMINATE" in types else len(types)
    assert reached == list(range(stops))
    assert all(each.task.type in IMMEDIATE_TYPES for each in course.passed)


@pytest.mark.parametrize(
    "more",
    [
        "${workflow.variables.x}${workflow.variables.x}",
        ["${workflow.variables.x}"] * 2,
        {"x": "${workflow.variables.x}"},
    ],
)
def test_references_that_grow_without_end_fail_the_run_and_not_the_machine(more: Any) -> None:
    grows = {"name": "s", "type": "SET_VARIABLE", "inputParameters": {"x": more}}

    course = advance(workflow({**SET, "inputParameters": {"x": "ab"}}, *[grows] * 500), 0, known())

    assert isinstance(course.then, RunEnd) and course.then.status == WorkflowStatus.FAILED
    assert course.then.reason is not None and course.then.reason.startswith(f"Task t{len(course.passed)}: ")
    assert len(json.dumps([each.inputs for each in course.passed])) < 20_000_000


def test_the_outputs_of_a_run_are_limited_too() -> None:
    many = {f"x{number}": "${workflow.variables.x}" for number in range(20)}
    large = {**SET, "inputParameters": {"x": "a" * 1_000_000}}

    course = advance(workflow(large, outputParameters=many), 0, known())

    assert isinstance(course.then, RunEnd) and (course.then.status, course.then.output) == (WorkflowStatus.FAILED, {})


PATIENT = RetryRule(retries=2, delay_seconds=7)


@pytest.mark.parametrize(
    ("ended", "retries", "optional", "then", "status"),
    [
        ("completed", 0, False, "continue", "completed"),
        ("failed", 0, False, "retry", "failed"),
        ("failed", 1, True, "retry", "failed"),
        ("failed", 2, False, "end_run", "failed"),
        ("failed", 2, True, "continue", "completed_with_errors"),
        ("failed_with_terminal_error", 0, False, "end_run", "failed_with_terminal_error"),
        ("failed_with_terminal_error", 0, True, "continue", "completed_with_errors"),
        ("timed_out", 0, False, "retry", "timed_out"),
        ("timed_out", 2, False, "end_run", "timed_out"),
    ],
)
def test_retries_and_optional_tasks(ended: str, retries: int, optional: bool, then: str, status: str) -> None:
    verdict = judge(StepStatus(ended), optional=optional, retries=retries, most=2, rule=PATIENT)

    assert (verdict.then, verdict.status) == (then, status)
    assert verdict.delay == (7 if then == "retry" else 0)
    if ended == "timed_out":
        assert verdict.run_status == WorkflowStatus.TIMED_OUT or verdict.then is FollowUp.RETRY


def test_a_task_that_takes_too_long_ends_the_run_unless_it_may_be_tried_again() -> None:
    strict = RetryRule(retries=2, timeout_policy=TimeoutPolicy.TIME_OUT_WF)
    patient = RetryRule(retries=2, timeout_policy=TimeoutPolicy.RETRY)

    def then(patience: RetryRule) -> FollowUp:
        return judge(StepStatus.TIMED_OUT, optional=False, retries=0, most=2, rule=patience, overdue=True).then

    assert (then(strict), then(patient)) == (FollowUp.END_RUN, FollowUp.RETRY)
