"""Filters of lists of timers, for every interface: by status, action, tag, text and instant."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_

from django.db.models import Q

from timers.lifecycle import ExecutionStatus
from timers.models import Execution, TimerTag
from timers.models.timers import TimerQuerySet
from timers.queries.timers.counts import FAILING, is_due_soon, is_late

STORED_STATUSES = ("active", "paused", "ended")
STATUSES = ("active", "paused", "failing", "running", "late", "due", "ended")
MAX_TERMS = 6
FEW_TAGS = 20


@dataclass(frozen=True)
class TimerFilters:
    """The filters of the dashboard's list; an empty one leaves everything."""

    q: str = ""
    status: str = ""
    action: str = ""
    tag: str = ""
    order: str = "attention"

    @property
    def any(self) -> bool:
        return bool(self.q or self.status or self.action or self.tag)

    @property
    def tag_pair(self) -> tuple[str, str | None]:
        """The key and the value of the tag; None where any value will do."""
        key, colon, value = self.tag.partition(":")
        return key, value if colon else None


def select(
    timers: TimerQuerySet,
    *,
    statuses: Collection[str] = (),
    actions: Collection[str] = (),
    tags: Iterable[tuple[str, str | None]] = (),
    names: Iterable[str] = (),
    text: str = "",
    workflow: str = "",
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> TimerQuerySet:
    """Return those of the timers that all conditions hold for; an empty one holds for every timer.

    `tags` are keys with a value, or None for any. `names` are parts of the name, `text` a part of name or description;
    `workflow` is the name of the one that is started.
    """
    conditions = Q()
    if statuses:
        conditions &= Q(status__in=statuses)
    if actions:
        conditions &= Q(action__in=actions)
    for part in filter(None, names):
        conditions &= Q(name__icontains=part)
    if text:
        conditions &= Q(name__icontains=text) | Q(description__icontains=text)
    if workflow:
        conditions &= Q(definition__body__name=workflow)
    if created_after is not None:
        conditions &= Q(created_at__gt=created_after)
    if created_before is not None:
        conditions &= Q(created_at__lt=created_before)
    selected = timers.filter(conditions)
    for key, value in tags:
        selected = selected.tagged(key, value)
    return selected


def filtered(visible: TimerQuerySet, filters: TimerFilters, *, now: datetime) -> TimerQuerySet:
    """Return those of the timers that the reader of the list looks for."""
    is_stored = filters.status in STORED_STATUSES
    selected = select(
        visible,
        statuses=[filters.status] if is_stored else [],
        actions=[filters.action] if filters.action else [],
        tags=[filters.tag_pair] if filters.tag else [],
    )
    return selected.filter(_matches(filters.q), Q() if is_stored else _has_status(filters.status, now=now))


def _matches(text: str) -> Q:
    """Return the condition that each of the words stands in the name, the action or a tag."""
    matches = Q()
    for word in text.split()[:MAX_TERMS]:
        matches &= _matches_word(word)
    return matches


def _matches_word(word: str) -> Q:
    matches = Q(name__icontains=word) | Q(action__icontains=word) | _tagged_like(word)
    try:
        return matches | Q(pk=uuid.UUID(word))
    except ValueError:
        return matches


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
