"""Collections as their pages show them: what the last test found, and what uses them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from timers.lifecycle import TimerStatus
from timers.models import Collection, Timer, Transfer

MAX_COLLECTIONS = 500
MAX_NAMED_TIMERS = 20
WORKING = (TimerStatus.ACTIVE, TimerStatus.PAUSED)


@dataclass(frozen=True)
class Tested:
    """What the last test of a collection found; `status` is empty before the first."""

    status: str = ""
    checked_at: datetime | None = None
    message: str = ""
    reason: str | None = None
    writable: bool = False
    list_seconds: float | None = None
    read_bytes_per_second: int | None = None
    write_bytes_per_second: int | None = None

    @classmethod
    def read(cls, health: Mapping[str, Any]) -> Tested:
        """Return what is stored of a test."""
        if not health:
            return cls()
        known = {name: health.get(name) for name in cls.__dataclass_fields__}
        return cls(**{**known, "checked_at": datetime.fromisoformat(health["checked_at"])})  # type: ignore[arg-type]


@dataclass(frozen=True)
class CollectionRow:
    """One collection in a list. `timers` is how many the reader knows of that copy from or to it."""

    collection: Collection
    tested: Tested
    timers: int


@dataclass(frozen=True)
class Users:
    """What uses a collection: the first of its timers by name, how many there are, and how many transfers go on."""

    timers: list[Timer]
    count: int
    transfers: int


def collection_rows(user: Any) -> list[CollectionRow]:
    """Return the collections that the user may see, by name, from two queries."""
    found = Collection.objects.visible_to(user).select_related("owner").order_by("display_name", "pk")[:MAX_COLLECTIONS]
    used = _used(user)
    return [CollectionRow(each, Tested.read(each.health), used[str(each.pk)]) for each in found]


def users_of(collection: Collection, *, reader: Any) -> Users:
    """Return what of the reader's uses a collection, from three queries."""
    key = str(collection.pk)
    named = Q(definition__body__source_endpoint=key) | Q(definition__body__destination_endpoint=key)
    timers = _copying(reader).filter(named)
    transfers = Transfer.objects.visible_to(reader).filter(Q(source=collection) | Q(destination=collection))
    return Users(
        timers=list(timers.order_by("name", "pk")[:MAX_NAMED_TIMERS]),
        count=timers.count(),
        transfers=transfers.unfinished().count(),
    )


def _used(user: Any) -> Counter[str]:
    """Return for each collection how many timers name it."""
    pairs = (
        _copying(user)
        .order_by()
        .values_list(
            KeyTextTransform("source_endpoint", "definition__body"),
            KeyTextTransform("destination_endpoint", "definition__body"),
        )
        .annotate(Count("pk"))
    )
    used: Counter[str] = Counter()
    for source, destination, count in pairs:
        for each in {source, destination}:
            used[each] += count
    return used


def _copying(user: Any) -> QuerySet[Timer]:
    """Return the timers that will copy."""
    return Timer.objects.visible_to(user).filter(action="transfer", status__in=WORKING)
