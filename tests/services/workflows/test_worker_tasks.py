"""Tasks for real workers: handed out once, kept alive, reported on, and put back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.services.workflows.factories import reloaded, simple, start, steps
from timers.errors import NotFound
from timers.lifecycle import StepStatus
from timers.models import WorkflowStep
from timers.services.workflows import definitions as workflow_definitions
from timers.services.workflows import wakeups, worker_tasks
from timers.services.workflows.worker_tasks import WorkerResult, poll, report

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def result(step: WorkflowStep, status: str = "completed", **more: Any) -> WorkerResult:
    return WorkerResult(run_id=step.run_id, step_id=step.pk, status=StepStatus(status), worker="w1", **more)


def test_a_task_is_handed_out_once_and_its_result_ends_the_run(owner: Any, now: datetime) -> None:
    run = start(owner, simple(x="${workflow.input.x}"), now=now, input={"x": [1]})

    (step,) = poll(owner.pk, "ask", worker="w1", count=5, now=now)
    assert poll(owner.pk, "ask", worker="w2", count=5, now=now) == []
    report(owner, result(step, output={"y": 2}), now=now + SECOND)

    assert (step.input, step.polls, step.worker) == ({"x": [1]}, 1, "w1")
    assert (reloaded(run).status, reloaded(run).output) == ("completed", {"y": 2})


def test_workers_get_no_more_than_they_ask_for_oldest_first(owner: Any, now: datetime) -> None:
    runs = [start(owner, simple(), now=now + number * SECOND) for number in range(3)]

    taken = poll(owner.pk, "ask", worker="w1", count=2, now=now + 5 * SECOND)

    assert [each.run_id for each in taken] == [each.pk for each in runs[:2]]
    assert poll(owner.pk, "ask", worker="w1", count=0, now=now + 5 * SECOND) == []
    assert worker_tasks.waiting_counts(owner, ["ask", "other"]) == {"ask": 1, "other": 0}


def test_nobody_gets_the_tasks_of_others(owner: Any, stranger: Any, now: datetime) -> None:
    start(owner, simple(), now=now)

    assert poll(stranger.pk, "ask", worker="w1", now=now) == []
    (step,) = poll(owner.pk, "ask", worker="w1", now=now)
    with pytest.raises(NotFound):
        report(stranger, result(step), now=now)
    with pytest.raises(NotFound):
        worker_tasks.find(stranger, str(step.pk))


def test_a_silent_worker_loses_its_task_which_counts_as_a_retry(owner: Any, now: datetime) -> None:
    document = {"name": "ask", "retryCount": 1, "retryDelaySeconds": 0, "responseTimeoutSeconds": 10}
    workflow_definitions.define_task(owner=owner, document=document, now=now)
    run = start(owner, simple(), now=now)
    (step,) = poll(owner.pk, "ask", worker="w1", now=now)

    report(owner, result(step, "in_progress", extend_lease=True), now=now + 8 * SECOND)
    assert wakeups.wake_due(now=now + 15 * SECOND)[0] == 0, "the heartbeat counts"
    wakeups.wake_due(now=now + 18 * SECOND)
    wakeups.advance_woken([step.pk], now=now + 18 * SECOND)
    report(owner, result(step, output={"late": True}), now=now + 19 * SECOND)
    (again,) = poll(owner.pk, "ask", worker="w2", now=now + 19 * SECOND)

    assert (again.retries, again.retried_id) == (1, step.pk)
    assert steps(run) == [("ask", "timed_out", 0), ("ask", "in_progress", 1)]


def test_a_heartbeat_changes_nothing_else(owner: Any, now: datetime) -> None:
    start(owner, simple(), now=now)
    (step,) = poll(owner.pk, "ask", worker="w1", now=now)

    report(owner, result(step, "in_progress", extend_lease=True, output={"x": 1}), now=now + SECOND)

    step.refresh_from_db()
    assert (step.status, step.output, step.run_at) == ("in_progress", {}, now + timedelta(seconds=3601))


def test_a_task_that_is_put_back_comes_again_after_a_while(owner: Any, now: datetime) -> None:
    start(owner, simple(), now=now)
    (step,) = poll(owner.pk, "ask", worker="w1", now=now)

    report(owner, result(step, "in_progress", callback_seconds=30, output={"half": True}), now=now)

    assert poll(owner.pk, "ask", worker="w1", now=now + 29 * SECOND) == []
    (again,) = poll(owner.pk, "ask", worker="w1", now=now + 30 * SECOND)
    assert (again.pk, again.polls, again.output) == (step.pk, 2, {"half": True})


def test_a_result_that_comes_twice_is_taken_once(owner: Any, now: datetime) -> None:
    run = start(owner, simple("a"), simple("b"), now=now)
    (step,) = poll(owner.pk, "ask", worker="w1", now=now)

    report(owner, result(step), now=now)
    report(owner, result(step, "failed"), now=now)

    assert steps(run) == [("a", "completed", 0), ("b", "scheduled", 0)]


def test_a_final_error_is_not_tried_again(owner: Any, now: datetime) -> None:
    workflow_definitions.define_task(owner=owner, document={"name": "ask", "retryCount": 5}, now=now)
    run = start(owner, simple(), now=now)
    (step,) = poll(owner.pk, "ask", worker="w1", now=now)

    report(owner, result(step, "failed_with_terminal_error", reason="Never."), now=now)

    assert (reloaded(run).status, steps(run)) == ("failed", [("ask", "failed_with_terminal_error", 0)])


def test_a_task_that_takes_longer_than_it_may_is_timed_out(owner: Any, now: datetime) -> None:
    document = {"name": "ask", "retryCount": 0, "timeoutSeconds": 20, "timeoutPolicy": "TIME_OUT_WF"}
    workflow_definitions.define_task(owner=owner, document=document, now=now)
    run = start(owner, simple(), now=now)
    (step,) = poll(owner.pk, "ask", worker="w1", now=now)

    report(owner, result(step, "in_progress", extend_lease=True), now=now + 15 * SECOND)
    wakeups.wake_due(now=now + 20 * SECOND)
    wakeups.advance_woken([step.pk], now=now + 20 * SECOND)

    assert reloaded(run).status == "timed_out"


def test_the_log_of_a_task_grows(owner: Any, now: datetime) -> None:
    start(owner, simple(), now=now)
    (step,) = poll(owner.pk, "ask", worker="w1", now=now)

    worker_tasks.add_log(step, "half way", now=now)
    report(owner, result(step, logs=[{"log": "done", "createdTime": 1}]), now=now)

    step.refresh_from_db()
    assert [line["log"] for line in step.logs] == ["half way", "done"]
