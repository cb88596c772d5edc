"""POST /scheduling/pause and /resume."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Caller


def test_a_caller_pauses_all_of_their_timers_and_nobody_elses(owner_calls: Caller, stranger_calls: Caller) -> None:
    answer = owner_calls.post("/scheduling/pause", {"reason": "Moving house."})

    assert answer.status_code == 200
    document = answer.json()
    assert (document["paused"], document["everybody"]) == (True, None)
    assert (document["own"]["reason"], document["own"]["by"]) == ("Moving house.", "owner")
    assert owner_calls.get("/scheduling").json() == document
    assert stranger_calls.get("/scheduling").json() == {"paused": False, "own": None, "everybody": None}


def test_neither_body_nor_content_type_is_needed(owner_calls: Caller) -> None:
    assert owner_calls.post("/scheduling/pause").json()["paused"] is True
    assert owner_calls.post("/scheduling/resume").json()["paused"] is False
    assert owner_calls.post("/scheduling/resume").status_code == 200


def test_everybody_is_paused_by_administrators_only(owner_calls: Caller, admin_calls: Caller) -> None:
    assert owner_calls.post("/scheduling/pause", {"everybody": True}).status_code == 403

    assert admin_calls.post("/scheduling/pause", {"everybody": True}).json()["everybody"]["by"] == "admin"
    assert owner_calls.get("/scheduling").json()["paused"] is True
    assert owner_calls.post("/scheduling/resume", {"everybody": True}).status_code == 403


def test_wrong_fields_are_named(owner_calls: Caller) -> None:
    for document, field in [({"everybody": "yes"}, "everybody"), ({"reason": 1}, "reason"), ({"when": 1}, "when")]:
        answer: Any = owner_calls.post("/scheduling/pause", document)

        assert answer.status_code == 400
        assert list(answer.json()["error"]["fields"]) == [field]
