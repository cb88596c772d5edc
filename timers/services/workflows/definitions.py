"""Definitions of workflows and of tasks: registered by name, replaced, looked up, taken out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from timers.errors import Conflict, Invalid, NotFound
from timers.models import TaskDefinition, WorkflowDefinition
from timers.services import events
from timers.workflow_rules import definitions, task_definitions

MAX_DEFINITION_BYTES = 1024 * 1024


def register(
    *, owner: Any, document: Mapping[str, Any], overwrite: bool, now: datetime, by: Any = None
) -> WorkflowDefinition:
    """Store a definition under its name and version; return it.

    One that exists is replaced with `overwrite`, else Conflict is raised; Invalid when the document cannot work.
    """
    workflow = definitions.read(document)
    stored = {**_small(document), "name": workflow.name, "version": workflow.version}
    known = WorkflowDefinition.objects.filter(owner=owner, name=workflow.name, version=workflow.version)
    with transaction.atomic():
        row = known.select_for_update().first()
        made = _create(owner, workflow, stored, now=now) if row is None else None
        if made is not None:
            return _noted(made, "workflow_registered", by=by, now=now)
        row = row or known.select_for_update().get()  # somebody else was quicker
        if not overwrite:
            raise Conflict(f"There is a workflow {workflow.name} of version {workflow.version} already.")
        row.document, row.updated_at = stored, now
        row.save(update_fields=["document", "updated_at"])
        return _noted(row, "workflow_updated", by=by, now=now)


def _create(
    owner: Any, workflow: definitions.Workflow, document: dict[str, Any], *, now: datetime
) -> WorkflowDefinition | None:
    try:
        with transaction.atomic():
            return WorkflowDefinition.objects.create(
                owner=owner,
                name=workflow.name,
                version=workflow.version,
                document=document,
                created_at=now,
                updated_at=now,
            )
    except IntegrityError:
        return None  # it is there by now


def _noted(row: WorkflowDefinition, verb: str, *, by: Any, now: datetime) -> WorkflowDefinition:
    events.record(verb, now=now, by=by, owner=row.owner, text=str(row))
    return row


def register_all(*, owner: Any, documents: Iterable[Mapping[str, Any]], overwrite: bool, now: datetime) -> None:
    """Store several definitions, all or none."""
    with transaction.atomic():
        for number, document in enumerate(documents):
            try:
                register(owner=owner, document=document, overwrite=overwrite, now=now, by=owner)
            except Invalid as error:
                raise error.under(str(number)) from None


def find(owner: Any, name: str, version: int | None = None) -> WorkflowDefinition:
    """Return the definition of that name, of the newest version where none is named; raises NotFound."""
    named = WorkflowDefinition.objects.filter(owner=owner, name=name)
    found = (named if version is None else named.filter(version=version)).order_by("-version").first()
    if found is None:
        raise NotFound(f"There is no workflow {name}{'' if version is None else f' of version {version}'}.")
    return found


def unregister(row: WorkflowDefinition, *, by: Any, now: datetime) -> None:
    """Take out a definition; runs of it go on, as each keeps its own copy."""
    with transaction.atomic():
        row.delete()
        events.record("workflow_unregistered", now=now, by=by, owner=row.owner, text=str(row))


# Definitions of tasks


def define_task(*, owner: Any, document: Mapping[str, Any], now: datetime) -> TaskDefinition:
    """Store the definition of a task under its name, in place of one that exists; raises Invalid."""
    name, _ = task_definitions.read(document)
    row, _ = TaskDefinition.objects.update_or_create(
        owner=owner,
        name=name,
        defaults={"document": _small(document), "updated_at": now},
        create_defaults={"document": _small(document), "created_at": now, "updated_at": now},
    )
    return row


def define_tasks(*, owner: Any, documents: Iterable[Mapping[str, Any]], now: datetime) -> None:
    """Store several definitions of tasks, all or none."""
    with transaction.atomic():
        for number, document in enumerate(documents):
            try:
                define_task(owner=owner, document=document, now=now)
            except Invalid as error:
                raise error.under(str(number)) from None


def find_task(owner: Any, name: str) -> TaskDefinition:
    """Return the definition of a task; raises NotFound."""
    found = TaskDefinition.objects.filter(owner=owner, name=name).first()
    if found is None:
        raise NotFound(f"There is no task definition {name}.")
    return found


def remove_task(row: TaskDefinition) -> None:
    """Take out the definition of a task."""
    row.delete()


def retry_rule_of(owner_id: int, name: str) -> task_definitions.RetryRule:
    """Return how patiently tasks of that name are tried."""
    document = TaskDefinition.objects.filter(owner_id=owner_id, name=name).values_list("document", flat=True).first()
    return task_definitions.UNDEFINED if document is None else task_definitions.read(document)[1]


def _small(document: Mapping[str, Any]) -> dict[str, Any]:
    if len(json.dumps(document)) > MAX_DEFINITION_BYTES:
        raise Invalid({"": "A definition is at most 1 MiB large."})
    return dict(document)
