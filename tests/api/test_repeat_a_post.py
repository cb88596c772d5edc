"""The header Idempotency-Key on POSTs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import BASE, Caller
from tests.api.test_create_timer import WEBHOOK
from timers.api.routes import ROUTES
from timers.models import Execution, IdempotentAnswer, Timer

KEY = {"Idempotency-Key": "first-try"}


def test_a_repeat_answers_as_the_first_did_and_makes_nothing(owner_calls: Caller) -> None:
    first = owner_calls.post("/timers", {"timer": WEBHOOK}, **KEY)
    owner_calls.patch(f"/timers/{first.json()['timer']['id']}", {"name": "Changed since"})

    again = owner_calls.post("/timers", {"timer": WEBHOOK}, **KEY)

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Content-Type"] == first.headers["Content-Type"] == "application/json"
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert Timer.objects.count() == 1


@pytest.mark.parametrize("path", ["/timers/{timer}/run", "/timers/{timer}/run/"])
def test_a_post_without_a_body_can_be_repeated_too(owner_calls: Caller, timer: Timer, path: str) -> None:
    first = owner_calls.post(f"/timers/{timer.pk}/run", **KEY)

    assert owner_calls.post(path.format(timer=timer.pk), **KEY).json() == first.json()
    assert Execution.objects.count() == 1


def test_another_body_under_the_same_key_is_refused(owner_calls: Caller) -> None:
    owner_calls.post("/timers", {"timer": WEBHOOK}, **KEY)

    answer = owner_calls.post("/timers", {"timer": {**WEBHOOK, "name": "Other"}}, **KEY)

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "idempotency_key_reused"
    assert Timer.objects.count() == 1


def test_the_same_document_in_another_spelling_is_no_other_body(owner_calls: Caller) -> None:
    one = owner_calls.raw("POST", "/jobs", b'{"name": "J", "callback_url": "https://example.org/"}', **KEY)

    two = owner_calls.raw("POST", "/jobs", b'{"callback_url":"https://example.org/","name":"J"}', **KEY)

    assert (one.status_code, two.status_code) == (201, 201)
    assert one.content == two.content


def test_keys_of_others_and_of_other_paths_are_other_keys(owner_calls: Caller, stranger_calls: Caller) -> None:
    owner_calls.post("/timers", {"timer": WEBHOOK}, **KEY)

    assert stranger_calls.post("/timers", {"timer": WEBHOOK}, **KEY).json()["timer"]["owner"] == "stranger"
    assert owner_calls.post("/timers/bulk", {"timers": [WEBHOOK]}, **KEY).status_code == 200
    assert Timer.objects.count() == 3


def test_after_a_day_the_key_is_free_again(owner_calls: Caller) -> None:
    owner_calls.post("/timers", {"timer": WEBHOOK}, **KEY)
    kept = IdempotentAnswer.objects.get()
    kept.created_at -= timedelta(hours=24)
    kept.save()

    assert owner_calls.post("/timers", {"timer": {**WEBHOOK, "name": "Other"}}, **KEY).status_code == 201
    assert Timer.objects.count() == 2


def test_an_error_is_not_kept_so_a_repeat_tries_again(owner_calls: Caller, timer: Timer) -> None:
    assert owner_calls.post("/timers", {"timer": {**WEBHOOK, "name": ""}}, **KEY).status_code == 400

    assert owner_calls.post("/timers", {"timer": WEBHOOK}, **KEY).status_code == 201


def test_an_answer_with_a_secret_is_not_kept_in_clear(owner_calls: Caller, timer: Timer) -> None:
    answer = owner_calls.post(f"/timers/{timer.pk}/signing-secret", **KEY)

    assert answer.json()["signing_secret"] not in str(IdempotentAnswer.objects.get().answer)
    assert owner_calls.post(f"/timers/{timer.pk}/signing-secret", **KEY).json() == answer.json()


def test_a_crash_before_the_answer_is_kept_undoes_the_work(
    owner_calls: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise SystemExit

    monkeypatch.setattr("timers.services.idempotency._store", crash)
    with pytest.raises(SystemExit):
        owner_calls.post("/timers", {"timer": WEBHOOK}, **KEY)

    assert not Timer.objects.exists()
    assert not IdempotentAnswer.objects.exists()


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "caf\u00e9"])
def test_a_key_that_cannot_be_kept_is_refused(owner_calls: Caller, key: str) -> None:
    answer = owner_calls.post("/timers", {"timer": WEBHOOK}, **{"Idempotency-Key": key})

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == ["Idempotency-Key"]
    assert not Timer.objects.exists()


@pytest.mark.parametrize(("route", "view"), [(route, view) for route, view in ROUTES if hasattr(view, "post")])
def test_every_post_can_be_repeated(route: str, view: Any) -> None:
    assert hasattr(view.post, "__wrapped__"), f"POST {BASE}/{route}"
