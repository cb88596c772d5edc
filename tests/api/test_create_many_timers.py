"""POST /timers/bulk."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.api.test_create_timer import WEBHOOK
from timers.models import Timer


def test_each_one_succeeds_or_fails_by_itself_in_order(owner_calls: Caller) -> None:
    wishes: list[Any] = [
        {**WEBHOOK, "name": "first"},
        {**WEBHOOK, "name": ""},
        "nonsense",
        {"timer": {**WEBHOOK, "name": "last", "tags": {"team": "data"}}},
    ]

    answer = owner_calls.post("/timers/bulk", {"timers": wishes})

    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [list(result) for result in results] == [["timer"], ["error"], ["error"], ["timer"]]
    assert results[0]["timer"]["name"] == "first"
    assert list(results[1]["error"]["fields"]) == ["name"]
    assert results[3]["timer"]["tags"] == {"team": "data"}
    assert set(Timer.objects.values_list("name", flat=True)) == {"first", "last"}


def test_a_thousand_at_once_are_made(owner_calls: Caller) -> None:
    answer = owner_calls.post("/timers/bulk", {"timers": [{**WEBHOOK, "name": f"{n}"} for n in range(1000)]})

    names = [result["timer"]["name"] for result in answer.json()["results"]]
    assert names == [f"{n}" for n in range(1000)]
    assert Timer.objects.count() == 1000


def test_none_at_all_is_fine(owner_calls: Caller) -> None:
    assert owner_calls.post("/timers/bulk", {"timers": []}).json() == {"results": []}


@pytest.mark.parametrize("document", [{}, {"timers": None}, {"timers": {}}, {"timers": [{}] * 1001}, {"timer": []}])
def test_anything_else_is_refused_as_a_whole(owner_calls: Caller, document: Any) -> None:
    answer = owner_calls.post("/timers/bulk", document)

    assert answer.status_code == 400
    assert answer.json()["error"]["fields"]
    assert not Timer.objects.exists()


def test_the_path_has_no_other_method(owner_calls: Caller) -> None:
    assert owner_calls.get("/timers/bulk").status_code == 405
