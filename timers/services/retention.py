"""Pruning of old history. Unfinished rows and each timer's last runs are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from timers.lifecycle import FINISHED, UNFINISHED_TRANSFER
from timers.models import (
    Attempt,
    Event,
    Execution,
    IdempotentAnswer,
    Notice,
    RegisteredApp,
    Token,
    Transfer,
    WorkflowRun,
)
from timers.services.executions import work_items as work
from timers.services.people import tokens as access

MIN_KEPT_RUNS = 10
"""Number of last runs of a timer that are kept whatever their age, because its document shows them."""

TOKEN_RETENTION = timedelta(days=30)
"""Time for which an expired token of an app is kept, so that it can be distinguished from an unknown one."""

ANSWER_RETENTION = timedelta(hours=24)
BATCH_SIZE = 1_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """Number of deleted rows of each kind."""

    executions: int
    transfers: int
    events: int
    answers: int
    notices: int = 0
    work_items: int = 0
    workflow_runs: int = 0
    tokens: int = 0


def prune(*, before: datetime, now: datetime) -> Pruned:
    """Delete rows that finished before `before`, and older events, in small transactions; return their numbers."""
    return Pruned(
        executions=sum(_prune_timer(timer_id, before) for timer_id in _timers_with_history(before)),
        transfers=_prune_transfers(before),
        events=_delete(Event.objects.filter(at__lt=before)),
        work_items=work.prune(before=before),
        notices=_delete(Notice.objects.filter(created_at__lt=before, lease_until__isnull=True)),
        workflow_runs=_prune_workflow_runs(before),
        tokens=_prune_apps(now),
        answers=_delete(IdempotentAnswer.objects.filter(created_at__lt=now - ANSWER_RETENTION)),
    )


def _timers_with_history(before: datetime) -> Iterator[UUID]:
    old = Execution.objects.filter(scheduled_for__lt=before, status__in=FINISHED)
    yield from list(old.order_by().values_list("timer_id", flat=True).distinct())


def _prune_timer(timer_id: UUID, before: datetime) -> int:
    runs = Execution.objects.that_ran().filter(timer_id=timer_id, started_at__isnull=False)
    kept = list(runs.order_by("-scheduled_for").values_list("pk", flat=True)[:MIN_KEPT_RUNS])
    old = Execution.objects.filter(timer_id=timer_id, scheduled_for__lt=before, status__in=FINISHED).exclude(
        pk__in=kept
    )
    return _delete(old, attempts=True)


def _prune_transfers(before: datetime) -> int:
    execution = Execution.objects.filter(pk=OuterRef("execution_id"))
    finished = Transfer.objects.filter(finished_at__lt=before).exclude(status__in=UNFINISHED_TRANSFER)
    return _delete(finished.filter(~Exists(execution)))


def _prune_workflow_runs(before: datetime) -> int:
    execution = Execution.objects.filter(pk=OuterRef("execution_id"))
    return _delete(WorkflowRun.objects.filter(~Exists(execution), finished_at__lt=before))


def _prune_apps(now: datetime) -> int:
    """Delete expired tokens of apps, and registered apps without tokens; return their number."""
    tokens = Token.objects.exclude(kind=access.PERSONAL).filter(expires_at__lt=now - TOKEN_RETENTION)
    holds = Token.objects.filter(client_id=OuterRef("client_id"))
    idle = RegisteredApp.objects.filter(~Exists(holds), created_at__lt=now - TOKEN_RETENTION)
    return _delete(tokens) + _delete(idle)


def _delete(old: Any, *, attempts: bool = False) -> int:
    """Delete the rows of a QuerySet in batches; return their number."""
    number = 0
    while ids := list(old.values_list("pk", flat=True)[:BATCH_SIZE]):
        with transaction.atomic():
            if attempts:
                Attempt.objects.filter(execution_id__in=ids).delete()
            old.model.objects.filter(pk__in=ids).delete()
        number += len(ids)
    return number
