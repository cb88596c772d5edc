"""The action that starts a workflow and waits for it without holding a worker."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth import get_user_model

from timers import clock
from timers.actions.base import Action, Context, Defaults, Outcome
from timers.services import workflow_runs

_few = threading.BoundedSemaphore(4)
"""Each start needs a connection to the database for a moment; a thousand that are due together take turns."""


class WorkflowAction(Action):
    """Starts what Conductor's StartWorkflowRequest names; the execution ends as the run does."""

    kind: ClassVar[str] = "workflow"
    label: ClassVar[str] = "Workflow"
    icon: ClassVar[str] = "workflow"
    defaults: ClassVar[Defaults] = Defaults(max_attempts=1, timeout_seconds=None)

    @classmethod
    def clean(cls, body: Mapping[str, Any], *, owner: Any) -> dict[str, Any]:
        return workflow_runs.check_request(body)

    def run(self, context: Context) -> Outcome:
        """Start the workflow; a run that an earlier attempt of this execution began is gone on with."""
        assert context.timer_id is not None  # a workflow is no step of another
        with _few:
            return workflow_runs.start_for_execution(
                owner=get_user_model().objects.get(pk=context.owner_id),
                body=context.parameters,
                execution_id=context.execution_id,
                timer_id=context.timer_id,
                attempt=context.attempt,
                now=clock.now(),
            )

    def cancel(self, context: Context) -> None:
        workflow_runs.terminate_of_execution(context.execution_id, now=clock.now())

    @classmethod
    def summary(cls, body: Mapping[str, Any]) -> str:
        version = body.get("version")
        return f"{body.get('name', cls.label)}{f' v{version}' if version else ''}"
