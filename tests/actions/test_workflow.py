"""The action workflow."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tests.contracts.action import ActionContract
from timers.actions.workflow import WorkflowAction

INLINE = {"name": "w", "tasks": [{"name": "a", "taskReferenceName": "a", "type": "SWITCH"}]}


class TestWorkflowContract(ActionContract):
    action = WorkflowAction
    good: ClassVar[list[dict[str, Any]]] = [
        {"name": "flow"},
        {"name": "flow", "version": 2, "input": {"x": [1]}, "correlationId": "c", "priority": 5, "taskToDomain": {}},
    ]
    bad: ClassVar[list[tuple[dict[str, Any], str]]] = [
        ({}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "a", "version": -1}, "version"),
        ({"name": "a", "input": 5}, "input"),
        ({"name": "a", "inputs": {}}, "inputs"),
        ({"name": "a", "workflowDef": INLINE}, "workflowDef.tasks.0.type"),
    ]


@pytest.mark.parametrize(("body", "text"), [({"name": "flow"}, "flow"), ({"name": "flow", "version": 2}, "flow v2")])
def test_lists_show_its_name(body: dict[str, Any], text: str) -> None:
    assert WorkflowAction.summary(body) == text
