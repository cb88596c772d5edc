"""What can be done to a timer, and what its rows say afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.factories import HOURLY, make_webhook_timer
from timers.errors import Conflict, Invalid
from timers.lifecycle import ExecutionStatus, SkipReason, TimerStatus, Trigger
from timers.models import Definition, Event, Execution, Schedule, Timer
from timers.services.timers import commands as timers
from timers.services.timers import schedules, signing_secrets

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_a_new_timer_is_active_and_due_at_once(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)

    assert timer.status == TimerStatus.ACTIVE
    assert timer.schedule.next_planned_at == now
    assert timer.schedule.next_run_at == now
    assert timer.definition.number == 1


def test_a_timer_made_paused_keeps_its_place_but_has_no_next_run(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now, paused=True)

    assert timer.status == TimerStatus.PAUSED
    assert timer.schedule.next_run_at is None
    assert schedules.next_runs(timer, limit=3, now=now) == []


def test_a_schedule_that_is_already_over_gives_an_ended_timer(owner: Any, now: datetime) -> None:
    over = {**HOURLY, "start": "2020-01-01T00:00:00Z", "end": {"condition": "time", "datetime": "2021-01-01T00:00:00Z"}}

    timer = make_webhook_timer(owner, now=now, schedule=over)

    assert timer.status == TimerStatus.ENDED
    assert timer.schedule.next_run_at is None


def test_every_wrong_field_is_named_at_once(owner: Any, now: datetime) -> None:
    with pytest.raises(Invalid) as caught:
        make_webhook_timer(
            owner,
            now=now,
            name="",
            schedule={"type": "recurring", "interval_seconds": -1},
            body={"url": "ftp://example.org/"},
            policies={"overlap": "whatever"},
        )

    assert set(caught.value.fields) == {"name", "schedule.interval_seconds", "body.url", "policies.overlap"}


def test_an_unknown_action_names_the_known_ones(owner: Any, now: datetime) -> None:
    with pytest.raises(Invalid) as caught:
        make_webhook_timer(owner, now=now, action="dance")

    assert "webhook" in caught.value.fields["timer_type"][0]


def test_a_secret_header_is_kept_apart_and_encrypted(owner: Any, now: datetime) -> None:
    body = {"url": "https://example.org/", "headers": {"Authorization": "Bearer hush", "X-Plain": "seen"}}

    timer = make_webhook_timer(owner, now=now, body=body)

    stored = Definition.objects.get(timer=timer)
    assert stored.body["headers"] == {"Authorization": "***", "X-Plain": "seen"}
    assert list(stored.secrets.values()) == ["Bearer hush"]
    assert "hush" not in str(Definition.objects.extra(select={"raw": "secrets"}).values_list("raw", flat=True)[0])


def test_a_mask_sent_back_leaves_the_secret_as_it_is(owner: Any, now: datetime) -> None:
    body = {"url": "https://example.org/", "headers": {"Authorization": "Bearer hush"}}
    timer = make_webhook_timer(owner, now=now, body=body)
    changed = {"url": "https://example.org/new", "headers": {"authorization": "***"}}

    timer = timers.update(timer, changes={"body": changed}, by=owner, now=now)

    assert list(timer.definition.secrets.values()) == ["Bearer hush"]


def test_a_mask_without_a_stored_secret_is_refused(owner: Any, now: datetime) -> None:
    body = {"url": "https://example.org/", "headers": {"Authorization": "***"}}

    with pytest.raises(Invalid) as caught:
        make_webhook_timer(owner, now=now, body=body)

    assert "body.headers.Authorization" in caught.value.fields


def test_an_edit_adds_a_definition_and_leaves_the_old_one(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)

    timer = timers.update(timer, changes={"name": "Another name"}, by=owner, now=now)

    assert timer.name == "Another name"
    assert list(timer.definitions.order_by("number").values_list("number", "name")) == [
        (1, "Tell the hook"),
        (2, "Another name"),
    ]
    assert timer.schedule.definition_id == timer.definition_id


def test_an_edit_names_only_what_it_changes(owner: Any, now: datetime) -> None:
    url = "https://hooks.example.org/timers"
    body = {"url": url, "headers": {"Authorization": "Bearer first"}}
    timer = make_webhook_timer(owner, now=now, body=body, tags={"team": "lab"})
    same = {
        "name": "Tell the hook",
        "timer_type": "webhook",
        "body": {"url": url, "headers": {"Authorization": "***"}},
        "policies": {"overlap": "skip"},
        "tags": {"team": "lab"},
        "description": "",
    }

    timers.update(timer, changes=same, by=owner, now=now)
    assert not Event.objects.filter(verb="updated").exists()
    assert timer.definitions.count() == 1

    other = {"url": url, "headers": {"Authorization": "Bearer second"}}
    timers.update(timer, changes={**same, "tags": {"team": "ops"}, "body": other}, by=owner, now=now)
    assert Event.objects.get(verb="updated").data["fields"] == ["body", "tags"]
    assert timer.definitions.count() == 2


def test_an_edit_of_the_name_moves_no_grid(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now, schedule={**HOURLY, "start": "2026-03-02T12:30:00Z"})
    before = timer.schedule.next_run_at

    timer = timers.update(timer, changes={"name": "Another name"}, by=owner, now=now + timedelta(minutes=5))

    assert timer.schedule.next_run_at == before


def test_policies_merge_by_key(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now, policies={"overlap": "allow", "max_attempts": 7})

    timer = timers.update(timer, changes={"policies": {"max_attempts": 2}}, by=owner, now=now)

    assert timer.definition.policies["overlap"] == "allow"
    assert timer.definition.policies["max_attempts"] == 2


def test_a_new_schedule_wakes_an_ended_timer(owner: Any, now: datetime) -> None:
    over = {**HOURLY, "start": "2020-01-01T00:00:00Z", "end": {"condition": "time", "datetime": "2021-01-01T00:00:00Z"}}
    timer = make_webhook_timer(owner, now=now, schedule=over)

    timer = timers.update(timer, changes={"schedule": HOURLY}, by=owner, now=now)

    assert timer.status == TimerStatus.ACTIVE
    assert timer.schedule.next_run_at == now


def test_an_unknown_change_is_named(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)

    with pytest.raises(Invalid) as caught:
        timers.update(timer, changes={"colour": "red"}, by=owner, now=now)

    assert set(caught.value.fields) == {"colour"}


def test_pausing_notes_who_and_why_and_a_second_pause_changes_nothing(owner: Any, admin: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)

    timer = timers.pause(timer, by=owner, now=now, reason="cabling")
    again = timers.pause(timer, by=admin, now=now + HOUR, reason="something else")

    assert (again.status_reason, again.status_changed_by, again.status_changed_at) == ("cabling", owner, now)
    assert again.schedule.next_run_at is None


def test_a_pause_becomes_one_skipped_row_when_it_ends(owner: Any, now: datetime) -> None:
    timer = timers.pause(make_webhook_timer(owner, now=now), by=owner, now=now)

    timer = timers.resume(timer, by=owner, now=now + 3.5 * HOUR)

    row = Execution.objects.get(timer=timer)
    assert (row.status, row.skip_reason) == (ExecutionStatus.SKIPPED, SkipReason.PAUSED)
    assert (row.scheduled_for, row.scheduled_until, row.occurrences) == (now, now + 3 * HOUR, 4)
    assert timer.schedule.next_run_at == now + 4 * HOUR


def test_the_last_missed_occurrence_runs_when_asked(owner: Any, now: datetime) -> None:
    timer = timers.pause(make_webhook_timer(owner, now=now), by=owner, now=now)

    timer = timers.resume(timer, by=owner, now=now + 3.5 * HOUR, run_missed=True)

    run = Execution.objects.exclude(status=ExecutionStatus.SKIPPED).get(timer=timer)
    skipped = Execution.objects.get(timer=timer, status=ExecutionStatus.SKIPPED)
    assert (run.trigger, run.scheduled_for, run.status) == (Trigger.CATCH_UP, now + 3 * HOUR, ExecutionStatus.PENDING)
    assert (skipped.scheduled_for, skipped.scheduled_until, skipped.occurrences) == (now, now + 2 * HOUR, 3)
    assert timer.schedule.fired_count == 1


def test_a_short_pause_between_two_occurrences_leaves_no_row(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now, schedule={**HOURLY, "start": "2026-03-02T12:30:00Z"})
    timer = timers.pause(timer, by=owner, now=now)

    timer = timers.resume(timer, by=owner, now=now + timedelta(minutes=1))

    assert not Execution.objects.filter(timer=timer).exists()
    assert timer.schedule.next_run_at == now + timedelta(minutes=30)


def test_a_once_timer_that_was_paused_over_its_instant_ends(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now, schedule={"type": "once", "datetime": "2026-03-02T13:00:00Z"})
    timer = timers.pause(timer, by=owner, now=now)

    timer = timers.resume(timer, by=owner, now=now + 2 * HOUR)

    assert timer.status == TimerStatus.ENDED
    assert Execution.objects.get(timer=timer).skip_reason == SkipReason.PAUSED


def test_a_snoozed_timer_resumes_by_itself(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)
    timers.pause(timer, by=owner, now=now, until=now + HOUR)

    early = timers.resume_snoozed(until=now + HOUR / 2, now=now + HOUR / 2)
    late = timers.resume_snoozed(until=now + HOUR, now=now + HOUR)

    assert (early, late) == (now + HOUR, None)
    assert Timer.objects.get(pk=timer.pk).status == TimerStatus.ACTIVE


def test_what_comes_at_the_end_of_a_snooze_or_after_it_is_no_part_of_the_pause(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)
    timers.pause(timer, by=owner, now=now, until=now + 2 * HOUR)

    timers.resume_snoozed(until=now + 5 * HOUR, now=now + 5 * HOUR)

    skipped = Execution.objects.get(timer=timer)
    assert (skipped.scheduled_for, skipped.scheduled_until, skipped.occurrences) == (now, now + HOUR, 2)
    assert Schedule.objects.get(pk=timer.pk).next_run_at == now + 2 * HOUR


def test_a_snooze_ends_a_moment_early_so_that_its_first_run_is_on_time(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)
    timers.pause(timer, by=owner, now=now, until=now + HOUR)

    timers.resume_snoozed(until=now + HOUR, now=now + HOUR - timedelta(seconds=0.5))

    assert Schedule.objects.get(pk=timer.pk).next_run_at == now + HOUR
    assert Execution.objects.get(timer=timer).scheduled_for == now


def test_an_end_of_a_pause_in_the_past_is_refused(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)

    with pytest.raises(Invalid) as caught:
        timers.pause(timer, by=owner, now=now, until=now)

    assert set(caught.value.fields) == {"until"}


def test_what_is_deleted_has_no_next_run_and_keeps_its_history(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)
    waiting = timers.run_now(timer, by=owner, now=now)

    timer = timers.delete(timer, by=owner, now=now)

    assert timer.status == TimerStatus.DELETED
    assert timer.schedule.next_run_at is None
    assert Execution.objects.get(pk=waiting.pk).status == ExecutionStatus.CANCELLED


@pytest.mark.parametrize("deed", [timers.pause, timers.resume, timers.run_now])
def test_nothing_can_be_done_to_a_deleted_timer(owner: Any, now: datetime, deed: Any) -> None:
    timer = timers.delete(make_webhook_timer(owner, now=now), by=owner, now=now)

    with pytest.raises(Conflict):
        deed(timer, by=owner, now=now)


def test_run_now_runs_a_paused_timer_too(owner: Any, now: datetime) -> None:
    timer = timers.pause(make_webhook_timer(owner, now=now), by=owner, now=now)

    execution = timers.run_now(timer, by=owner, now=now)

    assert (execution.trigger, execution.status) == (Trigger.MANUAL, ExecutionStatus.PENDING)


def test_tags_are_replaced_as_a_whole_and_a_key_may_have_several_values(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now, tags={"site": "north", "old": ""})

    timer = timers.set_tags(timer, tags={"site": ["north", "south"]}, by=owner, now=now)

    assert timers.tags_of(timer) == {"site": ["north", "south"]}
    assert list(Timer.objects.tagged("site", "south")) == [timer]
    assert not Timer.objects.tagged("old").exists()


def test_a_webhook_signs_with_the_new_secret_first_and_a_day_with_the_old_one_too(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now)
    (first,) = signing_secrets.keys(timer.pk, now=now)

    shown = signing_secrets.rotate(timer, by=owner, now=now)

    assert shown.startswith("whsec_")
    assert len(signing_secrets.keys(timer.pk, now=now)) == 2
    assert signing_secrets.keys(timer.pk, now=now)[1] == first
    assert len(signing_secrets.keys(timer.pk, now=now + timedelta(hours=25))) == 1


def test_each_deed_leaves_an_event_with_its_actor(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now, by=owner)
    timers.pause(timer, by=owner, now=now, reason="cabling")
    timers.resume(timer, by=owner, now=now)
    timers.delete(timer, by=owner, now=now)

    events = Event.objects.filter(timer_id=timer.pk).order_by("id")

    assert [event.verb for event in events] == ["created", "paused", "resumed", "deleted"]
    assert {event.actor for event in events} == {owner}


def test_next_runs_stop_at_the_number_of_runs(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner, now=now, schedule={**HOURLY, "end": {"condition": "iterations", "n": 2}})

    assert schedules.next_runs(timer, limit=10, now=now) == [now, now + HOUR]


@pytest.mark.parametrize(
    "url",
    ["https://other.test/", "http://example.org/", "https://example.org:8443/", "https://example.org.other.test/"],
)
def test_a_masked_secret_is_never_sent_to_another_place(owner: Any, now: datetime, url: str) -> None:
    body = {"url": "https://example.org/", "headers": {"Authorization": "Bearer hush"}}
    timer = make_webhook_timer(owner, body=body, now=now)

    changed = {"body": {"url": url, "headers": {"Authorization": "***"}}}
    with pytest.raises(Invalid) as caught:
        timers.update(timer, changes=changed, by=owner, now=now)

    assert "Give it again" in caught.value.fields["body.headers.Authorization"][0]
    same = {"body": {"url": "https://EXAMPLE.org:443/new", "headers": {"Authorization": "***"}}}
    timer = timers.update(timer, changes=same, by=owner, now=now)
    assert list(timer.definition.secrets.values()) == ["Bearer hush"]
