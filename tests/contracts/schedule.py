"""What every kind of schedule must do. Inherit ScheduleContract and give a few wire documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any, ClassVar

import pytest

from timers.errors import Invalid
from timers.scheduling.base import KINDS, TICK, ScheduleRule

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EDGES = (
    datetime.min.replace(tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
)


class ScheduleContract:
    """The suite. `documents` are wire documents of the kind with their type, for rules that have an occurrence."""

    documents: ClassVar[list[dict[str, Any]]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "document" in metafunc.fixturenames:
            metafunc.parametrize("document", self.documents)

    @pytest.fixture
    def rule(self, document: dict[str, Any]) -> ScheduleRule:
        return KINDS.get(document["type"]).parse(document, now=NOW)

    def test_it_is_registered_under_its_kind(self, rule: ScheduleRule, document: dict[str, Any]) -> None:
        assert rule.kind == document["type"]

    def test_its_document_makes_an_equal_rule(self, rule: ScheduleRule) -> None:
        again = type(rule).parse(rule.document(), now=NOW + timedelta(days=1))

        assert again == rule
        assert hash(again) == hash(rule)
        assert again.document() == rule.document()

    def test_an_unknown_key_is_refused_by_its_name(self, rule: ScheduleRule, document: dict[str, Any]) -> None:
        with pytest.raises(Invalid) as refused:
            type(rule).parse({**document, "surprise": 1}, now=NOW)

        assert list(refused.value.fields) == ["surprise"]

    def test_its_main_field_is_one_of_its_document(self, rule: ScheduleRule) -> None:
        assert rule.main_field in rule.document()

    def test_occurrences_ascend_in_utc(self, rule: ScheduleRule) -> None:
        found = occurrences(rule, 20)

        assert found
        assert found == sorted(set(found))
        assert all(instant.tzinfo is UTC for instant in found)

    def test_it_does_not_repeat_when_it_says_so(self, rule: ScheduleRule) -> None:
        assert (len(occurrences(rule, 2)) > 1) == rule.repeats

    def test_looking_back_finds_what_looking_ahead_found(self, rule: ScheduleRule) -> None:
        before = rule.last_until(occurrences(rule, 1)[0] - TICK)

        for instant in occurrences(rule, 20):
            assert rule.last_until(instant - TICK) == before
            assert rule.last_until(instant) == rule.last_until(instant + TICK) == instant
            before = instant

    def test_counting_is_counting_steps(self, rule: ScheduleRule) -> None:
        found = occurrences(rule, 20)

        for number, instant in enumerate(found):
            assert rule.count_between(found[0] - TICK, instant) == number + 1
            assert rule.count_between(instant, found[-1]) == len(found) - number - 1
        assert rule.count_between(found[-1], found[0] - TICK) == 0

    def test_no_two_are_closer_than_the_smallest_gap(self, rule: ScheduleRule) -> None:
        gap = rule.smallest_gap()
        found = occurrences(rule, 20)

        assert (gap is None) == (not rule.repeats)
        if gap is not None:
            assert all(later - earlier >= gap for earlier, later in pairwise(found))

    @pytest.mark.parametrize("edge", EDGES)
    def test_the_ends_of_time_are_no_error(self, rule: ScheduleRule, edge: datetime) -> None:
        after, until = rule.next_after(edge), rule.last_until(edge)

        assert after is None or after > edge
        assert until is None or until <= edge
        assert rule.count_between(edge, edge) == 0


def occurrences(rule: ScheduleRule, most: int) -> list[datetime]:
    """Return the first occurrences from 2026 on."""

    def walk() -> Any:
        instant = rule.next_after(datetime(2026, 1, 1, tzinfo=UTC) - TICK)
        while instant is not None:
            yield instant
            instant = rule.next_after(instant)

    return list(islice(walk(), most))
