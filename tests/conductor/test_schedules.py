"""Schedules: saved, read, listed, deleted, paused and resumed; their tags; the scheduler as a whole."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.conductor.conftest import Caller, save_request
from timers.models import Event, Timer
from timers.services.timers import pause_all

pytestmark = pytest.mark.django_db

SCHEDULES = "/scheduler/schedules"


def test_saving_again_replaces_all_but_what_is_kept(calls: Caller) -> None:
    calls.save(description="old", paused=True, zoneId="Asia/Tokyo")
    calls.put(f"{SCHEDULES}/nightly/tags", [{"key": "a", "value": "b", "type": None}])

    saved = calls.save(cronExpression="0 30 3 * * ?")

    assert (saved["description"], saved["paused"], saved["zoneId"]) == (None, False, "UTC")
    assert saved["tags"] == [{"key": "a", "value": "b", "type": "METADATA"}]
    assert Timer.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cronExpression": "0 0 24 * * *"}, ["cron", "0 0 24 * * *", "hour", "23"]),
        ({"cronExpression": "* * * * *"}, ["cron", "5 fields"]),
        ({"cronExpression": None}, ["cron"]),
        ({"cronExpression": "@noon"}, ["cron", "@noon"]),
        ({"zoneId": "Mars/Base"}, ["zone", "Mars/Base"]),
        ({"name": "a/b"}, ["a/b", "slash"]),
        ({"name": ""}, ["name"]),
        ({"name": "x" * 256}, ["255"]),
        ({"startWorkflowRequest": None}, ["startWorkflowRequest"]),
        ({"startWorkflowRequest": {"version": 1}}, ["startWorkflowRequest.name"]),
        ({"startWorkflowRequest": {"name": "w", "priority": "high"}}, ["startWorkflowRequest.priority"]),
        ({"scheduleStartTime": "soon"}, ["scheduleStartTime"]),
        ({"scheduleStartTime": 2, "scheduleEndTime": 1}, ["scheduleEndTime"]),
        ({"paused": "yes"}, ["paused"]),
        ({"cronSchedules": [{"cronExpression": "0 0 2 * * ?"}]}, ["cronSchedules"]),
    ],
)
def test_what_cannot_work_is_refused_with_words_and_changes_nothing(
    calls: Caller, changes: dict[str, Any], words: list[str]
) -> None:
    answer = calls.post(SCHEDULES, {**save_request(), **changes})

    document = answer.json()
    assert (answer.status_code, document["status"], document["retryable"]) == (400, 400, False)
    assert all(word in document["message"] for word in words), document["message"]
    assert not Timer.objects.exists()


def test_the_workflow_need_not_exist_and_the_cron_need_not_ever_fire(calls: Caller) -> None:
    assert calls.save(cronExpression="0 0 0 30 2 ?")["nextRunTime"] is None
    assert calls.save("other", cronExpression="@hourly")["cronExpression"] == "@hourly"


def test_missing_ones_are_named(calls: Caller) -> None:
    for method, path in (
        ("GET", f"{SCHEDULES}/nobody"),
        ("PUT", f"{SCHEDULES}/nobody/pause"),
        ("PUT", f"{SCHEDULES}/nobody/resume"),
        ("GET", f"{SCHEDULES}/nobody/tags"),
    ):
        answer = calls.send(method, path)
        assert (answer.status_code, "nobody" in answer.json()["message"]) == (404, True)
    assert calls.delete(f"{SCHEDULES}/nobody").status_code == 200


def test_strangers_know_nothing_and_have_names_of_their_own(calls: Caller, stranger_calls: Caller) -> None:
    calls.save()

    assert stranger_calls.get(f"{SCHEDULES}/nightly").status_code == 404
    assert stranger_calls.get(SCHEDULES).json() == []
    assert stranger_calls.delete(f"{SCHEDULES}/nightly").status_code == 200
    stranger_calls.save()
    assert len(calls.get(SCHEDULES).json()) == 1


def test_pausing_again_gives_the_new_reason(calls: Caller) -> None:
    calls.save(paused=True)

    for reason in ("first", "second"):
        calls.put(f"{SCHEDULES}/nightly/pause?reason={reason}")
        assert calls.get(f"{SCHEDULES}/nightly").json()["pausedReason"] == reason


@pytest.mark.parametrize("verb", ["PUT", "GET"])
def test_pause_and_resume_by_either_verb(calls: Caller, verb: str) -> None:
    calls.save()

    assert calls.send(verb, f"{SCHEDULES}/nightly/pause?reason=stocktaking").content == b""
    paused = calls.get(f"{SCHEDULES}/nightly").json()
    calls.send(verb, f"{SCHEDULES}/nightly/resume")
    again = calls.send(verb, f"{SCHEDULES}/nightly/resume")
    resumed = calls.get(f"{SCHEDULES}/nightly").json()

    assert (paused["paused"], paused["pausedReason"], again.status_code) == (True, "stocktaking", 200)
    assert (resumed["paused"], resumed["pausedReason"]) == (False, None)
    assert paused["nextRunTime"] == resumed["nextRunTime"]


def test_a_deleted_schedule_is_gone_and_its_name_free(calls: Caller) -> None:
    calls.save(description="first")

    assert calls.delete(f"{SCHEDULES}/nightly").status_code == 200
    assert calls.get(f"{SCHEDULES}/nightly").status_code == 404
    assert calls.save()["description"] is None


def test_lists_are_narrowed_to_a_workflow(calls: Caller) -> None:
    calls.save("a")
    calls.save("b", startWorkflowRequest={"name": "other"})

    names = [each["name"] for each in calls.get(SCHEDULES, workflowName="other").json()]
    found = calls.get(f"{SCHEDULES}/search", freeText="A", size=10).json()

    assert names == ["b"]
    assert (found["totalHits"], found["results"][0]["name"]) == (1, "a")


@pytest.mark.parametrize("name", ["a b", "ü-名", "100%", "it's", "search", "q?x=1&y"])
def test_any_name_but_one_with_a_slash_can_be_used(calls: Caller, name: str) -> None:
    calls.save(name)
    path = f"{SCHEDULES}/{quote(name, safe='')}"

    assert calls.get(path).json()["name"] == name
    assert (calls.delete(path).status_code, Timer.objects.not_deleted().count()) == (200, 0)


def test_tags_are_replaced_read_and_removed_by_key_and_value(calls: Caller) -> None:
    calls.save()
    tags = [{"key": "team", "value": "a"}, {"key": "team", "value": "b"}, {"key": "env", "value": "p"}]

    calls.put(f"{SCHEDULES}/nightly/tags", tags)
    removed = calls.delete(f"{SCHEDULES}/nightly/tags", [{"key": "team", "value": "a"}, {"key": "env", "value": "x"}])

    assert removed.status_code == 200
    left = calls.get(f"{SCHEDULES}/nightly/tags").json()
    assert [(tag["key"], tag["value"]) for tag in left] == [("team", "b"), ("env", "p")]
    assert calls.put(f"{SCHEDULES}/nightly/tags", [{"value": "x"}]).status_code == 400
    assert calls.put(f"{SCHEDULES}/nightly/tags", [{"key": "a", "type": "COLOUR"}]).status_code == 400


@pytest.mark.parametrize("path", ["/scheduler/admin/pause", "/scheduler/admin/resume", "/scheduler/admin/requeue"])
def test_the_switches_answer_objects(calls: Caller, path: str) -> None:
    assert isinstance(calls.get(path).json(), dict)


def test_a_schedule_named_pause_is_no_switch(calls: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    thrown: list[Any] = []
    monkeypatch.setattr(pause_all, "pause_all", lambda **given: thrown.append(given))
    calls.save("pause")

    assert calls.get(f"{SCHEDULES}/pause").json()["name"] == "pause"
    assert thrown == []
    assert calls.put(f"{SCHEDULES}/pause").json() == {"status": "done"}
    assert len(thrown) == 1


def test_pausing_many_at_once_names_those_that_are_missing(calls: Caller) -> None:
    calls.save("a")

    answer = calls.put("/scheduler/bulk/pause", ["a", "nobody"]).json()

    assert answer["bulkSuccessfulResults"] == ["a"]
    assert list(answer["bulkErrorResults"]) == ["nobody"]


# Previews


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


@pytest.mark.parametrize("path", ["/scheduler/nextFewSchedules", "/scheduler/nextFewRuns"])
def test_the_next_slots_are_five_in_utc(calls: Caller, now: datetime, path: str) -> None:
    slots = calls.get(path, cronExpression="0 0 * * * ?").json()

    assert slots == [_ms(now + timedelta(hours=number)) for number in range(1, 6)]


def test_previews_keep_to_start_end_and_limit(calls: Caller, now: datetime) -> None:
    start, end = now + timedelta(hours=2), now + timedelta(hours=4)
    query = {"cronExpression": "0 0 * * * ?", "scheduleStartTime": _ms(start), "scheduleEndTime": _ms(end)}

    assert calls.get("/scheduler/nextFewSchedules", **query, limit=9).json() == [
        _ms(start),
        _ms(start + timedelta(hours=1)),
        _ms(end),
    ]
    assert len(calls.get("/scheduler/nextFewSchedules", cronExpression="* * * * * *", limit=2).json()) == 2
    assert calls.get("/scheduler/nextFewSchedules", cronExpression="0 0 0 30 2 ?").json() == []
    past = {**query, "scheduleStartTime": 1000, "scheduleEndTime": ""}
    assert calls.get("/scheduler/nextFewSchedules", **past).json()[0] == _ms(now + timedelta(hours=1))
    assert (
        calls.get("/scheduler/nextFewSchedules", cronExpression="0 0 9 * * ?", zoneId="Asia/Tokyo").status_code == 200
    )


@pytest.mark.parametrize("query", [{"cronExpression": "x"}, {}, {"cronExpression": "@daily", "limit": "many"}])
def test_a_bad_preview_is_refused(calls: Caller, query: dict[str, Any]) -> None:
    assert calls.get("/scheduler/nextFewSchedules", **query).status_code == 400


def test_saving_is_on_record(calls: Caller, owner: Any) -> None:
    calls.save()

    assert Event.objects.filter(owner=owner, verb="created", text="nightly").exists()
