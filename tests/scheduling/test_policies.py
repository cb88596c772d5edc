"""Reading, writing and merging policies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers.errors import Invalid
from timers.scheduling.bounds import BoundedSchedule, parse_schedule
from timers.scheduling.catchup import CatchUpPolicy
from timers.scheduling.overlap import OverlapPolicy
from timers.scheduling.policies import Policies, merge_policies, parse_policies

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOURLY = parse_schedule({"type": "recurring", "interval_seconds": 3_600}, now=NOW)

DEFAULTS = {
    "overlap": "skip",
    "catch_up": "latest",
    "catch_up_window_seconds": 86_400,
    "catch_up_limit": 100,
    "max_attempts": 3,
    "backoff_seconds": 30,
    "timeout_seconds": 30,
    "jitter_seconds": 0,
    "pause_after_failures": 0,
    "breaker_cooldown_seconds": None,
    "notify": [],
}


def parse(document: object, *, schedule: BoundedSchedule | None = HOURLY) -> Policies:
    return parse_policies(document, max_attempts=3, timeout_seconds=30, schedule=schedule)


def refused_fields(document: object, **options: Any) -> list[str]:
    with pytest.raises(Invalid) as refused:
        parse(document, **options)
    return list(refused.value.fields)


@pytest.mark.parametrize("document", [None, {}, dict.fromkeys(set(DEFAULTS) - {"catch_up_window_seconds"})])
def test_what_is_not_said_is_the_default(document: object) -> None:
    assert parse(document).document() == DEFAULTS


def test_an_action_brings_its_own_defaults() -> None:
    policies = parse_policies({}, max_attempts=1, timeout_seconds=None, schedule=None)

    assert (policies.max_attempts, policies.timeout_seconds) == (1, None)


def test_the_written_document_is_read_as_the_same_policies() -> None:
    policies = parse(
        {
            "overlap": "queue_all",
            "catch_up": "all",
            "catch_up_window_seconds": None,
            "max_attempts": 5.0,
            "backoff_seconds": 0.5,
            "timeout_seconds": 60.0,
            "jitter_seconds": 10,
            "pause_after_failures": 4,
            "notify": ["ops", "ops", "ana"],
        }
    )

    assert policies.overlap is OverlapPolicy.QUEUE_ALL
    assert policies.catch_up is CatchUpPolicy.ALL
    assert policies.catch_up_window is None
    assert policies.max_attempts == 5
    assert policies.jitter == timedelta(seconds=10)
    assert policies.notify == ("ops", "ana")
    assert parse(policies.document()) == policies


def test_a_window_of_null_is_any_age() -> None:
    assert parse({"catch_up_window_seconds": None}).catch_up_window is None
    assert parse({}).catch_up_window == timedelta(days=1)


@pytest.mark.parametrize(("name", "value"), [
    ("overlap", "queue"), ("overlap", 1), ("overlap", ["skip"]), ("catch_up", "newest"), ("catch_up", True),
    ("catch_up_window_seconds", -1), ("catch_up_window_seconds", "1"), ("catch_up_window_seconds", float("inf")),
    ("max_attempts", 0), ("max_attempts", 101), ("max_attempts", 1.5), ("max_attempts", True),
    ("max_attempts", 10**400),
    ("backoff_seconds", -1), ("backoff_seconds", 86_401), ("backoff_seconds", float("nan")),
    ("timeout_seconds", 0), ("timeout_seconds", 1e300), ("timeout_seconds", "30"),
    ("jitter_seconds", -0.1), ("jitter_seconds", []), ("pause_after_failures", -1), ("pause_after_failures", 0.5),
    ("notify", "ops"), ("notify", [5]), ("notify", [""]), ("notify", ["a\x00"]), ("notify", ["a\n"]),
    ("notify", ["\ud800"]),
    ("notify", ["x" * 2_049]), ("notify", [str(number) for number in range(21)]), ("retries", 3), ("max_attemps", 3),
])  # fmt: skip
def test_a_value_that_cannot_be_is_refused_by_its_field(name: str, value: object) -> None:
    assert refused_fields({name: value}) == [name]


def test_all_that_is_wrong_is_named_at_once() -> None:
    assert refused_fields({"overlap": "x", "max_attempts": 0, "jitter_seconds": 1}) == ["overlap", "max_attempts"]


@pytest.mark.parametrize("document", ["skip", [], 5, True])
def test_policies_are_an_object(document: object) -> None:
    assert refused_fields(document) == [""]


@pytest.mark.parametrize("document", [{"catch_up": "all"}, {"catch_up": "all", "overlap": "skip"}])
def test_catching_up_with_all_needs_another_overlap_than_skip(document: dict[str, Any]) -> None:
    assert refused_fields(document) == ["catch_up"]


@pytest.mark.parametrize("overlap", ["queue_one", "queue_all", "cancel_previous", "allow"])
def test_catching_up_with_all_works_with_every_other_overlap(overlap: str) -> None:
    assert parse({"catch_up": "all", "overlap": overlap}).catch_up is CatchUpPolicy.ALL


def test_jitter_is_below_half_of_the_smallest_gap() -> None:
    assert parse({"jitter_seconds": 1_799.9}).jitter_seconds == 1_799.9
    assert refused_fields({"jitter_seconds": 1_800}) == ["jitter_seconds"]
    assert parse({"jitter_seconds": 1_800}, schedule=None).jitter_seconds == 1_800


def test_jitter_of_a_single_instant_is_not_measured() -> None:
    once = parse_schedule({"type": "once"}, now=NOW)

    assert parse({"jitter_seconds": 1_800}, schedule=once).jitter_seconds == 1_800


def test_changes_replace_key_by_key() -> None:
    old = parse({"overlap": "allow", "max_attempts": 5}).document()

    merged = merge_policies(old, {"max_attempts": 2, "catch_up_window_seconds": None, "backoff_seconds": None})

    assert merged["overlap"] == "allow"
    assert parse(merged).document() == {
        **old,
        "max_attempts": 2,
        "catch_up_window_seconds": None,
        "backoff_seconds": 30,
    }
    assert merge_policies(old, None) == old


@pytest.mark.parametrize("changes", ["skip", [], 5])
def test_changes_are_an_object(changes: object) -> None:
    with pytest.raises(Invalid):
        merge_policies(DEFAULTS, changes)


@given(
    st.dictionaries(
        st.sampled_from(sorted(DEFAULTS)), st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    )
)
def test_whatever_is_given_is_read_or_refused(document: dict[str, Any]) -> None:
    try:
        policies = parse(document)
    except Invalid as refused:
        assert set(refused.fields) <= set(DEFAULTS)
    else:
        assert parse(policies.document()) == policies
