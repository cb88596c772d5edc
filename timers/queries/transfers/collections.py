"""Read models of collections: the result of the last test, and the timers and transfers that use them."""

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
SCHEDULED_STATUSES = (TimerStatus.ACTIVE, TimerStatus.PAUSED)


@dataclass(frozen=True)
class LastTest:
    """Result of the last test of a collection; `status` is empty before the first test."""

    status: str = ""
    checked_at: datetime | None = None
    message: str = ""
    reason: str | None = None
    writable: bool = False
    list_seconds: float | None = None
    read_bytes_per_second: int | None = None
    write_bytes_per_second: int | None = None

    @classmethod
    def read(cls, health: Mapping[str, Any]) -> LastTest:
        """Return the result stored in a collection's `health`."""
        if not health:
            return cls()
        known = {name: health.get(name) for name in cls.__dataclass_fields__}
        return cls(**{**known, "checked_at": datetime.fromisoformat(health["checked_at"])})  # type: ignore[arg-type]


@dataclass(frozen=True)
class CollectionRow:
    """One collection in a list. `timers` is the number of timers visible to the reader that copy from or to it."""

    collection: Collection
    tested: LastTest
    timers: int


@dataclass(frozen=True)
class CollectionUsers:
    """Users of a collection: its first timers by name, their number, and the number of unfinished transfers."""

    timers: list[Timer]
    count: int
    transfers: int


def collection_rows(user: Any) -> list[CollectionRow]:
    """Return the collections visible to the user, by name, from two queries."""
    collections = (
        Collection.objects.visible_to(user).select_related("owner").order_by("display_name", "pk")[:MAX_COLLECTIONS]
    )
    used = _timer_counts(user)
    return [
        CollectionRow(collection, LastTest.read(collection.health), used[str(collection.pk)])
        for collection in collections
    ]


def users_of(collection: Collection, *, reader: Any) -> CollectionUsers:
    """Return the reader's timers and transfers that use a collection, from three queries."""
    key = str(collection.pk)
    uses_collection = Q(definition__body__source_endpoint=key) | Q(definition__body__destination_endpoint=key)
    timers = _transfer_timers(reader).filter(uses_collection)
    transfers = Transfer.objects.visible_to(reader).filter(Q(source=collection) | Q(destination=collection))
    return CollectionUsers(
        timers=list(timers.order_by("name", "pk")[:MAX_NAMED_TIMERS]),
        count=timers.count(),
        transfers=transfers.unfinished().count(),
    )


def _timer_counts(user: Any) -> Counter[str]:
    """Return the number of timers that use each collection, by collection id."""
    pairs = (
        _transfer_timers(user)
        .order_by()
        .values_list(
            KeyTextTransform("source_endpoint", "definition__body"),
            KeyTextTransform("destination_endpoint", "definition__body"),
        )
        .annotate(Count("pk"))
    )
    counts: Counter[str] = Counter()
    for source, destination, count in pairs:
        for collection_id in {source, destination}:
            counts[collection_id] += count
    return counts


def _transfer_timers(user: Any) -> QuerySet[Timer]:
    """Return the active and paused transfer timers."""
    return Timer.objects.visible_to(user).filter(action="transfer", status__in=SCHEDULED_STATUSES)
