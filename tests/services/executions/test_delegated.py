"""Work that goes on elsewhere for an execution is asked to stop."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.engine.steps import begin_due, claim_at
from tests.factories import make_webhook_timer
from timers.actions.webhook import WebhookAction
from timers.models import Execution
from timers.services.executions import commands as executions
from timers.services.executions import delegated

pytestmark = pytest.mark.django_db


def test_cancelling_one_that_waits_elsewhere_stops_that_work(
    owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch, on_commit: Any
) -> None:
    stopped = []
    monkeypatch.setattr(WebhookAction, "cancel", lambda self, context: stopped.append(context.execution_id))
    make_webhook_timer(owner)
    claim_at(now)
    begin_due(now)
    Execution.objects.update(lease_until=None)
    execution = Execution.objects.get()

    with on_commit():
        executions.cancel(execution, by=owner, now=now)

    assert stopped == [execution.pk]


def test_an_action_that_fails_to_stop_its_work_raises_nothing(
    owner: Any, now: datetime, monkeypatch: pytest.MonkeyPatch, on_commit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(WebhookAction, "cancel", lambda self, context: 1 // 0)
    make_webhook_timer(owner)
    claim_at(now)

    with on_commit():
        delegated.stop([Execution.objects.get().pk], now=now)

    assert "could not be asked to stop" in caplog.text
