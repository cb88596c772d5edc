"""Workers of the client's own, in processes of their own, for workflows that they were started with.

The client reads the annotations of a worker when it runs, so they must be no mere text.
"""

from conductor.client.automator.task_handler import TaskHandler
from conductor.client.http.models.task_def import TaskDef
from conductor.client.http.models.workflow_task import WorkflowTask
from conductor.client.worker.worker_task import worker_task
from connecting import clients, configuration, define, say, start_request, until


@worker_task(task_definition_name="greet")
def greet(name: str) -> dict:
    return {"text": f"Hello {name}", "length": len(name)}


@worker_task(task_definition_name="stumble")
def stumble(text: str) -> str:
    raise ValueError(f"no {text}")


def main() -> None:
    found = clients()
    metadata, workflows = found.get_metadata_client(), found.get_workflow_client()
    metadata.register_task_def(TaskDef(name="stumble", retry_count=1, retry_delay_seconds=0, timeout_seconds=60))
    metadata.register_workflow_def(
        define(
            "greeting",
            WorkflowTask("greet", "hello", type="SIMPLE", input_parameters={"name": "${workflow.input.name}"}),
            WorkflowTask("pause", "pause", type="WAIT", input_parameters={"duration": "1s"}),
            WorkflowTask(
                "stumble", "trip", type="SIMPLE", input_parameters={"text": "${hello.output.text}"}, optional=True
            ),
            WorkflowTask("greet", "again", type="SIMPLE", input_parameters={"name": "${hello.output.text}"}),
            output_parameters={"text": "${hello.output.text}", "trip": "${trip.status}"},
        ),
        overwrite=True,
    )
    handler = TaskHandler(configuration=configuration(), scan_for_annotated_workers=True)
    handler.start_processes()
    try:
        ids = [workflows.start_workflow(start_request("greeting", name=f"you {number}")) for number in range(3)]
        runs = until(lambda: _ended(workflows, ids), seconds=30, what="the ends of all runs")
    finally:
        handler.stop_processes()
    say(
        reason=[run.reason_for_incompletion for run in runs],
        status=[run.status for run in runs],
        output=[run.output for run in runs],
        tasks=[[task.reference_task_name, task.status, task.retry_count] for task in runs[0].tasks],
    )


def _ended(workflows: object, ids: list) -> list | None:
    runs = [workflows.get_workflow(each, include_tasks=True) for each in ids]
    return runs if all(run.status != "RUNNING" for run in runs) else None


if __name__ == "__main__":
    main()
