"""Definitions of workflows, of tasks, and requests to start one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers.errors import Invalid
from timers.workflow_rules import definitions, requests, task_definitions
from timers.workflow_rules.definitions import TaskType


def task(**changes: Any) -> dict[str, Any]:
    return {"name": "a", "taskReferenceName": "a_ref", "type": "SIMPLE", **changes}


def workflow(*tasks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"name": "w", "tasks": list(tasks) or [task()], **changes}


def refused(document: object) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as error:
        definitions.read(document)
    return error.value.fields


def test_what_is_left_out_has_its_default() -> None:
    read = definitions.read({"name": "w", "tasks": [{"name": "a", "taskReferenceName": "r"}]})

    assert (read.version, read.tasks[0].type, read.tasks[0].optional, read.outputs) == (1, TaskType.SIMPLE, False, None)


@pytest.mark.parametrize(
    "kind",
    ["SWITCH", "FORK_JOIN", "DO_WHILE", "SUB_WORKFLOW", "INLINE", "JSON_JQ_TRANSFORM", "EVENT", "HUMAN", "simple", 5],
)
def test_any_other_type_is_refused_and_named(kind: Any) -> None:
    fields = refused(workflow(task(), task(taskReferenceName="b", name="choose", type=kind)))

    assert list(fields) == ["tasks.1.type"]
    assert repr(kind) in fields["tasks.1.type"][0] and "'choose'" in fields["tasks.1.type"][0]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], ""),
        ({"tasks": [task()]}, "name"),
        (workflow(name="a/b"), "name"),
        (workflow(name="x" * 256), "name"),
        (workflow(version=0), "version"),
        (workflow(version="1"), "version"),
        ({"name": "w", "tasks": []}, "tasks"),
        ({"name": "w", "tasks": "x"}, "tasks"),
        ({"name": "w", "tasks": [5]}, "tasks.0"),
        (workflow(task(), task()), "tasks.1.taskReferenceName"),
        (workflow(task(taskReferenceName="workflow")), "tasks.0.taskReferenceName"),
        (workflow(task(inputParameters=[])), "tasks.0.inputParameters"),
        (workflow(task(type="HTTP")), "tasks.0.inputParameters.http_request"),
        (workflow(task(type="HTTP", inputParameters={"http_request": {}})), "tasks.0.inputParameters.http_request.uri"),
        (workflow(task(type="WAIT", inputParameters={"duration": "soon"})), "tasks.0.inputParameters.duration"),
        (workflow(task(type="WAIT", inputParameters={"until": "2026-13-01"})), "tasks.0.inputParameters.until"),
        (
            workflow(task(type="TERMINATE", inputParameters={"terminationStatus": "MAYBE"})),
            "tasks.0.inputParameters.terminationStatus",
        ),
        (workflow(task(type="CODE")), "tasks.0.inputParameters.function"),
        (workflow(task(retryCount=-1)), "tasks.0.retryCount"),
        (workflow(timeoutPolicy="NEVER"), "timeoutPolicy"),
        (workflow(timeoutSeconds=-1), "timeoutSeconds"),
        (workflow(inputParameters={"a": 1}), "inputParameters"),
    ],
)
def test_a_complaint_names_the_place(document: object, field: str) -> None:
    assert list(refused(document)) == [field]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["name", "tasks", "type", "taskReferenceName", "version", "x"]), inner)
        ),
    )
)
def test_no_document_is_worse_than_refused(document: Any) -> None:
    for read in (definitions.read, task_definitions.read):
        try:
            read(document)
        except Invalid:
            continue


@pytest.mark.parametrize(
    ("logic", "delays"),
    [("FIXED", [10, 10, 10]), ("LINEAR_BACKOFF", [20, 40, 60]), ("EXPONENTIAL_BACKOFF", [10, 20, 40])],
)
def test_retries_are_put_off_as_the_task_definition_says(logic: str, delays: list[int]) -> None:
    document = {"name": "t", "retryDelaySeconds": 10, "retryLogic": logic, "backoffScaleFactor": 2}

    _, patience = task_definitions.read(document)

    assert [patience.delay(retry) for retry in (1, 2, 3)] == delays


def test_a_task_definition_retries_three_times_and_a_task_without_one_never() -> None:
    assert task_definitions.read({"name": "t"})[1].retries == 3
    assert task_definitions.UNDEFINED.retries == 0


def test_a_start_request_is_read_and_a_slip_of_the_pen_is_not_lost() -> None:
    read = requests.read({"name": "w", "version": 2, "correlationId": "c", "input": {"a": 1}, "idempotencyKey": "k"})

    assert (read.name, read.version, read.correlation_id, read.input, read.kept) == (
        "w",
        2,
        "c",
        {"a": 1},
        {"idempotencyKey": "k"},
    )
    for wrong in (
        {"name": "w", "inputs": {}},
        {"version": 1},
        {"name": "w", "input": []},
        {"name": "w", "priority": 100},
    ):
        with pytest.raises(Invalid):
            requests.read(wrong)


def test_a_definition_inside_a_request_is_checked_too() -> None:
    with pytest.raises(Invalid) as error:
        requests.read({"name": "w", "workflowDef": workflow(task(type="SWITCH"))})

    assert list(error.value.fields) == ["workflowDef.tasks.0.type"]
