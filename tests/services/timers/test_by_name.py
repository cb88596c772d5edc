"""Timers that are known by name: made, replaced, and taken up again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from timers.errors import Invalid, NotFound
from timers.models import Execution, Timer
from timers.services.executions import commands
from timers.services.timers import by_name
from timers.services.timers import commands as timers

pytestmark = pytest.mark.django_db

CRON = {"type": "cron", "expression": "0 0 * * * ?", "timezone": "UTC", "dst_gap": "skip", "dst_overlap": "both"}


def save(owner: Any, now: datetime, **changes: Any) -> Timer:
    wish = {
        "name": "hourly",
        "schedule": CRON,
        "body": {"name": "flow"},
        "policies": {"overlap": "allow", "catch_up": "none", "catch_up_window_seconds": None},
        "description": "",
        "paused": False,
    }
    return by_name.save(owner=owner, now=now, **{**wish, **changes})


def test_a_name_is_saved_again_as_the_same_timer_and_its_tags_stay(owner: Any, now: datetime) -> None:
    first = save(owner, now, description="old")
    timers.set_tags(first, tags={"a": "b"}, by=owner, now=now)

    again = save(owner, now + timedelta(minutes=1), schedule={**CRON, "expression": "0 30 * * * ?"})

    assert again.pk == first.pk
    again.refresh_from_db()
    assert (again.description, again.created_at, timers.tags_of(again)) == ("", now, {"a": "b"})
    assert again.schedule.next_planned_at == now + timedelta(minutes=30)


def test_saving_resumes_or_pauses_and_forgets_the_reason(owner: Any, now: datetime) -> None:
    timer = save(owner, now)
    timers.pause(timer, by=owner, reason="stocktaking", now=now)

    save(owner, now, paused=True)
    timer.refresh_from_db()
    assert (timer.status, timer.status_reason) == ("paused", "")
    assert save(owner, now).status == "active"
    assert save(owner, now, paused=True).status == "paused"


def test_a_rejected_save_changes_nothing(owner: Any, now: datetime) -> None:
    timer = save(owner, now)

    with pytest.raises(Invalid):
        save(owner, now, body={"name": "flow", "input": "text"})

    timer.refresh_from_db()
    assert timer.definition.number == 1


def test_a_rule_that_never_fires_is_saved_and_has_ended(owner: Any, now: datetime) -> None:
    assert save(owner, now, schedule={**CRON, "expression": "0 0 0 30 2 ?"}).status == "ended"


def test_a_deleted_name_is_free_again_and_other_owners_have_names_of_their_own(
    owner: Any, stranger: Any, now: datetime
) -> None:
    first = save(owner, now)
    timers.delete(first, by=owner, now=now)

    assert save(owner, now).pk != first.pk
    assert save(stranger, now).owner == stranger
    with pytest.raises(NotFound):
        by_name.find(owner, "nobody")


def test_the_database_keeps_names_apart(owner: Any, now: datetime) -> None:
    timer = save(owner, now)

    with pytest.raises(IntegrityError), transaction.atomic():
        timers.create(
            owner=owner,
            action="workflow",
            name="hourly",
            schedule=CRON,
            body={"name": "x"},
            interface="conductor",
            now=now,
        )
    save(owner, now, name="other")
    with pytest.raises(Invalid) as error:
        timers.update(timer, changes={"name": "other"}, by=owner, now=now)
    assert list(error.value.fields) == ["name"]


def test_what_was_taken_and_not_started_is_woken_again(owner: Any, now: datetime) -> None:
    timer = save(owner, now)
    stuck = timers.run_now(timer, by=owner, now=now)
    Execution.objects.filter(pk=stuck.pk).update(lease_until=None)

    assert commands.requeue_stuck(owner, now=now) == []
    assert commands.requeue_stuck(owner, now=now + timedelta(seconds=10)) == [stuck.pk]
    stuck.refresh_from_db()
    assert stuck.lease_until is not None
