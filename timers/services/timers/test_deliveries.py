"""Test deliveries of webhooks: sent at once by the rules of all deliveries, without an execution."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from timers.actions.base import ACTIONS, Context, Outcome, OutcomeKind
from timers.errors import Conflict, ExternalError
from timers.models import Definition, Event
from timers.services import events
from timers.services.timers import definitions, signing_secrets

log = logging.getLogger(__name__)

MAX_DURATION = timedelta(seconds=15)
MAX_TESTS = 10
TESTS_WINDOW = timedelta(minutes=5)


def send(
    body: Mapping[str, Any], *, owner: Any, by: Any, now: datetime, like: Definition | None = None, timer_id: Any = None
) -> Outcome:
    """Send the request of a webhook and return its outcome, secrets masked.

    `like` is the definition whose secrets replace masks in the body; `timer_id` is the timer that is edited.
    It may take some seconds and must not run in a transaction. Raises Invalid naming body.*, Conflict after too many.
    """
    public, hidden = definitions.check_body("webhook", body, owner=owner, old=like)
    kind = ACTIONS.get("webhook")
    _record(by=by, owner=owner, timer_id=timer_id, text=kind.summary(public), now=now)
    context = Context(
        execution_id=uuid4(),
        timer_id=timer_id or UUID(int=0),
        owner_id=owner.pk,
        name="Test",
        parameters=kind.join_secrets(public, hidden),
        attempt=1,
        scheduled_for=now,
        started_at=now,
        deadline=now + MAX_DURATION,
        signing_secrets=signing_secrets.keys(timer_id, now=now) if timer_id else (secrets.token_bytes(32),),
    )
    try:
        return kind().run(context)
    except ExternalError as error:
        return Outcome(ending=OutcomeKind.FAILED, error_message=error.message, failure_reason=error.reason)


def _record(*, by: Any, owner: Any, timer_id: UUID | None, text: str, now: datetime) -> None:
    """Record the test as an event; raises Conflict after too many."""
    recent = Event.objects.filter(at__gt=now - TESTS_WINDOW, actor=by, verb="tested")
    if recent.count() >= MAX_TESTS:
        log.info("A limit was reached.", extra={"event": "limit.reached", "limit": "test_deliveries", "user_id": by.pk})
        raise Conflict(f"At most {MAX_TESTS} test deliveries in five minutes. Wait and try again.")
    events.record("tested", now=now, by=by, owner=owner, timer_id=timer_id, text=text)
