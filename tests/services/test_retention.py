"""What is old goes away; what is unfinished, and each timer's last runs, stay."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.factories import make_webhook_timer
from timers.models import Attempt, Event, Execution, RegisteredApp, Timer, Token
from timers.services import retention
from timers.services.people import oauth_clients, oauth_grants, tokens

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def _history(timer: Timer, now: datetime, days: int, **fields: Any) -> None:
    """Make one execution a day, each with its attempt, the oldest `days` days ago."""
    for age in range(1, days + 1):
        at = now - age * DAY
        given = {"status": "completed", "started_at": at, "finished_at": at, **fields}
        made = Execution.objects.create(
            timer=timer, definition_id=timer.definition_id, scheduled_for=at, run_at=at, created_at=at, **given
        )
        Attempt.objects.create(execution_id=made.pk, number=1, started_at=at, finished_at=at, outcome="completed")


def test_old_runs_go_with_their_attempts_but_the_last_ten_stay(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)
    _history(timer, now, days=30)

    pruned = retention.prune(before=now - 5 * DAY, now=now)

    assert pruned.executions == 20
    assert Execution.objects.filter(timer=timer).count() == Attempt.objects.count() == 10
    assert min(Execution.objects.values_list("scheduled_for", flat=True)) == now - 10 * DAY


def test_old_skipped_rows_go_and_unfinished_ones_stay(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)
    _history(timer, now, days=3, status="skipped", skip_reason="overlap", started_at=None)
    _history(make_webhook_timer(owner, now=now), now, days=3, status="running", finished_at=None)

    pruned = retention.prune(before=now, now=now)

    assert pruned.executions == 3
    assert set(Execution.objects.values_list("status", flat=True)) == {"running"}


def test_what_is_young_stays(owner: Any, now: datetime) -> None:
    _history(make_webhook_timer(owner, now=now), now, days=20)

    assert retention.prune(before=now - 90 * DAY, now=now) == retention.Pruned(0, 0, 0, 0)
    assert Event.objects.count() == 1


def test_the_command_says_what_it_deleted(owner: Any, now: datetime) -> None:
    _history(make_webhook_timer(owner, now=now), now, days=12)
    told = StringIO()

    call_command("prune", days=0, stdout=told)

    assert told.getvalue().startswith("Deleted 2 executions, 0 transfers, 1 events")


def test_a_number_of_days_that_cannot_be_is_refused() -> None:
    with pytest.raises(CommandError, match="--days"):
        call_command("prune", days=-1)


def test_tokens_of_apps_go_when_they_are_good_for_nothing_and_apps_that_never_came_back(
    owner: Any, now: datetime
) -> None:
    used, _ = oauth_clients.register(name="used", template_id="", address="192.0.2.1", now=now - 40 * DAY)
    oauth_clients.register(name="idle", template_id="", address="192.0.2.1", now=now - 40 * DAY)
    oauth_clients.register(name="young", template_id="", address="192.0.2.1", now=now)
    for days in (40, 5):
        names = ["openid"]
        common = {"client_id": str(used.client_id), "name": "used", "refresh": False, "grant": None}
        oauth_grants.issue(owner=owner, names=names, now=now - days * DAY, **common)
    tokens.create_token(owner=owner, name="by hand", days=1, now=now - 90 * DAY)

    pruned = retention.prune(before=now - 90 * DAY, now=now)

    assert pruned.tokens == 2
    assert set(RegisteredApp.objects.values_list("name", flat=True)) == {"used", "young"}
    assert sorted(Token.objects.values_list("kind", flat=True)) == ["access", "personal"]
