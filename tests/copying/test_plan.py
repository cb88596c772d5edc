"""What is to be done with each entry, given what stands at its destination."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from timers.copying.filters import Filter, Selection, parse_rules
from timers.copying.plan import (
    TIME_TOLERANCE_NS,
    CopyRules,
    Entry,
    Kind,
    PlannedEntry,
    StepKind,
    SyncLevel,
    extras,
    file_step,
    folder_step,
    folder_steps,
    may_delete,
)

T = 1_700_000_000_000_000_000
NOW_NS = T + 10**18


def file(name: str = "f", size: int = 10, modified_ns: int | None = T) -> Entry:
    return Entry(name, Kind.FILE, size, modified_ns)


def folder(name: str = "d") -> Entry:
    return Entry(name, Kind.DIR)


SAME, OTHER_SIZE = file(), file(size=11)
OLDER, NEWER, A_LITTLE_OLDER = file(modified_ns=T - 10**10), file(modified_ns=T + 10**10), file(modified_ns=T - 10**9)
LINK = Entry("f", Kind.SYMLINK)


@pytest.mark.parametrize(
    ("there", "level", "kind", "used"),
    [
        (None, None, StepKind.COPY, None),
        (None, SyncLevel.EXISTS, StepKind.COPY, None),
        (None, SyncLevel.CHECKSUM, StepKind.COPY, None),
        (SAME, None, StepKind.COPY, None),
        (OTHER_SIZE, SyncLevel.EXISTS, StepKind.SKIP, "exists"),
        (OTHER_SIZE, SyncLevel.SIZE, StepKind.COPY, "size"),
        (OLDER, SyncLevel.SIZE, StepKind.SKIP, "size"),
        (OTHER_SIZE, SyncLevel.MTIME, StepKind.COPY, "size"),
        (OLDER, SyncLevel.MTIME, StepKind.COPY, "mtime"),
        (A_LITTLE_OLDER, SyncLevel.MTIME, StepKind.SKIP, "mtime"),
        (NEWER, SyncLevel.MTIME, StepKind.SKIP, "mtime"),
        (SAME, SyncLevel.CHECKSUM, StepKind.COMPARE, "checksum"),
        (OTHER_SIZE, SyncLevel.CHECKSUM, StepKind.COPY, "size"),
        (LINK, SyncLevel.EXISTS, StepKind.COPY, None),
        (folder("f"), None, StepKind.CLASH, None),
        (file(modified_ns=None), SyncLevel.MTIME, StepKind.COMPARE, "checksum"),
    ],
)
def test_a_file_is_judged_by_the_level_that_was_asked_for(
    there: Entry | None, level: SyncLevel | None, kind: StepKind, used: str | None
) -> None:
    step = file_step(file(), there, CopyRules(level, now_ns=NOW_NS))

    assert (step.kind, step.level) == (kind, used)


def test_the_tolerance_is_two_seconds_and_not_more() -> None:
    by_time = CopyRules(SyncLevel.MTIME, now_ns=NOW_NS)

    assert file_step(file(), file(modified_ns=T - TIME_TOLERANCE_NS), by_time).kind is StepKind.SKIP
    assert file_step(file(), file(modified_ns=T - TIME_TOLERANCE_NS - 1), by_time).kind is StepKind.COPY


def test_a_source_from_the_future_is_compared_by_content() -> None:
    by_time = CopyRules(SyncLevel.MTIME, now_ns=T - 10**9)

    assert file_step(file(), OLDER, by_time).kind is StepKind.COMPARE
    assert file_step(file(), SAME, by_time).kind is StepKind.SKIP


def test_what_will_be_removed_from_the_source_counts_as_the_same_by_its_content_only() -> None:
    for level in (SyncLevel.SIZE, SyncLevel.MTIME):
        assert file_step(file(), SAME, CopyRules(level, now_ns=NOW_NS, proves_same=True)).kind is StepKind.COMPARE


def test_a_folder_is_made_where_it_is_missing_and_never_replaces_a_file() -> None:
    assert folder_step(folder(), None).kind is StepKind.MKDIR
    assert folder_step(folder(), folder()).kind is StepKind.SKIP
    assert folder_step(folder(), file("d")).kind is StepKind.CLASH


def test_links_and_devices_are_left_alone() -> None:
    listing = [Entry("l", Kind.SYMLINK), Entry("p", Kind.OTHER), Entry("u", Kind.UNKNOWN), file("f")]

    steps = list(folder_steps(listing, there=None, rules=CopyRules()))

    assert [step.kind for step in steps] == [StepKind.IGNORE, StepKind.LEAVE, StepKind.UNKNOWN, StepKind.COPY]


def test_a_folder_is_asked_for_with_a_slash_where_a_file_can_have_its_name() -> None:
    asked = []

    def there(name: str) -> None:
        asked.append(name)

    list(folder_steps([folder("x"), file("x")], there=there, rules=CopyRules(both_kinds=True)))

    assert asked == ["x/", "x"]


def test_an_excluded_folder_is_not_even_looked_at() -> None:
    rules = CopyRules(selection=Selection(Filter(parse_rules([{"method": "exclude", "name": "tmp"}]))))
    asked = []

    def there(name: str) -> None:
        asked.append(name)

    steps = list(folder_steps([folder("tmp"), folder("data")], there=there, rules=rules))

    assert [step.kind for step in steps] == [StepKind.IGNORE, StepKind.MKDIR]
    assert asked == ["data"]


def test_planning_streams() -> None:
    def endless():
        number = 0
        while True:
            number += 1
            yield file(str(number))

    steps = folder_steps(endless(), there=None, rules=CopyRules())

    assert next(steps) == PlannedEntry(StepKind.COPY, file("1"), verdict="add")


def test_only_what_the_source_lacks_is_extra_and_what_rules_leave_out_is_not() -> None:
    selection = Selection(Filter(parse_rules([{"method": "exclude", "name": "*.log"}])))
    source = {"a": file("a")}

    found = list(extras([file("a"), file("b"), file("c.log"), folder("d")], in_source=source.get, selection=selection))

    assert [entry.name for entry in found] == ["b", "d"]


def test_deletions_are_bounded_by_number_or_by_share() -> None:
    assert may_delete(1000, total=1000, limit=None)
    assert not may_delete(1001, total=4003, limit=None)
    assert may_delete(1001, total=4004, limit=None)
    assert may_delete(5, total=5, limit=5)
    assert not may_delete(6, total=100_000, limit=5)


def test_an_entry_tells_its_instant_to_the_microsecond() -> None:
    assert file(modified_ns=T + 123_456_789).modified_at == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    assert file(modified_ns=None).modified_at is None
    assert file(modified_ns=900_000_000_000 * 10**9).modified_at == datetime.max.replace(tzinfo=UTC)
    assert file(modified_ns=-(10**30)).modified_at == datetime.min.replace(tzinfo=UTC)
