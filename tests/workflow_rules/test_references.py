"""`${...}` references."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers.workflow_rules.references import has_reference, look_up, resolve

SCOPE = {
    "workflow": {"input": {"region": "eu", "n": 3, "list": [{"id": 7}], "on": True}, "variables": {"v": None}},
    "first": {"output": {"response": {"body": {"a": [1, 2]}}}, "input": {}},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${workflow.input.region}", "eu"),
        ("${workflow.input.n}", 3),
        ("${workflow.input.list[0].id}", 7),
        ("${workflow.input['list'][0][\"id\"]}", 7),
        ("${first.output.response.body}", {"a": [1, 2]}),
        ("${workflow.variables.v}", None),
        ("${nobody.output.x}", None),
        ("${workflow.input.list[9]}", None),
        ("${}", None),
        ("${workflow..input}", None),
    ],
)
def test_a_text_that_is_one_reference_keeps_the_type_and_unknown_ones_are_null(text: str, value: Any) -> None:
    assert resolve(text, SCOPE) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("in ${workflow.input.region}-${workflow.input.n}", "in eu-3"),
        ("x${nobody.a}y", "xy"),
        ("on=${workflow.input.on}", "on=true"),
        ("${first.output.response.body} ", '{"a": [1, 2]} '),
        ("$${workflow.input.region}", "${workflow.input.region}"),
        ("costs $5 {not} ${", "costs $5 {not} ${"),
    ],
)
def test_inside_longer_text_a_reference_becomes_text(text: str, value: str) -> None:
    assert resolve(text, SCOPE) == value


def test_references_are_replaced_at_any_depth() -> None:
    assert resolve({"a": [{"b": "${workflow.input.n}"}], "c": 1}, SCOPE) == {"a": [{"b": 3}], "c": 1}


@given(JSON, JSON)
def test_any_document_can_be_resolved_in_any_scope_and_what_has_no_reference_stays(document: Any, scope: Any) -> None:
    resolved = resolve(document, {"workflow": {"input": scope}})

    if "${" not in repr(document):
        assert resolved == document


@given(JSON)
def test_what_was_put_in_is_found_again(value: Any) -> None:
    assert resolve("${workflow.input.x}", {"workflow": {"input": {"x": value}}}) == value
    assert look_up("workflow.input", {"workflow": {"input": value}}) == value


def test_a_text_tells_whether_it_holds_a_reference() -> None:
    assert has_reference("a ${b}")
    assert not has_reference("a $${b}")
    assert not has_reference(5)
