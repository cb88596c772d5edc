"""Distributes the rows of any table among the runs of code timers: each row to one run at a time, on any machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Generic, Self, TypeVar
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import CharField, Exists, F, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Cast

from timers import clock
from timers.actions.base import CURRENT, Context
from timers.models import Execution, WorkItem, sql
from timers.models.leases import WORK_ITEM_LEASE

Row = TypeVar("Row", bound=Model)

MAX_ATTEMPTS = 3


@dataclass
class Item(Generic[Row]):
    """A row that is this run's to work on. `with item:` records it as done, or as failed when something is raised.

    What is raised goes no further, so that the next rows have their turn; `error` holds it.
    """

    row: Row
    claim_id: int
    claimed_by: UUID
    error: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if error is None:
            self.done()
        elif isinstance(error, Exception):
            self.failed(error)
        else:
            return False  # the run itself is stopped: the row goes to somebody else when its time is over
        return True

    def done(self) -> None:
        """Record the row as done: no other run gets it."""
        self._record("done", None)

    def failed(self, error: Exception | str) -> None:
        """Record the row as failed: another run gets it, up to the number of attempts."""
        self.error = error if isinstance(error, Exception) else RuntimeError(error)
        self._record("failed", str(error) or type(error).__name__)

    def _record(self, status: str, message: str | None) -> None:
        held = WorkItem.objects.filter(pk=self.claim_id, status="held", execution_id=self.claimed_by)
        held.release(status=status, error_message=message, updated_at=clock.now())


def claim_work(
    queryset: QuerySet[Row], limit: int, *, name: str | None = None, attempts: int = MAX_ATTEMPTS
) -> Iterator[Item[Row]]:
    """Return up to `limit` rows of the queryset, in its order, that no other run holds or has done.

    A row is held until it is recorded as done or failed, at the longest until this run has ended. Where the run's
    worker died, its repetition has the same rows again. Later runs get a failed row
    again, up to `attempts` times in all. `name` is who shares the work, by default the function that runs.
    """
    context = CURRENT.get()
    who = name or (str(context.parameters.get("function")) if context is not None else "by hand")
    return iter(_claim(queryset, limit, name=who, attempts=attempts, context=context, now=clock.now()))


def _claim(
    queryset: QuerySet[Row], limit: int, *, name: str, attempts: int, context: Context | None, now: datetime
) -> list[Item[Row]]:
    claimed_by = uuid4() if context is None else context.execution_id
    until = now + WORK_ITEM_LEASE if context is None or context.deadline is None else context.deadline
    model = queryset.model._meta.label
    known = WorkItem.objects.filter(name=name, model=model)
    taken = known.filter(key=OuterRef("work_key")).exclude(
        Q(status="held", lease_until__lte=now)
        | Q(Exists(Execution.objects.filter(pk=OuterRef("execution_id"), finished_at__isnull=False)), status="held")
        | Q(status="held", execution_id=claimed_by)
        | Q(status="failed", attempts__lt=attempts) & ~Q(execution_id=claimed_by)  # not twice in one run
    )
    with transaction.atomic():
        _take_turns(name, model)
        free = queryset.annotate(work_key=Cast("pk", CharField())).filter(~Exists(taken))
        items = []
        for row in free[:limit]:
            key = str(row.work_key)  # type: ignore[attr-defined]
            claim, made = WorkItem.objects.get_or_create(
                name=name,
                model=model,
                key=key,
                defaults={"status": "held", "execution_id": claimed_by, "lease_until": until, "updated_at": now},
            )
            if not made:
                known.filter(pk=claim.pk).take(
                    until=until,
                    status="held",
                    execution_id=claimed_by,
                    updated_at=now,
                    attempts=F("attempts") + 1,
                    error_message=None,
                )
            items.append(Item(row, claim.pk, claimed_by))
    return items


def _take_turns(name: str, model: str) -> None:
    """Let those who share one kind of work choose one after the other; in SQLite all writers do."""
    if sql.on_postgresql():
        number = int.from_bytes(hashlib.sha256(f"{name} {model}".encode()).digest()[:8], "big", signed=True)
        sql.fetch("select pg_advisory_xact_lock(%s)", [number])


def prune(*, before: datetime) -> int:
    """Forget rows that were done or have failed before an instant; return how many."""
    return WorkItem.objects.filter(updated_at__lt=before).exclude(status="held").delete()[0]
