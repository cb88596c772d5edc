"""GET /timers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.factories import make_code_timer, make_webhook_timer
from timers.models import Timer
from timers.services.timers import commands as timers


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [timer["name"] for timer in answer.json()["timers"]]


@pytest.fixture
def three(owner: Any, now: datetime) -> list[Timer]:
    """Timers named a, b and c, made one minute after the other; b runs first."""
    starts = {"a": 3, "b": 1, "c": 2}
    return [
        make_webhook_timer(
            owner,
            name=name,
            description=f"The {name} one",
            now=now + timedelta(minutes=number),
            schedule={"type": "once", "datetime": (now + timedelta(days=starts[name])).isoformat()},
            tags={"letter": name, "team": "data"},
        )
        for number, name in enumerate("abc")
    ]


def test_the_newest_comes_first(owner_calls: Caller, three: list[Timer]) -> None:
    assert names(owner_calls.get("/timers")) == ["c", "b", "a"]


def test_lists_show_only_what_belongs_to_the_caller(
    stranger_calls: Caller, admin_calls: Caller, three: list[Timer]
) -> None:
    assert names(stranger_calls.get("/timers")) == []
    assert names(admin_calls.get("/timers")) == ["c", "b", "a"]


def test_deleted_timers_are_gone(owner_calls: Caller, three: list[Timer], owner: Any, now: datetime) -> None:
    timers.delete(three[1], by=owner, now=now)

    assert names(owner_calls.get("/timers")) == ["c", "a"]
    assert names(owner_calls.get("/timers", status="deleted")) == []


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("created_at", "abc"),
        ("-created_at", "cba"),
        ("name", "abc"),
        ("-name", "cba"),
        ("next_run", "bca"),
        ("-next_run", "acb"),
    ],
)
def test_every_order_is_the_same_in_one_page_and_in_many(
    owner_calls: Caller, three: list[Timer], order: str, expected: str
) -> None:
    assert names(owner_calls.get("/timers", order=order)) == list(expected)

    seen: list[str] = []
    marker = None
    while True:
        query = {"order": order, "limit": 1} | ({"marker": marker} if marker else {})
        answer = owner_calls.get("/timers", **query)
        seen += names(answer)
        marker = answer.json()["marker"]
        if marker is None:
            break
    assert seen == list(expected)


@pytest.mark.parametrize(("order", "expected"), [("next_run", "cab"), ("-next_run", "acb")])
def test_timers_without_a_next_run_come_last(
    owner_calls: Caller, three: list[Timer], now: datetime, order: str, expected: str
) -> None:
    timers.pause(three[1], by=None, now=now)

    first = owner_calls.get("/timers", order=order, limit=2)
    second = owner_calls.get("/timers", order=order, limit=2, marker=first.json()["marker"])

    assert names(first) + names(second) == list(expected)
    assert second.json()["marker"] is None


def test_what_is_inserted_meanwhile_shifts_nothing(
    owner_calls: Caller, three: list[Timer], owner: Any, now: datetime
) -> None:
    first = owner_calls.get("/timers", limit=2)
    make_webhook_timer(owner, name="newer", now=now + timedelta(hours=1))

    second = owner_calls.get("/timers", limit=2, marker=first.json()["marker"])

    assert (names(first), names(second)) == (["c", "b"], ["a"])


def test_the_last_page_has_no_marker_even_when_it_is_full(owner_calls: Caller, three: list[Timer]) -> None:
    assert owner_calls.get("/timers", limit=3).json()["marker"] is None
    assert owner_calls.get("/timers", limit=2).json()["marker"] is not None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "active"}, "cba"),
        ({"status": "paused,ended"}, ""),
        ({"action": "webhook"}, "cba"),
        ({"action": "code"}, ""),
        ({"tag": "team"}, "cba"),
        ({"tag": "letter:b"}, "b"),
        ({"tag": ["team:data", "letter:c"]}, "c"),
        ({"tag": "letter:x"}, ""),
        ({"tag": "let"}, ""),
        ({"q": "THE B"}, "b"),
        ({"q": "%"}, ""),
    ],
)
def test_filters_leave_what_they_say(
    owner_calls: Caller, three: list[Timer], query: dict[str, Any], expected: str
) -> None:
    assert names(owner_calls.get("/timers", **query)) == list(expected)


def test_several_statuses_and_actions_may_be_named(
    owner_calls: Caller, three: list[Timer], owner: Any, now: datetime
) -> None:
    timers.pause(three[0], by=owner, now=now)
    make_code_timer(owner, name="code", function="timers.last_hour", now=now)

    assert names(owner_calls.get("/timers", status="paused")) == ["a"]
    assert sorted(names(owner_calls.get("/timers", status="paused,active", action="webhook,code"))) == [
        "a",
        "b",
        "c",
        "code",
    ]


def test_documents_can_be_trimmed(owner_calls: Caller, three: list[Timer]) -> None:
    answer = owner_calls.get("/timers", fields="name,status")

    assert answer.json()["timers"][0] == {"name": "c", "status": "active"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "-1"),
        ("limit", "many"),
        ("limit", "1" * 5000),
        ("limit", "٣"),
        ("marker", "nonsense"),
        ("marker", "bnVsbA"),
        ("marker", "WyItY3JlYXRlZF9hdCIsMSwyXQ"),
        ("marker", "é"),
        ("fields", "name,secret"),
        ("status", "sleeping"),
        ("action", "teapot"),
        ("order", "owner"),
        ("tag", ":value"),
        ("q", "a" * 300),
        ("q", "a\0b"),
        ("status", "\0"),
    ],
)
def test_a_parameter_that_cannot_work_is_named(owner_calls: Caller, name: str, value: str) -> None:
    answer = owner_calls.get("/timers", **{name: value})

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [name]


def test_a_marker_of_another_order_is_refused(owner_calls: Caller, three: list[Timer]) -> None:
    marker = owner_calls.get("/timers", limit=1).json()["marker"]

    assert owner_calls.get("/timers", order="name", marker=marker).status_code == 400


def test_a_page_costs_the_same_queries_however_many_rows(
    owner_calls: Caller, three: list[Timer], django_assert_num_queries: Any
) -> None:
    owner_calls.get("/timers")  # notes the use of the token
    with django_assert_num_queries(3):  # the token, the rows, their tags
        owner_calls.get("/timers", limit=1)
    with django_assert_num_queries(3):
        assert len(names(owner_calls.get("/timers"))) == 3
