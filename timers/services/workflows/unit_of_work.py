"""Changes to many runs of workflows, gathered and then written by a few statements in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from timers.actions.base import Outcome
from timers.clock import to_us
from timers.messaging import queue
from timers.models import WorkflowRun, WorkflowStep
from timers.models.statement import Statement
from timers.services.executions import complete
from timers.services.transfers import commands as transfers
from timers.services.workflows.definitions import retry_rule_of
from timers.workflow_rules.task_definitions import RetryRule

GROUP_LIMIT = 20
"""Steps in one message."""

_WRITE_RUNS = Statement[Any](
    """
update timers_workflowrun as r set status = v.status, position = v.position, updated_at = v.updated_at,
  finished_at = v.finished_at, reason = v.reason, variables = v.variables, output = v.output
from {rows[id uuid, status text, position integer, updated_at bigint, finished_at bigint, reason text,
  variables jsonb, output jsonb]} where r.id = v.id""",
)

_END_STEPS = Statement[Any](
    """
update timers_workflowstep as s set status = v.status, updated_at = v.ended_at, finished_at = v.ended_at,
  lease_until = null, lease_owner = null, reason = v.reason, worker = v.worker, is_retried = v.is_retried,
  output = v.output
from {rows[id uuid, status text, ended_at bigint, reason text, worker text, is_retried boolean,
  output jsonb]} where s.id = v.id and s.status in ('scheduled', 'in_progress')""",
)


class UnitOfWork:
    """Changes to runs and steps whose runs are locked; `flush` writes them, within the same transaction."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._new: dict[UUID, WorkflowStep] = {}
        self._ended: dict[UUID, WorkflowStep] = {}
        self._runs: dict[UUID, WorkflowRun] = {}
        self._wake: list[UUID] = []
        self._executions: list[tuple[UUID, int, Outcome]] = []
        self._transfers: list[UUID] = []
        self._later = False
        self._steps: dict[UUID, list[WorkflowStep]] = {}
        self._patience: dict[tuple[int, str], RetryRule] = {}

    # What is known

    def read_steps(self, runs: Iterable[WorkflowRun]) -> None:
        """Read the steps of all these runs at once."""
        known = {run.pk: run for run in runs}
        self._steps |= {run_id: [] for run_id in known}
        for step in WorkflowStep.objects.filter(run_id__in=list(known)).order_by("run_id", "seq"):
            step.run = known[step.run_id]
            self._steps[step.run_id].append(step)

    def steps_of(self, run: WorkflowRun) -> list[WorkflowStep]:
        """Return the steps of a run as they are now, in order."""
        if run.pk not in self._steps:
            self.read_steps([run])
        return self._steps[run.pk]

    def patience_of(self, owner_id: int, name: str) -> RetryRule:
        """Return how patiently tasks of that name are tried."""
        if (owner_id, name) not in self._patience:
            self._patience[owner_id, name] = retry_rule_of(owner_id, name)
        return self._patience[owner_id, name]

    # What changes

    def new_run(self, run: WorkflowRun) -> None:
        """Note a run that is stored already and has no steps yet."""
        self._steps[run.pk] = []

    def new_step(self, step: WorkflowStep) -> None:
        """Note a step that is to be stored."""
        self._new[step.pk] = step
        self.steps_of(step.run).append(step)

    def step_ended(self, step: WorkflowStep) -> None:
        """Note a step whose end is to be written."""
        if step.pk not in self._new:  # else it is written as it is now
            self._ended[step.pk] = step

    def run_changed(self, run: WorkflowRun) -> None:
        """Note a run whose state and place are to be written."""
        self._runs[run.pk] = run

    def wake(self, step_id: UUID) -> None:
        """Have a worker of ours woken for a step."""
        self._wake.append(step_id)

    def due_later(self) -> None:
        """Have dispatchers read the next instant anew."""
        self._later = True

    def execution_ended(self, execution_id: UUID, attempt: int, outcome: Outcome) -> None:
        """Note that the execution which waits for a run ends with it."""
        self._executions.append((execution_id, attempt, outcome))

    def transfer_given_up(self, step_id: UUID) -> None:
        """Note that the transfer of a cancelled step is to be cancelled."""
        self._transfers.append(step_id)

    def flush(self) -> None:
        """Write everything, and send the messages that belong to it."""
        self._write_steps()
        self._write_runs()
        WorkflowStep.objects.bulk_create(self._new.values())
        send(self._wake)
        if self._later:
            queue.wake_dispatchers()
        complete.finish_all_elsewhere(self._executions, now=self.now)
        for step_id in self._transfers:  # after the commit: who ends a transfer locks it first, then the run
            transaction.on_commit(partial(transfers.cancel_for_step, step_id, now=self.now))

    def _write_steps(self) -> None:
        values = [
            (
                step.pk.hex,
                step.status,
                to_us(step.finished_at or self.now),
                step.reason,
                step.worker,
                step.is_retried,
                json.dumps(step.output),
            )
            for step in self._ended.values()
        ]
        if values:
            _END_STEPS.change(rows=values)

    def _write_runs(self) -> None:
        values = [
            (
                run.pk.hex,
                run.status,
                run.position,
                to_us(run.updated_at),
                None if run.finished_at is None else to_us(run.finished_at),
                run.reason,
                json.dumps(run.variables),
                json.dumps(run.output),
            )
            for run in self._runs.values()
        ]
        if values:
            _WRITE_RUNS.change(rows=values)


def send(step_ids: Iterable[UUID]) -> None:
    """Send messages that wake workers for these steps, as part of the transaction; a burst goes in groups."""
    ids = [str(step_id) for step_id in step_ids]
    size = max(1, min(GROUP_LIMIT, -(-len(ids) // (2 * settings.TIMERS_WORKERS))))
    queue.send([queue.package(queue.RUN_STEPS, ids[start : start + size]) for start in range(0, len(ids), size)])
