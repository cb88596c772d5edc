"""A test delivery of a webhook: sent at once under the rules of all deliveries, and no execution of any timer."""

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
TESTS_COUNT_FOR = timedelta(minutes=5)


def send(
    body: Mapping[str, Any], *, owner: Any, by: Any, now: datetime, like: Definition | None = None, timer_id: Any = None
) -> Outcome:
    """Send what a webhook would send and return what came of it, secrets masked.

    `like` is the definition whose secrets stand in where the body has a mask, `timer_id` the timer that is edited.
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
    """Write the test down; raises Conflict when somebody sends too many."""
    lately = Event.objects.filter(at__gt=now - TESTS_COUNT_FOR, actor=by, verb="tested")
    if lately.count() >= MAX_TESTS:
        log.info("A limit was reached.", extra={"event": "limit.reached", "limit": "test_deliveries", "user_id": by.pk})
        raise Conflict("Those were many tests. Wait five minutes and send another.")
    events.record("tested", now=now, by=by, owner=owner, timer_id=timer_id, text=text)
