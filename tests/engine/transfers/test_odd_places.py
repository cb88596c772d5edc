"""Transfers between places that are odd: nothing is lost, nothing is passed over, one bad file is one bad file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.transfers.bench import item
from tests.storages import odd
from tests.storages.odd import ODDITIES, Oddities, OddStorage
from timers.copying import paths
from timers.engine.transfers.slice_runner import run_slice
from timers.lifecycle import UNFINISHED_TRANSFER
from timers.models import Collection, Transfer, TransferEvent
from timers.services.transfers import commands as transfers
from timers.storages.base import STORAGES, is_partial
from timers.storages.memory import PLACES

pytestmark = pytest.mark.django_db

_numbers = itertools.count()


@dataclass
class Pair:
    """Two odd places, and the transfer between them."""

    owner: Any
    now: datetime
    source: str
    target: str
    here: Oddities
    there: Oddities
    transfer: Any = None

    def copy(self, *items: dict[str, Any], **options: Any) -> Transfer:
        """Run a transfer to its end, a minute between two slices."""
        body = {
            "source_endpoint": str(self._collection(self.source).pk),
            "destination_endpoint": str(self._collection(self.target).pk),
            "DATA": list(items) or [item("/", "/", recursive=True)],
            **options,
        }
        self.transfer = transfers.submit(owner=self.owner, body=body, now=self.now)
        for number in range(300):
            run_slice(
                str(self.transfer.pk), now=self.now.fromtimestamp(self.now.timestamp() + 301 * number, self.now.tzinfo)
            )
            self.transfer.refresh_from_db()
            if self.transfer.status not in UNFINISHED_TRANSFER:
                return self.transfer
        raise AssertionError(f"still {self.transfer.status}")

    def _collection(self, place: str) -> Collection:
        return Collection.objects.create(
            owner=self.owner,
            display_name=place,
            kind="odd",
            storage={"name": place},
            created_at=self.now,
            updated_at=self.now,
        )

    @property
    def held(self) -> dict[str, bytes | None]:
        return odd.held(self.target)

    def faults(self) -> list[tuple[str, str]]:
        """Return code and text of each fault."""
        events = TransferEvent.objects.filter(transfer=self.transfer, is_fault=True).order_by("id")
        return list(events.values_list("code", "text"))


@pytest.fixture
def pair(owner: Any, now: datetime, monkeypatch: Any) -> Iterator[Pair]:
    monkeypatch.setitem(STORAGES._entries, "odd", OddStorage)
    yield make_pair(owner, now)
    PLACES.clear()
    ODDITIES.clear()


def make_pair(owner: Any, now: datetime) -> Pair:
    number = next(_numbers)
    source, target = f"source{number}", f"target{number}"
    here, there = ODDITIES.setdefault(source, Oddities()), ODDITIES.setdefault(target, Oddities())
    odd.put(source, {})
    odd.put(target, {})
    return Pair(owner, now, source, target, here, there)


# Names that are one name at the destination


@pytest.mark.parametrize("level", [None, 0, 1, 2, 3])
def test_a_mirror_never_deletes_what_the_source_has_in_another_spelling(pair: Pair, level: int | None) -> None:
    pair.there.folds = True
    odd.put(pair.source, {"/Report.PDF": b"same", "/keep": b"keep"})
    odd.put(pair.target, {"/report.pdf": b"same", "/keep": b"keep", "/extra": b"gone"})

    transfer = pair.copy(sync_level=level, delete_destination_extra=True)

    assert transfer.status == "succeeded", transfer.error_message
    assert pair.held == {"/report.pdf": b"same", "/keep": b"keep"}


def test_a_folder_in_another_spelling_is_no_extra_either(pair: Pair) -> None:
    pair.there.folds = True
    odd.put(pair.source, {"/Data/One": b"1"})
    odd.put(pair.target, {"/data/one": b"0", "/data/two": b"2"})

    transfer = pair.copy(sync_level=3, delete_destination_extra=True)

    assert transfer.status == "succeeded", transfer.error_message
    assert pair.held == {"/data": None, "/data/one": b"1"}


def test_two_sources_that_are_one_name_there_are_a_fault_that_names_both(pair: Pair) -> None:
    pair.there.folds = True
    odd.put(pair.source, {"/Makefile": b"first", "/makefile": b"other", "/z": b"z"})

    transfer = pair.copy()

    assert (transfer.status, transfer.failure_reason) == ("failed", "name_collision")
    assert "Makefile" in transfer.error_message and "makefile" in transfer.error_message
    assert (transfer.files_transferred, transfer.files_failed) == (2, 1)
    assert sorted(pair.held) == ["/makefile", "/z"]
    assert pair.held["/makefile"] in {b"first", b"other"}


def test_two_folders_that_are_one_name_there_are_a_fault_and_do_not_mix(pair: Pair) -> None:
    pair.there.folds = True
    odd.put(pair.source, {"/Data/a": b"A", "/data/a": b"a", "/data/b": b"b"})

    transfer = pair.copy()

    assert (transfer.status, transfer.failure_reason) == ("failed", "name_collision")
    assert sorted(pair.held) in (["/data", "/data/a"], ["/data", "/data/a", "/data/b"])


def test_names_that_differ_in_case_are_copied_where_they_are_two_names(pair: Pair) -> None:
    files = {"/Makefile": b"first", "/makefile": b"other", "/D/x": b"1", "/d/x": b"2", "/D/X": b"3"}
    odd.put(pair.source, files)

    for level in (None, 3, 3):
        transfer = pair.copy(sync_level=level, delete_destination_extra=True)
        assert transfer.status == "succeeded", transfer.error_message
        assert pair.held == {**files, "/D": None, "/d": None}
    assert (transfer.files_transferred, transfer.files_skipped) == (0, 5)


def test_two_items_whose_targets_are_one_name_there_are_a_fault(pair: Pair) -> None:
    pair.there.folds = True
    odd.put(pair.source, {"/a": b"a", "/b": b"b"})

    transfer = pair.copy(item("/a", "/Out.txt"), item("/b", "/out.TXT"))

    assert (transfer.status, transfer.failure_reason) == ("failed", "name_collision")
    assert pair.held == {"/out.txt": b"a"}


# Entries that cannot be copied


def test_an_entry_of_unknown_kind_is_named_and_the_others_are_copied(pair: Pair) -> None:
    odd.put(pair.source, {"/a": b"a", "/what": b"?", "/z": b"z"})
    pair.here.hides_kinds_of = {"/what"}

    transfer = pair.copy()

    assert (transfer.status, transfer.failure_reason) == ("failed", "unknown_kind")
    assert "/what" in transfer.error_message
    assert pair.held == {"/a": b"a", "/z": b"z"}


@pytest.mark.parametrize("name", ["ma\udcf1ana.txt", "/out", "", "..", "a/b"])
def test_a_name_that_cannot_be_carried_over_is_named_readably_and_the_others_are_copied(pair: Pair, name: str) -> None:
    odd.put(pair.source, {"/in/a": b"a", "/z": b"z"})
    pair.here.odd_names = {"/in": [name]}

    transfer = pair.copy(skip_source_errors=True)

    assert (transfer.status, transfer.warnings) == ("succeeded", 1)
    assert f"/in/{paths.readable(name)}" in pair.faults()[0][1]
    assert pair.held == {"/in": None, "/in/a": b"a", "/z": b"z"}
    assert pair.copy().status == "failed"


def test_a_mirror_names_what_it_cannot_delete(pair: Pair) -> None:
    odd.put(pair.source, {"/in/a": b"a"})
    odd.put(pair.target, {"/in/a": b"a", "/in/extra": b"x"})
    pair.there.odd_names = {"/in": ["/r"]}

    transfer = pair.copy(sync_level=1, delete_destination_extra=True)

    assert (transfer.status, transfer.failure_reason) == ("failed", "bad_name")
    assert "/in//r" in transfer.error_message


def test_a_name_that_the_destination_refuses_ends_at_once_and_stops_nobody(pair: Pair) -> None:
    odd.put(pair.source, {"/10:30.txt": b"time", "/ok": b"ok", "/d:/x": b"x", "/z": b"z"})
    pair.there.refused_characters = ":"

    transfer = pair.copy()

    assert (transfer.status, transfer.failure_reason) == ("failed", "bad_name")
    assert pair.held == {"/ok": b"ok", "/z": b"z"}
    assert {code for code, _ in pair.faults()} == {"bad_name"}
    assert pair.copy(skip_destination_errors=True).status == "succeeded"


def test_an_item_whose_source_is_missing_stops_no_other_item(pair: Pair) -> None:
    odd.put(pair.source, {"/there": b"yes"})

    transfer = pair.copy(item("/missing", "/missing"), item("/there", "/there"))

    assert (transfer.status, transfer.failure_reason) == ("failed", "not_found")
    assert "/missing" in transfer.error_message
    assert pair.held == {"/there": b"yes"}


def test_what_stands_in_the_way_is_replaced_where_deleting_is_allowed(pair: Pair) -> None:
    odd.put(pair.source, {"/n/x": b"file", "/n/z": b"z", "/n/d/deep": b"deep"})
    odd.put(pair.target, {"/n/x/old": b"old", "/n/d": b"file"})

    refused = pair.copy()
    assert (refused.status, refused.failure_reason) == ("failed", "clash")
    assert pair.held["/n/z"] == b"z"
    assert pair.held["/n/x/old"] == b"old"

    transfer = pair.copy(delete_destination_extra=True)
    assert transfer.status == "succeeded", transfer.error_message
    assert pair.held == {"/n": None, "/n/x": b"file", "/n/z": b"z", "/n/d": None, "/n/d/deep": b"deep"}


# Times


def test_a_file_from_the_future_is_not_copied_again_and_again(pair: Pair) -> None:
    odd.put(pair.source, {"/next-year": b"x"}, modified_ns=4_000_000_000_000_000_000)

    assert pair.copy(sync_level=2).files_transferred == 1
    assert pair.copy(sync_level=2).files_transferred == 0


def test_times_of_folders_are_kept(pair: Pair) -> None:
    odd.put(pair.source, {"/old/x": b"x"})
    with odd.steady(pair.source):
        odd.storage_of(pair.source).set_attributes("/old", modified_ns=1_500_000_000_000_000_000)

    assert pair.copy(preserve_timestamp=True).status == "succeeded"

    assert odd.storage_of(pair.target).stat("/old").modified_ns == 1_500_000_000_000_000_000


def test_times_that_cannot_be_kept_are_one_warning(pair: Pair) -> None:
    odd.put(pair.source, {"/a": b"a", "/b/c": b"c"})
    pair.there.forgets_times = True

    transfer = pair.copy(preserve_timestamp=True)

    assert (transfer.status, transfer.warnings) == ("succeeded", 1)


# Moving, and keeping what is replaced


def test_a_move_removes_what_is_proven_and_folders_that_became_empty(pair: Pair) -> None:
    odd.put(pair.source, {"/in/a": b"a", "/in/sub/b": b"b", "/in/sub/bad": b"bad", "/in/gone/c": b"c"})
    pair.here.unreadable = {"/in/sub/bad"}

    transfer = pair.copy(item("/in", "/out", recursive=True), delete_source=True, verify_checksum=False)

    assert (transfer.status, transfer.failure_reason) == ("failed", "permission_denied")
    assert odd.held(pair.source) == {"/in": None, "/in/sub": None, "/in/sub/bad": b"bad"}
    assert pair.held == {
        "/out": None,
        "/out/a": b"a",
        "/out/sub": None,
        "/out/sub/b": b"b",
        "/out/gone": None,
        "/out/gone/c": b"c",
    }


def test_a_move_compares_the_content_of_what_is_there_already(pair: Pair) -> None:
    odd.put(pair.source, {"/same": b"same", "/other": b"new!"})
    odd.put(pair.target, {"/same": b"same", "/other": b"old!"})

    transfer = pair.copy(sync_level=1, delete_source=True)

    assert transfer.status == "succeeded", transfer.error_message
    assert odd.held(pair.source) == {}
    assert pair.held == {"/same": b"same", "/other": b"new!"}


def test_what_is_replaced_or_deleted_is_kept_and_never_taken_for_extra(pair: Pair) -> None:
    odd.put(pair.source, {"/data/a": b"new"})
    odd.put(pair.target, {"/data/a": b"old", "/data/sub/extra": b"extra"})
    body = {"delete_destination_extra": True, "keep_replaced": {"path": "/data/.replaced/today/"}}

    for _ in range(2):
        transfer = pair.copy(item("/data", "/data", recursive=True), **body)
        assert transfer.status == "succeeded", transfer.error_message

    assert {path: content for path, content in pair.held.items() if content is not None} == {
        "/data/a": b"new",
        "/data/.replaced/today/a": b"old",
        "/data/.replaced/today/a.1": b"new",
        "/data/.replaced/today/sub/extra": b"extra",
    }


# All of it at once

NAMES = st.sampled_from(["a", "A", "b", "B.txt", "b.TXT", "ä", "Ä", "c:", "D", "d", "d.", "x"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: "/" + "/".join(names))
TREES = st.dictionaries(PATHS, st.binary(min_size=0, max_size=3), max_size=7)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), source=TREES, target=TREES, seed=st.integers(0, 1000))
def test_every_source_arrives_or_is_named_and_nothing_else_is_lost(
    pair: Pair, data: st.DataObject, source: dict[str, bytes], target: dict[str, bytes], seed: int
) -> None:
    pair = make_pair(pair.owner, pair.now)
    pair.there.folds = data.draw(st.booleans())
    pair.there.refused_characters = data.draw(st.sampled_from(["", ":"]))
    put_what_fits(pair.source, source)
    put_what_fits(pair.target, {path: content for path, content in target.items() if ":" not in path})
    sources, before = files_of(pair.source), files_of(pair.target)
    pair.here.hides_kinds_of = set(data.draw(st.lists(st.sampled_from(sorted(sources) or ["/"]), max_size=1)))
    pair.here.unreadable = set(data.draw(st.lists(st.sampled_from(sorted(sources) or ["/"]), max_size=1)))
    mirrors = data.draw(st.booleans())
    level = data.draw(st.sampled_from([None, 0, 1, 2, 3]))
    for place in (pair.here, pair.there):
        place.random, place.drops = Random(seed), data.draw(st.sampled_from([0.0, 0.05]))

    transfer = pair.copy(sync_level=level, delete_destination_extra=mirrors, max_delete=1000 if mirrors else None)

    after, text = files_of(pair.target), " ".join(text for _, text in pair.faults())
    spelled = str.lower if pair.there.folds else str
    for path, content in sources.items():
        arrived = after.get(spelled(path)) == content
        skipped = level in {0, 1, 2} and spelled(path) in before
        named = any(
            f"{above} " in text or f"{above}:" in text or f"{above}." in text for above in (path, *paths.above(path))
        )
        assert arrived or skipped or named, (path, transfer.status, transfer.error_message)
    if transfer.status == "succeeded" and not pair.there.folds:
        assert all(path in after for path in sources)
    for path, content in before.items():
        is_source = any(spelled(name) == path or path.startswith(f"{spelled(name)}/") for name in sources)
        is_in_folder = any(spelled(name).startswith(f"{path}/") for name in sources)
        assert after.get(path) == content or is_source or is_in_folder or mirrors, path
    assert not [path for path in after if is_partial(paths.name_of(path))]


def put_what_fits(place: str, files: dict[str, bytes]) -> None:
    """Put files where no file is a folder of another one."""
    with odd.steady(place):
        for path, content in files.items():
            storage = OddStorage({"name": place}, {})
            taken = [other for other in odd.held(place) if odd.held(place)[other] is not None]
            fits = not any(storage._spelled(path).startswith(f"{other}/") for other in taken)
            if fits and odd.held(place).get(storage._spelled(path), b"") is not None:
                odd.put(place, {path: content})


def files_of(place: str) -> dict[str, bytes]:
    return {path: content for path, content in odd.held(place).items() if content is not None}
