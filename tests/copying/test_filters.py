"""Filter rules: the first that matches decides, none includes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers.copying.filters import Filter, FilterRule, Method, parse_rules
from timers.errors import Invalid


def rules(*documents: dict[str, Any]) -> Filter:
    return Filter(parse_rules(list(documents)))


def include(name: str, **more: str) -> dict[str, Any]:
    return {"DATA_TYPE": "filter_rule", "method": "include", "name": name, **more}


def exclude(name: str, **more: str) -> dict[str, Any]:
    return {"method": "exclude", "name": name, **more}


def test_without_rules_everything_belongs_to_the_transfer() -> None:
    assert Filter().includes("a.txt", "file")
    assert rules().includes("sub", "dir")


def test_the_first_rule_that_matches_decides() -> None:
    only_text = rules(include("*.txt", type="file"), exclude("*", type="file"))

    assert only_text.includes("a.txt", "file")
    assert not only_text.includes("a.bin", "file")
    assert only_text.includes("folder", "dir")


def test_a_rule_without_a_type_counts_for_files_and_folders() -> None:
    assert not rules(exclude("tmp*")).includes("tmp1", "dir")
    assert not rules(exclude("tmp*")).includes("tmp1", "file")


def test_patterns_mind_case_and_know_classes_and_question_marks() -> None:
    assert rules(exclude("*.TXT")).includes("a.txt", "file")
    assert not rules(exclude("run[0-9]?.csv")).includes("run1a.csv", "file")


def test_a_pattern_matches_names_with_newlines() -> None:
    assert not rules(exclude("*")).includes("two\nlines", "file")


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ("all", "filter_rules"),
        (["*"], "filter_rules.0"),
        ([exclude("*"), {"method": "keep", "name": "*"}], "filter_rules.1.method"),
        ([{"method": "include"}], "filter_rules.0.name"),
        ([exclude("a/b")], "filter_rules.0.name"),
        ([exclude("")], "filter_rules.0.name"),
        ([exclude("*", type="link")], "filter_rules.0.type"),
        ([exclude("*", size="9")], "filter_rules.0.size"),
        ([exclude("*")] * 1001, "filter_rules"),
    ],
)
def test_a_bad_rule_is_named(document: Any, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_rules(document)

    assert list(caught.value.fields) == [field]


def test_rules_are_written_as_they_were_read() -> None:
    documents = [include("*.txt", type="file"), {"DATA_TYPE": "filter_rule", "method": "exclude", "name": "*"}]

    assert [rule.document() for rule in parse_rules(documents)] == documents


names = st.text(alphabet="ab.*?[]!-", min_size=1, max_size=8)


@given(st.lists(st.tuples(st.sampled_from(list(Method)), names), max_size=5), names)
def test_adding_a_rule_at_the_end_never_changes_what_earlier_ones_decided(
    given_rules: list[tuple[Method, str]], name: str
) -> None:
    before = tuple(FilterRule(method, pattern) for method, pattern in given_rules)
    decided = [rule for rule in before if not Filter((FilterRule(Method.EXCLUDE, rule.name),)).includes(name, "file")]

    after = Filter((*before, FilterRule(Method.EXCLUDE, "*")))

    assert after.includes(name, "file") == (bool(decided) and decided[0].method is Method.INCLUDE)


def test_a_hostile_pattern_costs_no_time() -> None:
    assert rules(exclude("*a" * 40 + "b")).includes("a" * 200, "file")
