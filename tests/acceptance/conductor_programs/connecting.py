"""How each program reaches the server: by the client's own environment variables."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from conductor.client.configuration.configuration import Configuration
from conductor.client.http.models.start_workflow_request import StartWorkflowRequest
from conductor.client.http.models.workflow_def import WorkflowDef
from conductor.client.http.models.workflow_task import WorkflowTask
from conductor.client.orkes_clients import OrkesClients


def configuration() -> Configuration:
    return Configuration()


def clients() -> OrkesClients:
    return OrkesClients(configuration())


def until(condition: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """Return the first true answer of `condition`; ends the program when it does not come in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if answer := condition():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"Waited {seconds} s in vain for {what}.")


def define(name: str, *tasks: WorkflowTask, **more: Any) -> WorkflowDef:
    return WorkflowDef(name=name, version=1, tasks=list(tasks), **more)


def start_request(workflow: str, **given: Any) -> StartWorkflowRequest:
    return StartWorkflowRequest(name=workflow, version=1, input=given)


def say(**facts: Any) -> None:
    """Print what the test looks at."""
    print("SAID", json.dumps(facts), flush=True)
