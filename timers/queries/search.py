"""Search by words in a name, or by id, over timers, collections, transfers, workflows and their runs."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models.functions import Lower

from timers.models import Collection, Execution, Timer, Transfer, WorkflowDefinition, WorkflowRun

MAX_TERMS = 6
MAX_SEARCHED_TRANSFERS = 2000
"""Number of newest transfers that are searched; older labels are found in the list of transfers."""


def timers(user: Any, words: str, *, most: int) -> list[Timer]:
    """Return the first `most` timers, by name, whose name contains each of the words."""
    rows = _containing(Timer.objects.visible_to(user).not_deleted(), "name", words)
    return list(rows.order_by(Lower("name"), "pk")[:most])


def collections(user: Any, words: str, *, most: int) -> list[Collection]:
    """Return the first `most` collections, by name, whose name contains each of the words."""
    rows = _containing(Collection.objects.visible_to(user), "display_name", words)
    return list(rows.order_by(Lower("display_name"), "pk")[:most])


def workflows(user: Any, words: str, *, most: int) -> list[WorkflowDefinition]:
    """Return the first `most` workflows, by name, whose name contains each of the words, in their newest version."""
    rows = _containing(WorkflowDefinition.objects.visible_to(user).newest(), "name", words)
    return list(rows.order_by(Lower("name"), "pk")[:most])


def transfers(user: Any, words: str, *, most: int) -> list[Transfer]:
    """Return the newest `most` transfers whose label contains each of the words."""
    newest_first = Transfer.objects.visible_to(user).order_by("-requested_at", "-pk")
    recent = Transfer.objects.filter(pk__in=newest_first.values("pk")[:MAX_SEARCHED_TRANSFERS])
    return list(_containing(recent, "label", words).order_by("-requested_at", "-pk")[:most])


def find_by_id(user: Any, number: uuid.UUID) -> models.Model | None:
    """Return the object with this id that is visible to the user, None if there is none; at most five queries."""
    sorts: tuple[models.QuerySet[Any], ...] = (
        Timer.objects.visible_to(user),
        Execution.objects.visible_to(user).select_related("timer"),
        Transfer.objects.visible_to(user),
        Collection.objects.visible_to(user),
        WorkflowRun.objects.visible_to(user),
    )
    return next(filter(None, (rows.filter(pk=number).first() for rows in sorts)), None)


def _containing(rows: Any, field: str, words: str) -> Any:
    for word in words.split()[:MAX_TERMS]:
        rows = rows.filter(**{f"{field}__icontains": word})
    return rows
