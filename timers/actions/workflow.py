"""The action `workflow`: it starts a workflow and waits for it without holding a worker."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import Any, ClassVar

from django.db import connections

from timers import clock
from timers.actions.base import Action, Context, Defaults, Outcome
from timers.services.workflows import runs as workflow_runs
from timers.services.workflows.runs import ExecutionStart

MAX_STARTS_PER_TRANSACTION = 100
"""Number of workflows that are started in one transaction."""

IDLE_SECONDS = 5.0


class WorkflowAction(Action):
    """Starts the workflow of a Conductor StartWorkflowRequest; the execution ends with the outcome of the run."""

    kind: ClassVar[str] = "workflow"
    label: ClassVar[str] = "Workflow"
    icon: ClassVar[str] = "workflow"
    defaults: ClassVar[Defaults] = Defaults(max_attempts=1, timeout_seconds=None)
    form: ClassVar[str] = "timers.web.timers.action_forms.workflow.WorkflowForm"
    input_fields: ClassVar[tuple[str, ...]] = ("input",)

    @classmethod
    def clean(cls, body: Mapping[str, Any], *, owner: Any) -> dict[str, Any]:
        return workflow_runs.check_request(body)

    def run(self, context: Context) -> Outcome:
        """Start the workflow, or continue the run that an earlier attempt of this execution began."""
        assert context.timer_id is not None  # a workflow cannot be a step of another
        request = ExecutionStart(
            owner_id=context.owner_id,
            body=context.parameters,
            execution_id=context.execution_id,
            timer_id=context.timer_id,
            attempt=context.attempt,
        )
        return _starter(os.getpid()).start(request)

    def cancel(self, context: Context) -> None:
        workflow_runs.terminate_of_execution(context.execution_id, now=clock.now())

    @classmethod
    def summary(cls, body: Mapping[str, Any]) -> str:
        version = body.get("version")
        return f"{body.get('name', cls.label)}{f' v{version}' if version else ''}"


class _Starter:
    """One thread that starts workflows for many waiting ones: a thousand that are due together need one connection."""

    def __init__(self) -> None:
        self._requests: SimpleQueue[tuple[ExecutionStart, Future[Outcome]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, request: ExecutionStart) -> Outcome:
        future: Future[Outcome] = Future()
        with self._lock:
            self._requests.put((request, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="timers-workflow-starts", daemon=True)
                self._thread.start()
        return future.result()

    def _run(self) -> None:
        while True:
            try:
                batch = [self._requests.get(timeout=IDLE_SECONDS)]
            except Empty:
                connections.close_all()
                with self._lock:
                    if self._requests.empty():
                        self._thread = None
                        return
                continue
            while len(batch) < MAX_STARTS_PER_TRANSACTION and not self._requests.empty():
                batch.append(self._requests.get())
            self._start(batch)

    @staticmethod
    def _start(batch: list[tuple[ExecutionStart, Future[Outcome]]]) -> None:
        try:
            outcomes = workflow_runs.start_for_executions([request for request, _ in batch], now=clock.now())
        except BaseException as error:  # every waiting execution records it
            connections.close_all()
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            future.set_result(outcome)


@lru_cache(maxsize=1)
def _starter(process: int) -> _Starter:
    """Return the starter of this process: threads do not survive a fork."""
    return _Starter()
