"""Paths inside a collection never climb out of it, whatever was typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers.copying import paths
from timers.errors import Invalid


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a//b/", "/a/b"),
        ("/a/./b/.", "/a/b"),
        ("a/b", "/home/a/b"),
        ("~", "/home"),
        ("~/x", "/home/x"),
        ("/~", "/home"),
        ("/~/", "/home"),
        ("/~/x/y", "/home/x/y"),
        ("/a/~/b", "/a/~/b"),
        ("~alice/x", "/home/~alice/x"),
        ("/~alice", "/~alice"),
        ("/zażółć/名前", "/zażółć/名前"),
        ("/two\nlines", "/two\nlines"),
        ("/...", "/..."),
    ],
)
def test_a_typed_path_means_one_place(typed: str, meant: str) -> None:
    assert paths.normalise(typed, default_directory="/home/") == meant


@pytest.mark.parametrize(
    "typed", ["", None, 7, "..", "/a/../b", "a/..", "/~/../x", "/a\0b", "/" + "x" * 256, "/x" * 3000, "/\udc80"]
)
def test_what_is_no_path_is_refused_by_the_name_of_its_field(typed: object) -> None:
    with pytest.raises(Invalid) as caught:
        paths.normalise(typed, field="DATA.0.source_path")

    assert list(caught.value.fields) == ["DATA.0.source_path"]


@given(st.text(max_size=60), st.sampled_from(["/", "/home", "/home/alice/"]))
def test_a_path_that_is_accepted_stays_inside(typed: str, home: str) -> None:
    try:
        path = paths.normalise(typed, default_directory=home)
    except Invalid:
        return

    assert path.startswith("/")
    assert all(paths.is_name(part) for part in paths.parts(path))
    assert paths.normalise(path) == path or path.startswith("/~")


@given(st.lists(st.sampled_from(["..", ".", "~", "", "a", "\0"]), max_size=8).map("/".join))
def test_no_mixture_of_dots_and_slashes_climbs(typed: str) -> None:
    try:
        path = paths.normalise(typed)
    except Invalid:
        return

    assert ".." not in path.split("/")


def test_paths_are_taken_apart_and_put_together() -> None:
    assert paths.join("/", "a") == "/a"
    assert paths.join("/a", "b") == "/a/b"
    assert paths.parent("/a/b") == "/a"
    assert paths.parent("/a") == "/"
    assert paths.parent("/") == "/"
    assert paths.name_of("/a/b") == "b"
    assert paths.parts("/a/b") == ["a", "b"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0"])
def test_only_one_name_can_be_joined(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        paths.join("/a", name)


def test_a_neighbour_with_a_longer_name_is_not_inside() -> None:
    assert paths.is_inside("/a/b", "/a")
    assert paths.is_inside("/a", "/a")
    assert paths.is_inside("/a", "/")
    assert not paths.is_inside("/ab", "/a")


def test_a_slash_at_the_end_means_into_this_folder() -> None:
    assert paths.means_folder("/a/")
    assert paths.means_folder("~")
    assert not paths.means_folder("/a")
