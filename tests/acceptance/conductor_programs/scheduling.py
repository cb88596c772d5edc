"""Every method of the scheduler client, and a schedule that really starts workflows."""

from __future__ import annotations

import time

from conductor.client.http.models.save_schedule_request import SaveScheduleRequest
from conductor.client.http.models.workflow_task import WorkflowTask
from conductor.client.http.rest import ApiException
from conductor.client.orkes.models.metadata_tag import MetadataTag
from connecting import clients, define, say, start_request, until

NAME = "every second"

found = clients()
scheduler, metadata, workflows = (
    found.get_scheduler_client(),
    found.get_metadata_client(),
    found.get_workflow_client(),
)
variable = WorkflowTask("set", "set", type="SET_VARIABLE", input_parameters={"x": "${workflow.input.n}"})
metadata.register_workflow_def(
    define("scheduled", variable, output_parameters={"x": "${workflow.variables.x}"}), overwrite=True
)


def save(**changes: object) -> None:
    wish = {"name": NAME, "cron_expression": "* * * * * ?", "start_workflow_request": start_request("scheduled", n=7)}
    scheduler.save_schedule(SaveScheduleRequest(**{**wish, **changes}))


def records() -> list:
    answer = scheduler.search_schedule_executions(size=50, query=f"scheduleName IN ({NAME}) AND state IN (EXECUTED)")
    return answer.results


# a paused schedule, read back
save(paused=True, description="tick", zone_id="Europe/London")
schedule = scheduler.get_schedule(NAME)
get = schedule.get if isinstance(schedule, dict) else lambda name: getattr(schedule, name)
assert get("paused") is True and get("description") == "tick", schedule
assert [each.name for each in scheduler.get_all_schedules("scheduled")] == [NAME]
assert NAME in [each.name for each in scheduler.get_all_schedules()]

# previews
slots = scheduler.get_next_few_schedule_execution_times("0 0 0 * * ?", limit=3)
assert len(slots) == 3 and slots[1] - slots[0] == 86_400_000, slots
try:
    scheduler.get_next_few_schedule_execution_times("0 0 24 * * ?")
    raise AssertionError("a bad expression was taken")
except ApiException as error:
    assert error.status == 400 and "cron" in error.message, error

# tags
scheduler.set_scheduler_tags([MetadataTag("team", "a"), MetadataTag("env", "b")], NAME)
scheduler.delete_scheduler_tags([MetadataTag("env", "b")], NAME)
assert [(tag.key, tag.value) for tag in scheduler.get_scheduler_tags(NAME)] == [("team", "a")]

# it fires once resumed, in time, and its records are found
scheduler.resume_schedule(NAME)
executed = until(lambda: len(found) >= 2 and found if (found := records()) else None, seconds=15, what="two records")
newest = executed[0]
assert newest.schedule_name == NAME and newest.workflow_name == "scheduled", newest
assert 0 <= newest.execution_time - newest.scheduled_time < 2000, newest
run = workflows.get_workflow(newest.workflow_id, include_tasks=True)
assert run.input["_scheduledTime"] == newest.scheduled_time and run.input["_startedByScheduler"] == NAME, run.input
assert run.input["_executionId"] == newest.execution_id and run.input["_schedulerCron"] == "* * * * * ? Europe/London"
assert run.status == "COMPLETED" and run.output == {"x": 7}, run

# pauses hold it
scheduler.pause_schedule(NAME)
time.sleep(1.2)
before = len(records())
time.sleep(1.2)
assert len(records()) == before
scheduler.resume_schedule(NAME)

# the switches, the requeue
scheduler.pause_all_schedules()
scheduler.resume_all_schedules()
scheduler.requeue_all_execution_records()

# what only the newer client offers
typed_errors = hasattr(scheduler, "preview_next")
if typed_errors:
    from conductor.client.ai.schedule_errors import InvalidCronExpression, ScheduleNotFound

    assert len(scheduler.preview_next("0 0 0 * * ?", n=3)) == 3
    for call, expected in (
        (lambda: scheduler.preview_next("nonsense"), InvalidCronExpression),
        (lambda: scheduler.pause("nobody"), ScheduleNotFound),
        (lambda: scheduler.resume("nobody"), ScheduleNotFound),
    ):
        try:
            call()
            raise AssertionError(f"{expected.__name__} was not raised")
        except expected:
            pass
    scheduler.pause_schedule(NAME, reason="stocktaking")
    assert scheduler.get_schedule(NAME).paused_reason == "stocktaking"

# a workflow that is missing makes a failed record
save(name="lost", start_workflow_request=start_request("nowhere"))
lost = until(
    lambda: scheduler.search_schedule_executions(query="scheduleName='lost' AND state='FAILED'").results,
    seconds=10,
    what="a failed record",
)
assert lost[0].workflow_id is None and "nowhere" in lost[0].reason, lost[0]

for name in (NAME, "lost", "never there"):
    scheduler.delete_schedule(name)
try:
    scheduler.get_schedule(NAME)
    raise AssertionError("it is still there")
except ApiException as error:
    assert error.status == 404 and NAME in error.message, error
assert records(), "records outlive their schedule"
metadata.unregister_workflow_def("scheduled", 1)
late = sorted(each.execution_time - each.scheduled_time for each in records())
say(done=True, records=len(late), latest_ms=late[-1], typed_errors=typed_errors)
