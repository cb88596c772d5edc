"""Which timers a reader looks for: by words, state, action and tag."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_

from django.db import models
from django.db.models import Q

from timers.lifecycle import ExecutionStatus
from timers.models import Execution, Timer, TimerTag
from timers.queries.timers.counts import FAILING, is_due_soon, is_late

STATUSES = ("active", "paused", "failing", "running", "late", "due", "ended")
MAX_TERMS = 6
FEW_TAGS = 20


@dataclass(frozen=True)
class TimerFilters:
    """What the reader looks for; empty words mean everything."""

    q: str = ""
    status: str = ""
    action: str = ""
    tag: str = ""
    order: str = "attention"

    @property
    def any(self) -> bool:
        return bool(self.q or self.status or self.action or self.tag)


def filtered(visible: models.QuerySet[Timer], filters: TimerFilters, *, now: datetime) -> models.QuerySet[Timer]:
    """Return those of the timers that are looked for."""
    found = visible
    if filters.q:
        found = found.filter(_matches(filters.q))
    if filters.action:
        found = found.filter(action=filters.action)
    if filters.tag:
        key, colon, value = filters.tag.partition(":")
        found = found.tagged(key, value if colon else None)  # type: ignore[attr-defined]
    return found.filter(_has_status(filters.status, now=now))


def _matches(text: str) -> Q:
    """Return the condition that each of the words stands in the name, the action or a tag."""
    found = Q()
    for word in text.split()[:MAX_TERMS]:
        found &= _matches_word(word)
    return found


def _matches_word(word: str) -> Q:
    found = Q(name__icontains=word) | Q(action__icontains=word) | _tagged_like(word)
    try:
        return found | Q(pk=uuid.UUID(word))
    except ValueError:
        return found


def _tagged_like(word: str) -> Q:
    """Return the condition that a tag holds the word; tags are looked up first, as few of them differ."""
    like = TimerTag.objects.filter(Q(key__icontains=word) | Q(value__icontains=word)).order_by()
    tags = list(like.values_list("key", "value").distinct()[: FEW_TAGS + 1])
    if not tags:
        return Q()
    if len(tags) > FEW_TAGS:
        return Q(pk__in=like.values("timer_id"))
    same = reduce(or_, (Q(key=key, value=value) for key, value in tags))
    return Q(pk__in=TimerTag.objects.filter(same).values("timer_id"))


def _has_status(status: str, *, now: datetime) -> Q:
    match status:
        case "active" | "paused" | "ended":
            return Q(status=status)
        case "failing":
            return FAILING
        case "late":
            return is_late(now)
        case "due":
            return is_due_soon(now)
        case "running":
            running = Execution.objects.unfinished().filter(status=ExecutionStatus.RUNNING)
            return Q(pk__in=running.values("timer_id"))
        case _:
            return Q()
