"""Readers of outside values: they return the value that was meant, or name the field, and raise nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers import validation
from timers.errors import Invalid

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


class Colour(StrEnum):
    RED = "red"


READERS: list[Callable[[Any], Any]] = [
    lambda value: validation.mapping(value, "field"),
    lambda value: validation.flag(value, "field"),
    lambda value: validation.number(value, "field", minimum=0, maximum=10),
    lambda value: validation.whole(value, "field", minimum=0, maximum=10),
    lambda value: validation.choice(value, "field", Colour),
    lambda value: validation.one_of(value, "field", ["a", "b"]),
    lambda value: validation.instant(value, "field"),
    lambda value: validation.text(value, "field", max_length=5),
    lambda value: validation.line(value, "field"),
    lambda value: validation.paragraph(value, "field"),
    lambda value: validation.name(value, "field"),
    lambda value: validation.path_name(value, "field"),
    lambda value: validation.names(value, "field"),
]


@given(st.sampled_from(READERS), JSON)
def test_a_reader_returns_a_value_or_names_its_field(read: Callable[[Any], Any], value: Any) -> None:
    try:
        read(value)
    except Invalid as error:
        assert set(error.fields) == {"field"}


@given(JSON)
def test_tags_are_pairs_of_text_or_name_the_tag(value: Any) -> None:
    try:
        pairs = validation.tags(value)
    except Invalid as error:
        assert all(name.split(".")[0] == "tags" for name in error.fields)
    else:
        assert all(isinstance(key, str) and isinstance(text, str) for key, text in pairs)


@given(JSON)
def test_json_that_was_written_is_read_back(value: Any) -> None:
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        return

    assert json.dumps(validation.json_value(text.encode())) == text


@pytest.mark.parametrize("raw", [b"", b"{", b'{"a": NaN}', b"[Infinity]", b"\xff", b'{"a": 1} x'])
def test_text_that_is_no_json_is_refused_as_a_whole(raw: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        validation.json_value(raw)

    assert set(refused.value.fields) == {""}


@pytest.mark.parametrize("value", [3, 3.0])
def test_a_whole_number_may_be_written_with_a_fraction_of_nothing(value: float) -> None:
    assert validation.whole(value, "count", minimum=1, maximum=5) == 3


@pytest.mark.parametrize("value", [True, "3", 3.5, math.nan, math.inf, 0, 6, None, [3]])
def test_what_is_no_whole_number_within_the_bounds_is_refused_with_them(value: Any) -> None:
    with pytest.raises(Invalid, match="count: Give a whole number from 1 to 5"):
        validation.whole(value, "count", minimum=1, maximum=5)


@given(st.integers(min_value=10**8, max_value=2 * 10**11), st.integers(-14 * 60, 14 * 60))
def test_an_instant_is_the_same_whatever_its_offset(seconds: int, minutes: int) -> None:
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    offset = timedelta(minutes=minutes)
    sign = "-" if minutes < 0 else "+"
    text = f"{local:%Y-%m-%dT%H:%M:%S}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"

    assert validation.instant(text, "start") == local - offset


def test_a_blank_in_an_address_stands_for_the_plus_sign_that_was_decoded() -> None:
    instant = validation.instant_of_query("2026-12-01T10:00:00 02:00", "since")

    assert instant == datetime(2026, 12, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize("text", ["1969-12-31T23:59:59Z", "9999-01-01", "2026-13-01", "tomorrow", "2" * 100])
def test_an_instant_that_cannot_be_planned_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        validation.instant(text, "start")


def test_lines_hold_no_control_characters_and_paragraphs_hold_line_breaks() -> None:
    assert validation.paragraph("two\nlines\t", "text") == "two\nlines\t"
    for reader, text in (
        (validation.line, "two\nlines"),
        (validation.paragraph, "bell\x07"),
        (validation.line, "\ud800"),
    ):
        with pytest.raises(Invalid, match="Control characters"):
            reader(text, "text")


def test_every_unknown_field_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        validation.only_known({"name": 1, "nmae": 2, "x": 3}, ["name"])

    assert set(refused.value.fields) == {"nmae", "x"}


def test_every_missing_field_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        validation.required({"a": None, "b": 0}, ["a", "b", "c"])

    assert set(refused.value.fields) == {"a", "c"}


def test_fields_of_an_inner_document_are_named_below_it() -> None:
    with pytest.raises(Invalid) as refused:
        validation.under("body", lambda: validation.flag("yes", "paused"))

    assert set(refused.value.fields) == {"body.paused"}


@given(st.uuids())
def test_an_identifier_is_read_in_every_spelling(identifier: UUID) -> None:
    spellings = [str(identifier), identifier.hex, identifier.urn, f"{{{identifier}}}", str(identifier).upper()]

    assert {validation.uuid(spelling) for spelling in spellings} == {identifier}
    assert validation.uuid("none") is None
    assert validation.uuid(None) is None
