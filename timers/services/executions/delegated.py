"""Executions whose work goes on elsewhere (a transfer, a workflow): asking that work to stop."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from timers.actions.base import ACTIONS, Context
from timers.models import Execution
from timers.services.timers import definition_cache

log = logging.getLogger(__name__)


def stop(execution_ids: Iterable[UUID], *, now: datetime) -> None:
    """Ask, after the commit, the actions of these executions to stop what goes on for them."""
    for execution_id in execution_ids:
        transaction.on_commit(partial(_stop, execution_id, now))


def _stop(execution_id: UUID, now: datetime) -> None:
    execution = Execution.objects.filter(pk=execution_id).first()
    known = definition_cache.read([execution.definition_id]) if execution is not None else {}
    if execution is None or not known:
        return
    definition = known[execution.definition_id]
    context = Context(
        execution_id=execution_id,
        timer_id=execution.timer_id,
        owner_id=definition.owner_id,
        name=definition.name,
        parameters=definition.parameters,
        attempt=execution.attempt,
        scheduled_for=execution.scheduled_for,
        started_at=execution.started_at or now,
        deadline=None,
    )
    try:
        ACTIONS.get(definition.action)().cancel(context)
    except Exception:
        log.exception("An action could not be asked to stop.", extra={"execution": str(execution_id)})
