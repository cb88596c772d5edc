"""Runs of workflows from start to end, each step in the transaction of the one before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.engine.steps import begin_due, claim_at
from tests.services.workflows.factories import carry_out, define, http, reloaded, simple, start, steps, wait
from timers.actions.base import Outcome, OutcomeKind
from timers.errors import Conflict, Invalid, NotFound
from timers.models import Execution, Timer, WorkflowRun, WorkflowStep
from timers.models.leases import STEPS
from timers.services.attempt_values import AttemptResult
from timers.services.executions import commands as executions
from timers.services.executions import complete
from timers.services.timers import commands as timers
from timers.services.workflows import definitions as workflow_definitions
from timers.services.workflows import runs as workflow_runs
from timers.services.workflows import steps as workflow_steps
from timers.services.workflows import wakeups, worker_tasks
from timers.services.workflows.runs import ExecutionStart

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def test_a_run_goes_through_its_tasks_and_hands_results_on(owner: Any, now: datetime) -> None:
    run = start(
        owner,
        http("first"),
        {
            "name": "s",
            "taskReferenceName": "set",
            "type": "SET_VARIABLE",
            "inputParameters": {"ok": "${first.output.response.body.ok}"},
        },
        http("second", "https://example.org/${workflow.variables.ok}/${workflow.input.x}"),
        now=now,
        input={"x": 7},
        outputParameters={"done": "${second.output.response.statusCode}"},
    )

    assert carry_out(now) == 1
    assert WorkflowStep.objects.get(run=run, reference="second").input["http_request"]["uri"].endswith("/true/7")
    assert carry_out(now + SECOND) == 1

    run = reloaded(run)
    assert (run.status, run.output, run.variables, run.finished_at) == (
        "completed",
        {"done": 200},
        {"ok": True},
        now + SECOND,
    )
    assert steps(run) == [("first", "completed", 0), ("set", "completed", 0), ("second", "completed", 0)]


def test_a_failed_task_is_tried_again_after_its_delay_and_then_fails_the_run(owner: Any, now: datetime) -> None:
    workflow_definitions.define_task(
        owner=owner, document={"name": "call", "retryCount": 1, "retryDelaySeconds": 30}, now=now
    )
    run = start(owner, http(), now=now)
    broken = Outcome.failed("It answered 500.", reason="http_status", retryable=True)

    carry_out(now, broken)
    assert carry_out(now + SECOND, broken) == 0, "not before its time"
    _, following = wakeups.wake_due(now=now + SECOND)
    assert following == now + timedelta(seconds=30)
    carry_out(now + timedelta(seconds=30), broken)

    run = reloaded(run)
    assert steps(run) == [("call", "failed", 0), ("call", "failed", 1)]
    assert run.status == "failed" and "It answered 500." in (run.reason or "")


def test_an_optional_task_does_not_hold_up_the_run(owner: Any, now: datetime) -> None:
    run = start(owner, {**http(), "optional": True}, now=now)

    carry_out(now, Outcome.failed("No.", reason="target_refused"))

    assert (reloaded(run).status, steps(run)) == ("completed", [("call", "completed_with_errors", 0)])


def test_a_wait_ends_at_its_instant_and_holds_nobody(owner: Any, now: datetime) -> None:
    run = start(owner, wait(duration="90 seconds"), now=now)
    step = run.steps.get()

    assert wakeups.wake_due(now=now + timedelta(seconds=89)) == (0, now + timedelta(seconds=90))
    wakeups.advance_woken([step.pk], now=now + timedelta(seconds=89))
    assert reloaded(run).status == "running", "a message that comes too early does nothing"
    assert wakeups.wake_due(now=now + timedelta(seconds=90))[0] == 1
    wakeups.advance_woken([step.pk], now=now + timedelta(seconds=90))
    wakeups.advance_woken([step.pk], now=now + timedelta(seconds=91))

    assert reloaded(run).status == "completed"
    assert run.steps.get().finished_at == now + timedelta(seconds=90)


def test_a_wait_that_cannot_be_read_fails_the_run_and_says_why(owner: Any, now: datetime) -> None:
    run = start(owner, wait(duration="${workflow.input.x}"), now=now, input={"x": "a while"})

    run = reloaded(run)
    assert run.status == "failed" and "is not a duration" in (run.reason or "")


def test_a_step_whose_worker_died_is_repeated_and_the_dead_one_changes_nothing(owner: Any, now: datetime) -> None:
    run = start(owner, http(), now=now)
    step = run.steps.get()
    (dead,) = workflow_steps.take([step.pk], owner="dead", now=now)
    later = now + STEPS.lease

    assert workflow_steps.take([step.pk], owner="other", now=now) == [], "it is somebody's"
    wakeups.wake_due(now=later)
    wakeups.advance_woken([step.pk], now=later)
    workflow_steps.finish([workflow_steps.StepResult(dead, Outcome.completed({}))], owner="dead", now=later)
    assert reloaded(run).status == "running"
    assert carry_out(later) == 1

    step.refresh_from_db()
    assert (reloaded(run).status, step.lost_attempts, step.attempt) == ("completed", 1, 2)


def test_a_step_that_kills_its_workers_is_given_up_after_five(owner: Any, now: datetime) -> None:
    run = start(owner, http(), now=now)
    step = run.steps.get()

    for _ in range(5):
        workflow_steps.take([step.pk], owner="dead", now=now)
        now += STEPS.lease
        wakeups.wake_due(now=now)
        wakeups.advance_woken([step.pk], now=now)

    assert reloaded(run).status == "failed"
    assert "did not report any more" in (reloaded(run).reason or "")


def test_a_lost_message_is_sent_again(owner: Any, now: datetime) -> None:
    start(owner, http(), now=now)

    assert wakeups.wake_due(now=now + SECOND)[0] == 0
    assert wakeups.wake_due(now=now + timedelta(seconds=10))[0] == 1


def test_a_lease_is_kept_by_its_owner_alone(owner: Any, now: datetime) -> None:
    run = start(owner, http(), now=now)
    held = workflow_steps.take(list(run.steps.values_list("pk", flat=True)), owner="w1", now=now)

    assert workflow_steps.renew(held, owner="w1", now=now + SECOND) == set()
    assert workflow_steps.renew(held, owner="w2", now=now + SECOND) == {held[0].step_id}
    workflow_runs.terminate(run, by=owner, now=now + SECOND)
    assert workflow_steps.renew(held, owner="w1", now=now + SECOND) == {held[0].step_id}


def test_what_a_worker_hands_back_others_begin_at_once(owner: Any, now: datetime) -> None:
    run = start(owner, http(), now=now)
    held = workflow_steps.take(list(run.steps.values_list("pk", flat=True)), owner="w1", now=now)

    workflow_steps.requeue(held, owner="w1", now=now)

    assert carry_out(now) == 1
    assert reloaded(run).status == "completed"


@pytest.mark.parametrize("uri", ["http://10.0.0.1/", "ftp://example.org/", "no url"])
def test_an_address_that_may_not_be_called_fails_the_task_for_good(owner: Any, now: datetime, uri: str) -> None:
    workflow_definitions.define_task(owner=owner, document={"name": "call", "retryCount": 3}, now=now)
    run = start(owner, http(uri=uri), now=now)

    (held,) = workflow_steps.take([run.steps.get().pk], owner="w1", now=now)
    assert held.problem
    workflow_steps.finish(
        [workflow_steps.StepResult(held, Outcome.failed(held.problem, reason="invalid"))], owner="w1", now=now
    )

    assert (reloaded(run).status, run.steps.count()) == ("failed", 1)


def test_output_that_a_database_would_refuse_is_cleaned(owner: Any, now: datetime) -> None:
    run = start(owner, http(), now=now)

    carry_out(now, Outcome.completed({"status_code": 200, "headers": {}, "text": '"a\\u0000b\\ud800"'}))

    assert reloaded(run).output["response"]["body"] == "a\ufffdb\ufffd"


def test_a_run_that_takes_too_long_is_ended(owner: Any, now: datetime) -> None:
    run = start(owner, simple(), now=now, timeoutSeconds=60)

    assert workflow_runs.end_overdue(now=now + SECOND) == now + timedelta(seconds=60)
    workflow_runs.end_overdue(now=now + timedelta(seconds=60))

    assert (reloaded(run).status, steps(run)) == ("timed_out", [("ask", "cancelled", 0)])


def test_a_terminated_run_stays_as_it_is(owner: Any, now: datetime) -> None:
    run = start(owner, simple(), http(), now=now)
    step = run.steps.get()

    workflow_runs.terminate(run, by=owner, reason="Wrong day", now=now)

    with pytest.raises(Conflict):
        workflow_runs.terminate(run, by=owner, now=now)
    worker_tasks.report(
        owner,
        worker_tasks.WorkerResult(run_id=run.pk, step_id=step.pk, status="completed"),  # type: ignore[arg-type]
        now=now,
    )
    assert (reloaded(run).status, reloaded(run).reason, run.steps.count()) == ("terminated", "Wrong day", 1)


def test_a_run_keeps_the_definition_that_it_began_with(owner: Any, now: datetime) -> None:
    run = start(owner, http("a"), http("b"), now=now)
    workflow_definitions.unregister(define(owner, simple(), now=now), by=owner, now=now)

    carry_out(now)
    carry_out(now)

    assert (reloaded(run).status, [each[0] for each in steps(run)]) == ("completed", ["a", "b"])


def test_the_newest_version_is_started_unless_another_is_named(owner: Any, now: datetime) -> None:
    for version in (1, 3, 2):
        workflow_definitions.register(
            owner=owner, document={"name": "flow", "version": version, "tasks": [simple()]}, overwrite=False, now=now
        )

    assert workflow_runs.start(owner=owner, body={"name": "flow"}, now=now).version == 3
    assert workflow_runs.start(owner=owner, body={"name": "flow", "version": 1}, now=now).version == 1
    with pytest.raises(NotFound):
        workflow_runs.start(owner=owner, body={"name": "flow", "version": 9}, now=now)
    with pytest.raises(Conflict):
        workflow_definitions.register(
            owner=owner, document={"name": "flow", "version": 2, "tasks": [simple()]}, overwrite=False, now=now
        )


def test_a_definition_is_its_owners(owner: Any, stranger: Any, now: datetime) -> None:
    define(owner, simple(), now=now)

    with pytest.raises(NotFound):
        workflow_runs.start(owner=stranger, body={"name": "flow"}, now=now)
    with pytest.raises(NotFound):
        workflow_runs.get_for(stranger, start(owner, simple(), now=now).pk)


# On behalf of timers


def _due(owner: Any, now: datetime, **fields: Any) -> Timer:
    return timers.create(
        **{
            "owner": owner,
            "action": "workflow",
            "name": "nightly",
            "schedule": {"type": "cron", "expression": "0 0 12 * * ?", "timezone": "Europe/Berlin"},
            "body": {"name": "flow", "input": {"x": 1, "_executionId": "mine"}},
            "now": now - timedelta(minutes=90),
            **fields,
        }
    )


def _wanted(begun: Any, owner: Any) -> ExecutionStart:
    return ExecutionStart(
        owner_id=owner.pk,
        body=begun.instructions.parameters,
        execution_id=begun.execution_id,
        timer_id=begun.timer_id,
        attempt=begun.attempt,
    )


def test_a_timer_starts_its_workflow_and_ends_with_it(owner: Any, now: datetime) -> None:
    define(owner, http(), now=now)
    _due(owner, now)
    noon = now - timedelta(hours=1)  # twelve in Berlin
    claim_at(noon)
    (begun,) = begin_due(noon)

    (outcome,) = workflow_runs.start_for_executions([_wanted(begun, owner)], now=noon)
    complete.finish([AttemptResult(begun, outcome, noon, noon)], owner="w1", now=noon)

    run = WorkflowRun.objects.get(execution_id=begun.execution_id)
    execution = Execution.objects.get(pk=begun.execution_id)
    assert (outcome.ending, execution.status, execution.workflow_id) == (OutcomeKind.WAITING, "running", run.pk)
    assert run.input == {
        "x": 1,
        "_startedByScheduler": "nightly",
        "_scheduledTime": round(noon.timestamp() * 1000),
        "_executedTime": round(noon.timestamp() * 1000),
        "_executionId": str(begun.execution_id),
        "_schedulerCron": "0 0 12 * * ? Europe/Berlin",
    }

    carry_out(noon + SECOND)

    execution.refresh_from_db()
    assert (execution.status, execution.finished_at) == ("completed", noon + SECOND)
    assert execution.result["workflow_id"] == str(run.pk)


def test_a_repeated_attempt_takes_over_the_run_that_goes_on(owner: Any, now: datetime) -> None:
    define(owner, http(), now=now)
    timer = _due(owner, now)
    execution = timers.run_now(timer, by=owner, now=now)
    (begun,) = begin_due(now, only=[execution])

    first = workflow_runs.start_for_executions([_wanted(begun, owner)], now=now)
    again = workflow_runs.start_for_executions([_wanted(begun, owner)], now=now)

    assert [each.ending for each in (*first, *again)] == [OutcomeKind.WAITING, OutcomeKind.WAITING]
    assert WorkflowRun.objects.count() == 1


def test_a_start_that_is_refused_leaves_its_neighbours_alone(owner: Any, now: datetime) -> None:
    define(owner, http(), now=now)
    ok, missing = _due(owner, now), _due(owner, now, name="other", body={"name": "nothing"})
    wanted = []
    for timer in (ok, missing):
        (begun,) = begin_due(now, only=[timers.run_now(timer, by=owner, now=now)])
        wanted.append(_wanted(begun, owner))

    outcomes = workflow_runs.start_for_executions(wanted, now=now)

    assert [each.ending for each in outcomes] == [OutcomeKind.WAITING, OutcomeKind.FAILED]
    assert (outcomes[1].failure_reason, outcomes[1].retryable) == ("workflow_not_found", False)


def test_cancelling_the_execution_terminates_the_run(owner: Any, now: datetime, on_commit: Any) -> None:
    define(owner, simple(), now=now)
    execution = timers.run_now(_due(owner, now), by=owner, now=now)
    (begun,) = begin_due(now, only=[execution])
    (outcome,) = workflow_runs.start_for_executions([_wanted(begun, owner)], now=now)
    complete.finish([AttemptResult(begun, outcome, now, now)], owner="w1", now=now)
    execution.refresh_from_db()

    with on_commit():
        executions.cancel(execution, by=owner, now=now)

    execution.refresh_from_db()
    assert (execution.status, WorkflowRun.objects.get().status) == ("cancelled", "terminated")


def test_a_request_that_cannot_work_is_refused_when_the_timer_is_saved(owner: Any, now: datetime) -> None:
    with pytest.raises(Invalid) as error:
        _due(owner, now, body={"name": "a/b"})

    assert list(error.value.fields) == ["body.name"]
