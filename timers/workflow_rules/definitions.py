"""Definitions of workflows: a name, a version, and tasks that run one after the other.

The document is Conductor's WorkflowDef, with a closed list of task types. Unknown keys stay in the stored document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from timers import validation
from timers.errors import Invalid
from timers.workflow_rules import waits
from timers.workflow_rules.references import has_reference

MAX_TASKS = 1_000
MAX_RETRIES = 10_000
ALERT_ONLY = "ALERT_ONLY"
TIMEOUT_POLICIES = ("TIME_OUT_WF", ALERT_ONLY)


class TaskType(StrEnum):
    """The supported types of tasks."""

    SIMPLE = "SIMPLE"
    """Waits for a worker that polls for it."""
    HTTP = "HTTP"
    """One HTTP request."""
    SET_VARIABLE = "SET_VARIABLE"
    """Sets variables of the run."""
    WAIT = "WAIT"
    """Waits for a duration, until an instant, or for a result from outside."""
    TERMINATE = "TERMINATE"
    """Ends the run."""
    TRANSFER = "TRANSFER"
    """Copies files between collections."""
    CODE = "CODE"
    """Calls a registered Python function."""


IMMEDIATE_TYPES = frozenset({TaskType.SET_VARIABLE, TaskType.TERMINATE})
"""Types that are completed as soon as they are reached."""

BUILT_IN_TYPES = frozenset({TaskType.HTTP, TaskType.TRANSFER, TaskType.CODE})
"""Types that this service's own workers run."""

TERMINATION_STATUSES = ("COMPLETED", "FAILED", "TERMINATED")
"""Statuses in which a TERMINATE task can end the run."""


@dataclass(frozen=True)
class Task:
    """One task of a definition. `reference` is its name within the workflow, `name` the type that workers poll for."""

    name: str
    reference: str
    type: TaskType
    inputs: Mapping[str, Any]
    optional: bool
    retries: int | None = None
    """Maximum number of retries; None takes it from the task definition."""


@dataclass(frozen=True)
class Workflow:
    """A parsed definition. `outputs` is None if the output of the last task is the output of the workflow."""

    name: str
    version: int
    description: str
    tasks: tuple[Task, ...]
    inputs: tuple[str, ...]
    template: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] | None = None
    timeout_seconds: int = 0
    only_alerts: bool = False
    """True if exceeding `timeout_seconds` is only recorded and does not stop the run."""


def read(document: object) -> Workflow:
    """Return the definition of a document; raises Invalid naming the wrong field, by path."""
    if not isinstance(document, Mapping):
        raise Invalid({"": "A workflow definition must be an object with a name and tasks."})
    policy = document.get("timeoutPolicy")
    if policy not in (None, "", *TIMEOUT_POLICIES):
        raise Invalid({"timeoutPolicy": f"Must be one of {', '.join(TIMEOUT_POLICIES)}."})
    outputs = document.get("outputParameters")
    return Workflow(
        name=validation.path_name(document.get("name"), "name"),
        version=read_version(document.get("version"), "version") or 1,
        description=validation.text(document.get("description"), "description") or "",
        tasks=_tasks(document.get("tasks")),
        inputs=validation.names(document.get("inputParameters"), "inputParameters"),
        template=validation.mapping(document.get("inputTemplate"), "inputTemplate"),
        outputs=validation.mapping(outputs, "outputParameters") or None,
        timeout_seconds=validation.whole(document.get("timeoutSeconds") or 0, "timeoutSeconds", minimum=0),
        only_alerts=policy == ALERT_ONLY,
    )


def read_version(value: object, field: str) -> int | None:
    """Return a version, a whole number from 1, None when none is given; raises Invalid."""
    return None if value is None else validation.whole(value, field, minimum=1)


def _tasks(value: object) -> tuple[Task, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise Invalid({"tasks": "Give a list of at least one task."})
    if len(value) > MAX_TASKS:
        raise Invalid({"tasks": f"At most {MAX_TASKS:,} tasks; these are {len(value):,}."})
    tasks: list[Task] = []
    seen: set[str] = set()
    for number, document in enumerate(value):
        try:
            task = _task(document)
        except Invalid as error:
            raise error.under(f"tasks.{number}") from None
        if task.reference in seen:
            raise Invalid({f"tasks.{number}.taskReferenceName": f"{task.reference!r} is given twice."})
        seen.add(task.reference)
        tasks.append(task)
    return tuple(tasks)


def _task(document: object) -> Task:
    if not isinstance(document, Mapping):
        raise Invalid({"": "A task must be an object with a name, a taskReferenceName and a type."})
    name = validation.path_name(document.get("name"), "name")
    reference = validation.path_name(document.get("taskReferenceName"), "taskReferenceName")
    if reference == "workflow":
        raise Invalid({"taskReferenceName": "'workflow' is reserved: it names the run itself."})
    task = Task(
        name=name,
        reference=reference,
        type=_type(document.get("type"), name),
        inputs=validation.mapping(document.get("inputParameters"), "inputParameters"),
        optional=validation.flag(document.get("optional"), "optional"),
        retries=_retries(document.get("retryCount")),
    )
    _CHECKS.get(task.type, _no_check)(task)
    return task


def _retries(value: object) -> int | None:
    return None if value is None else validation.whole(value, "retryCount", minimum=0, maximum=MAX_RETRIES)


def _type(value: object, name: str) -> TaskType:
    if value in (None, ""):
        return TaskType.SIMPLE
    if isinstance(value, str) and value in list(TaskType):
        return TaskType(value)
    raise Invalid({"type": f"Task type {value!r} of task {name!r} is not supported; known: {', '.join(TaskType)}."})


# Checks of a task's inputs before any run


def _no_check(task: Task) -> None: ...


def _check_http(task: Task) -> None:
    request = task.inputs.get("http_request")
    if isinstance(request, str) and has_reference(request):
        return
    if not isinstance(request, Mapping):
        raise Invalid({"inputParameters.http_request": "An HTTP task needs an http_request object."})
    if not isinstance(request.get("uri"), str) or not request["uri"]:
        raise Invalid({"inputParameters.http_request.uri": "An HTTP task needs a uri."})


def _check_wait(task: Task) -> None:
    try:
        if not has_reference(task.inputs.get("duration")) and task.inputs.get("duration") not in (None, ""):
            waits.duration(task.inputs["duration"], "duration")
        for name in ("until", "wait_until"):
            if not has_reference(task.inputs.get(name)) and task.inputs.get(name) not in (None, ""):
                waits.moment(task.inputs[name], name)
    except Invalid as error:
        raise error.under("inputParameters") from None


def _check_terminate(task: Task) -> None:
    status = task.inputs.get("terminationStatus")
    if status is not None and not has_reference(status) and status not in TERMINATION_STATUSES:
        raise Invalid({"inputParameters.terminationStatus": f"Must be one of {', '.join(TERMINATION_STATUSES)}."})


def _check_code(task: Task) -> None:
    if not isinstance(task.inputs.get("function"), str):
        raise Invalid({"inputParameters.function": "A CODE task needs the name of a registered function."})


_CHECKS = {
    TaskType.HTTP: _check_http,
    TaskType.WAIT: _check_wait,
    TaskType.TERMINATE: _check_terminate,
    TaskType.CODE: _check_code,
}
