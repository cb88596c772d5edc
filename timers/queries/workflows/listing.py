"""Read models of workflows: definitions with their last runs, and the inputs of the start form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from timers.models import Timer, WorkflowDefinition, WorkflowRun
from timers.queries.paging import Order, Page, SortKey, page

PAGE_SIZE = 100
MAX_CHOICES = 500
MAX_NAMED_TIMERS = 20
ORDER = Order("name", (SortKey("name", str), SortKey("pk", int)))


@dataclass(frozen=True)
class WorkflowRow:
    """One workflow in a list, by its newest version."""

    definition: WorkflowDefinition
    tasks: int
    timers: int
    last_run: UUID | None
    last_status: str
    last_started: datetime | None

    @property
    def last_words(self) -> str:
        """The status of the last run, in words."""
        return self.last_status.replace("_", " ")

    @property
    def description(self) -> str:
        return str(self.definition.document.get("description") or "")


@dataclass(frozen=True)
class WorkflowInput:
    """One input of a workflow definition, and its default."""

    name: str
    usual: Any = None


@dataclass(frozen=True)
class WorkflowChoice:
    """A workflow that a timer can start: its versions, newest first, and the inputs of the newest version."""

    name: str
    versions: tuple[int, ...]
    description: str
    inputs: tuple[WorkflowInput, ...]


def workflows_page(user: Any, *, marker: str | None = None) -> Page[WorkflowRow]:
    """Return a page of workflows by name, each in its newest version, from two queries."""
    runs = WorkflowRun.objects.filter(owner=OuterRef("owner"), name=OuterRef("name")).order_by("-created_at")
    newest = WorkflowDefinition.objects.visible_to(user).newest().select_related("owner")
    definitions = newest.annotate(
        last_run=Subquery(runs.values("pk")[:1]),
        last_status=Subquery(runs.values("status")[:1]),
        last_started=Subquery(runs.values("created_at")[:1]),
    )
    listed = page(definitions, order=ORDER, limit=PAGE_SIZE, marker=marker)
    used = timers_by_workflow(definition.owner_id for definition in listed.rows)
    return listed.map(lambda definition: _row(definition, used))


def _row(definition: Any, used: Counter[tuple[int, str]]) -> WorkflowRow:
    return WorkflowRow(
        definition=definition,
        tasks=len(definition.document.get("tasks") or []),
        timers=used[definition.owner_id, definition.name],
        last_run=definition.last_run,
        last_status=definition.last_status or "",
        last_started=definition.last_started,
    )


def timers_by_workflow(owner_ids: Iterable[int]) -> Counter[tuple[int, str]]:
    """Return the number of timers that start each workflow, by owner id and name."""
    return Counter(_starters(owner_ids).values_list("owner_id", "definition__body__name"))


def starters_of(definition: WorkflowDefinition) -> list[Timer]:
    """Return the first timers, by name, that start a workflow."""
    timers = _starters([definition.owner_id]).filter(definition__body__name=definition.name)
    return list(timers.order_by("name", "pk")[:MAX_NAMED_TIMERS])


def _starters(owner_ids: Iterable[int]) -> QuerySet[Timer]:
    return Timer.objects.not_deleted().filter(owner_id__in=set(owner_ids), action="workflow")


def find(user: Any, definition_id: int) -> WorkflowDefinition | None:
    """Return the definition, None if it does not exist or is not visible to the user."""
    return WorkflowDefinition.objects.visible_to(user).select_related("owner").filter(pk=definition_id).first()


def versions_of(definition: WorkflowDefinition) -> list[WorkflowDefinition]:
    """Return all versions of a workflow, newest first."""
    versions = WorkflowDefinition.objects.filter(owner=definition.owner, name=definition.name)
    return list(versions.order_by("-version"))


def inputs_of(document: dict[str, Any]) -> tuple[WorkflowInput, ...]:
    """Return the inputs of a definition, including those that only its template names."""
    template = document.get("inputTemplate") or {}
    names = dict.fromkeys([*(document.get("inputParameters") or []), *template])
    return tuple(WorkflowInput(name, template.get(name)) for name in names)


def has_choices(user: Any) -> bool:
    """Return whether the user has a workflow that timers can start."""
    return WorkflowDefinition.objects.filter(owner=user).exists()


def choices(user: Any) -> list[WorkflowChoice]:
    """Return the workflows that the user's timers can start, by name."""
    rows = WorkflowDefinition.objects.filter(owner=user).order_by("name", "-version")[:MAX_CHOICES]
    definitions: dict[str, list[WorkflowDefinition]] = {}
    for row in rows:
        definitions.setdefault(row.name, []).append(row)
    return [
        WorkflowChoice(
            name=name,
            versions=tuple(version.version for version in rows),
            description=str(rows[0].document.get("description") or ""),
            inputs=inputs_of(rows[0].document),
        )
        for name, rows in definitions.items()
    ]
