"""Taking up an earlier version of a definition again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.factories import HOURLY, make_webhook_timer
from timers.errors import Conflict, NotFound
from timers.models import Event, Timer
from timers.services.timers import commands as timers
from timers.services.timers import versions

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.org/"


def with_header(value: str | None) -> dict[str, Any]:
    return {"url": URL, "headers": {} if value is None else {"Authorization": value}}


@pytest.fixture
def edited(owner: Any, now: datetime) -> Timer:
    """A timer whose second version changed name, schedule, policies."""
    timer = make_webhook_timer(owner, name="First")
    changes = {"name": "Second", "schedule": {**HOURLY, "interval_seconds": 60}, "policies": {"max_attempts": 7}}
    return timers.update(timer, changes=changes, by=owner, now=now)


def test_the_earlier_definition_counts_again_as_a_new_version(edited: Timer, owner: Any, now: datetime) -> None:
    later = now + timedelta(days=1)

    restored = versions.restore(edited, number=1, by=owner, now=later)

    assert restored.definition is not None
    assert (restored.definition.number, restored.name, restored.definition.schedule["interval_seconds"]) == (
        3,
        "First",
        3600,
    )
    assert restored.definition.policies["max_attempts"] == 3
    assert restored.schedule.next_planned_at == later + timedelta(hours=1), "the grid of the first version"


def test_history_says_who_did_it(edited: Timer, owner: Any, now: datetime) -> None:
    versions.restore(edited, number=1, by=owner, now=now)

    event = Event.objects.get(verb="restored")
    assert (event.actor, event.text, event.timer_id) == (owner, "version 1", edited.pk)


def test_a_secret_that_the_timer_has_now_stays(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, body={**with_header("Bearer leaked"), "method": "PUT"})
    timers.update(timer, changes={"body": with_header("Bearer fresh")}, by=owner, now=now)

    restored = versions.restore(timer, number=1, by=owner, now=now)

    assert restored.definition is not None
    assert restored.definition.secrets == {"headers.Authorization": "Bearer fresh"}
    assert restored.definition.body["method"] == "PUT"


def test_a_secret_that_it_no_longer_has_comes_back(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, body=with_header("Bearer first"))
    timers.update(timer, changes={"body": with_header(None)}, by=owner, now=now)

    restored = versions.restore(timer, number=1, by=owner, now=now)

    assert restored.definition is not None
    assert restored.definition.secrets == {"headers.Authorization": "Bearer first"}
    assert restored.definition.body["headers"] == {"Authorization": "***"}


def test_another_kind_of_action_comes_back_whole(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, body=with_header("Bearer first"))
    changes = {"timer_type": "code", "body": {"function": "timers.last_hour"}}
    timers.update(timer, changes=changes, by=owner, now=now)

    restored = versions.restore(timer, number=1, by=owner, now=now)

    assert restored.definition is not None
    assert (restored.action, restored.definition.secrets) == ("webhook", {"headers.Authorization": "Bearer first"})


def test_the_present_version_cannot_be_restored(edited: Timer, owner: Any, now: datetime) -> None:
    with pytest.raises(Conflict):
        versions.restore(edited, number=2, by=owner, now=now)


def test_a_version_that_never_was_is_not_found(edited: Timer, owner: Any, now: datetime) -> None:
    with pytest.raises(NotFound):
        versions.restore(edited, number=9, by=owner, now=now)


def test_a_deleted_timer_keeps_its_definition(edited: Timer, owner: Any, now: datetime) -> None:
    timers.delete(edited, by=owner, now=now)

    with pytest.raises(Conflict):
        versions.restore(edited, number=1, by=owner, now=now)

    edited.refresh_from_db()
    assert edited.name == "Second"
