"""Packs: many small files in one text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers.copying import bundles
from timers.copying.bundles import Member

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=40)
NUMBERS = st.none() | st.integers(0, 2**62)
MEMBERS = st.builds(
    Member, NAMES, st.integers(0, 2**62), NUMBERS, NUMBERS, NUMBERS, st.none() | st.text("0123456789abcdef")
)


@given(st.lists(MEMBERS, min_size=1, max_size=20))
def test_what_is_encoded_comes_back_as_it_was(members: list[Member]) -> None:
    assert list(bundles.decode(bundles.encode(members))) == members


def test_what_nobody_knows_takes_no_space() -> None:
    bare = bundles.encode([Member("a", 1), Member("b", 2)])

    assert bare == '[["a","b"],[1,2]]'


def test_there_is_no_empty_pack() -> None:
    with pytest.raises(ValueError, match="at least one"):
        bundles.encode([])
