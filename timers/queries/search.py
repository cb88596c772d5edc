"""What a reader may mean by a few words, or by an id: timers, collections, transfers and workflows."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models.functions import Lower

from timers.models import Collection, Execution, Timer, Transfer, WorkflowDefinition, WorkflowRun

MAX_TERMS = 6
LOOKED_THROUGH = 2000
"""So many of the newest transfers are looked through; a label that is older is found in their list."""


def timers(user: Any, words: str, *, most: int) -> list[Timer]:
    """Return the first timers, by name, whose name holds each of these words."""
    found = _holding(Timer.objects.visible_to(user).not_deleted(), "name", words)
    return list(found.order_by(Lower("name"), "pk")[:most])


def collections(user: Any, words: str, *, most: int) -> list[Collection]:
    """Return the first collections, by name, whose name holds each of these words."""
    found = _holding(Collection.objects.visible_to(user), "display_name", words)
    return list(found.order_by(Lower("display_name"), "pk")[:most])


def workflows(user: Any, words: str, *, most: int) -> list[WorkflowDefinition]:
    """Return the first workflows, by name, whose name holds each of these words; of each the newest version."""
    found = _holding(WorkflowDefinition.objects.visible_to(user).newest(), "name", words)
    return list(found.order_by(Lower("name"), "pk")[:most])


def transfers(user: Any, words: str, *, most: int) -> list[Transfer]:
    """Return the newest transfers whose label holds each of these words."""
    newest_first = Transfer.objects.visible_to(user).order_by("-requested_at", "-pk")
    recent = Transfer.objects.filter(pk__in=newest_first.values("pk")[:LOOKED_THROUGH])
    return list(_holding(recent, "label", words).order_by("-requested_at", "-pk")[:most])


def with_id(user: Any, number: uuid.UUID) -> models.Model | None:
    """Return whatever the user may know of that has this id, from five queries at most."""
    sorts: tuple[models.QuerySet[Any], ...] = (
        Timer.objects.visible_to(user),
        Execution.objects.visible_to(user).select_related("timer"),
        Transfer.objects.visible_to(user),
        Collection.objects.visible_to(user),
        WorkflowRun.objects.visible_to(user),
    )
    return next(filter(None, (found.filter(pk=number).first() for found in sorts)), None)


def _holding(found: Any, field: str, words: str) -> Any:
    for word in words.split()[:MAX_TERMS]:
        found = found.filter(**{f"{field}__icontains": word})
    return found
