"""GET and PUT /timers/{id}/tags; POST /timers/{id}/signing-secret."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller
from timers import clock
from timers.models import Timer, TimerTag
from timers.services.timers import signing_secrets


def test_tags_are_replaced_as_a_whole(owner_calls: Caller, timer: Timer) -> None:
    owner_calls.put(f"/timers/{timer.pk}/tags", {"tags": {"team": "data", "old": ""}})

    answer = owner_calls.put(f"/timers/{timer.pk}/tags", {"tags": {"team": "web", "reviewer": ["ana", "bo"]}})

    assert answer.status_code == 200
    assert answer.json() == {"tags": {"team": "web", "reviewer": ["ana", "bo"]}}
    assert owner_calls.get(f"/timers/{timer.pk}/tags").json() == answer.json()


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "tags"),
        ({"tags": None}, "tags"),
        ({"tags": ["a"]}, "tags"),
        ({"tags": {"": "empty"}}, "tags."),
        ({"tags": {"k": {"deep": 1}}}, "tags.k"),
        ({"tags": {f"k{n}": "" for n in range(101)}}, "tags"),
        ({"labels": {}}, "labels"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(
    owner_calls: Caller, timer: Timer, document: dict[str, Any], field: str
) -> None:
    answer = owner_calls.put(f"/timers/{timer.pk}/tags", document)

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]
    assert not TimerTag.objects.exists()


def test_a_stranger_neither_reads_nor_writes_tags(stranger_calls: Caller, timer: Timer) -> None:
    assert stranger_calls.get(f"/timers/{timer.pk}/tags").status_code == 404
    assert stranger_calls.put(f"/timers/{timer.pk}/tags", {"tags": {"mine": ""}}).status_code == 404
    assert not TimerTag.objects.exists()


def test_a_new_signing_secret_is_told_once_and_the_old_one_still_signs(owner_calls: Caller, timer: Timer) -> None:
    before = signing_secrets.keys(timer.pk, now=clock.now())

    answer = owner_calls.post(f"/timers/{timer.pk}/signing-secret")

    assert answer.status_code == 200
    assert answer.json()["signing_secret"].startswith("whsec_")
    after = signing_secrets.keys(timer.pk, now=clock.now())
    assert len(after) == 2
    assert after[1:] == before


def test_a_stranger_cannot_make_a_signing_secret(stranger_calls: Caller, timer: Timer) -> None:
    before = signing_secrets.keys(timer.pk, now=clock.now())

    assert stranger_calls.post(f"/timers/{timer.pk}/signing-secret").status_code == 404
    assert signing_secrets.keys(timer.pk, now=clock.now()) == before
