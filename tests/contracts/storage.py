"""What every storage must do. Inherit StorageContract and supply the fixture `storage`, opened on an empty place."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from timers.copying import checksums
from timers.errors import ExternalError
from timers.storages.base import REASONS, STORAGES, Entry, Kind, PartialFile, Permissions, Storage, is_partial

PART = ".timers-0123456789ab-1-1.part"
NAMES = [
    "plain.txt",
    "with space",
    "zażółć 名前 🐟",
    "two\nlines",
    "-rf",
    "*",
    "'\"",
    "%41",
    "#?&",
    ".hidden",
    "a" * 200,
]


def put(
    storage: Storage,
    path: str,
    data: bytes,
    *,
    partial: str = PART,
    modified_ns: int | None = None,
    permissions: Permissions | None = None,
) -> None:
    """Write a whole file, as the copier does."""
    writer = storage.write(path, partial=partial)
    writer.write(data)
    storage.sync_all([writer])
    writer.commit(modified_ns=modified_ns, permissions=permissions)


def get(storage: Storage, path: str, *, offset: int = 0) -> bytes:
    """Read a whole file."""
    pieces = []
    with storage.open(path, offset=offset) as reader:
        while piece := reader.read(100_000):
            pieces.append(piece)
    return b"".join(pieces)


def names(storage: Storage, path: str = "/") -> list[str]:
    return sorted(entry.name for entry in storage.list(path))


class StorageContract:
    """The suite. Set `registered` to False for a storage that is not offered to people."""

    registered = True
    many_folders = 150
    names_unknown_to_server: frozenset[str] = frozenset()
    """Names out of NAMES that the server of the tests cannot handle, unlike those that people have."""
    time_step_ns = 1
    """How fine the times are that the storage keeps."""

    @pytest.fixture
    def storage(self) -> Storage:
        raise NotImplementedError

    def fails(self, reason: str, *, about: str | None = None) -> Any:
        """Expect an ExternalError with that reason, naming the path."""
        return _Fails(reason, about)

    # What is there

    def test_an_empty_place_holds_nothing(self, storage: Storage) -> None:
        assert names(storage) == []
        assert storage.stat("/").kind is Kind.DIR

    def test_it_is_found_by_its_kind(self, storage: Storage) -> None:
        assert (storage.kind in STORAGES) == self.registered
        assert storage.label.strip()

    def test_its_abilities_can_be_shown(self, storage: Storage) -> None:
        shown = storage.abilities.document()

        assert json.loads(json.dumps(shown)) == shown
        assert set(shown["checksums"]) <= set(checksums.ALGORITHMS)

    def test_a_file_is_listed_and_described(self, storage: Storage) -> None:
        put(storage, "/a.txt", b"hello")

        (listed,) = storage.list("/")
        found = storage.stat("/a.txt")

        assert (found.name, found.kind, found.size) == ("a.txt", Kind.FILE, 5)
        assert listed[:3] == found[:3]
        assert found.modified_at is not None

    def test_listing_streams_and_shows_only_one_level(self, storage: Storage) -> None:
        storage.mkdir("/d/e")
        put(storage, "/d/f", b"")
        put(storage, "/g", b"")

        assert sorted((entry.name, entry.kind) for entry in storage.list("/")) == [("d", Kind.DIR), ("g", Kind.FILE)]
        assert names(storage, "/d") == ["e", "f"]
        assert not isinstance(storage.list("/"), list)

    def test_names_are_looked_up_in_one_folder(self, storage: Storage) -> None:
        put(storage, "/a", b"123")

        with storage.lookup("/") as look:
            found = look("a")

            assert isinstance(found, Entry)
            assert (found.kind, found.size) == (Kind.FILE, 3)
            assert look("b") is None

    @pytest.mark.parametrize("name", NAMES)
    def test_any_name_can_be_used(self, storage: Storage, name: str) -> None:
        if name in self.names_unknown_to_server:
            pytest.skip("The server of the tests does not know such names.")
        storage.mkdir(f"/{name}")
        put(storage, f"/{name}/{name}", b"x")

        assert names(storage) == [name]
        assert names(storage, f"/{name}") == [name]
        assert get(storage, f"/{name}/{name}") == b"x"

    def test_what_is_missing_is_not_found(self, storage: Storage) -> None:
        with self.fails("not_found", about="/no"):
            storage.stat("/no")
        with self.fails("not_found", about="/no"):
            storage.open("/no")
        with self.fails("not_found", about="/no"):
            list(storage.list("/no"))
        with self.fails("not_found", about="/no"):
            storage.delete("/no")
        with self.fails("not_found"), storage.lookup("/no/sub"):
            pass

    # Reading

    @pytest.mark.parametrize("size", [0, 1, 4096, 700_001])
    def test_what_was_written_is_read(self, storage: Storage, size: int) -> None:
        data = bytes(range(256)) * (size // 256 + 1)

        put(storage, "/f", data[:size])

        assert get(storage, "/f") == data[:size]
        assert storage.stat("/f").size == size

    def test_reading_begins_at_an_offset(self, storage: Storage) -> None:
        put(storage, "/f", b"0123456789")

        assert get(storage, "/f", offset=7) == b"789"
        assert get(storage, "/f", offset=10) == b""

    def test_a_reader_feeds_a_digest_and_knows_where_it_is(self, storage: Storage) -> None:
        data = b"x" * 600_000
        put(storage, "/f", data)
        digest = checksums.new()

        with storage.open("/f") as reader:
            assert reader.opened.size == len(data)
            assert reader.feed(digest, 500_000) == 500_000
            assert reader.position == 500_000
            assert reader.feed(digest, 500_000) == 100_000

        assert digest.hexdigest() == hashlib.sha256(data).hexdigest()

    def test_a_folder_is_not_read_as_a_file(self, storage: Storage) -> None:
        storage.mkdir("/d")

        with self.fails("not_a_file", about="/d"):
            storage.open("/d")

    def test_a_file_is_not_listed_as_a_folder(self, storage: Storage) -> None:
        put(storage, "/f", b"")

        with self.fails("not_a_folder", about="/f"):
            list(storage.list("/f"))

    def test_a_digest_that_the_store_states_is_that_of_the_file(self, storage: Storage) -> None:
        put(storage, "/f", b"hello")

        for algorithm in storage.abilities.checksums:
            stated = storage.digest("/f", algorithm)
            assert stated in (None, hashlib.new(algorithm, b"hello").hexdigest())
            with self.fails("not_found", about="/no"):
                storage.digest("/no", algorithm)

    # Writing

    def test_nothing_stands_under_the_final_name_before_commit(self, storage: Storage) -> None:
        writer = storage.write("/f", partial=PART)
        writer.write(b"half")

        assert [name for name in names(storage) if not is_partial(name)] == []

        writer.commit()
        assert names(storage) == ["f"]

    def test_discarding_leaves_nothing(self, storage: Storage) -> None:
        put(storage, "/f", b"old")
        writer = storage.write("/f", partial=PART)
        writer.write(b"new")

        writer.discard()
        writer.discard()

        assert names(storage) == ["f"]
        assert get(storage, "/f") == b"old"

    def test_committing_replaces_what_was_there(self, storage: Storage) -> None:
        put(storage, "/f", b"something long")
        put(storage, "/f", b"short")

        assert get(storage, "/f") == b"short"

    def test_what_was_written_can_be_read_back_before_commit(self, storage: Storage) -> None:
        writer = storage.write("/f", partial=PART)
        if writer.self_checking:
            writer.discard()
            pytest.skip("This storage checks what it receives; nothing is read back.")
        writer.write(b"01234")
        with writer.read_back(0) as back:
            assert back.read(3) == b"012"
            writer.write(b"56789")
            assert back.read(100) == b"3456789"
        with writer.read_back(8) as back:
            assert back.read(100) == b"89"

        assert writer.written == 10
        writer.discard()

    def test_a_writer_takes_from_a_reader_and_feeds_a_digest(self, storage: Storage) -> None:
        data = bytes(range(256)) * 4000
        put(storage, "/source", data)
        digest = checksums.new()

        with storage.open("/source") as reader:
            writer = storage.write("/target", partial=PART)
            while writer.copy_from(reader, 300_000, digest):
                pass
            writer.commit()

        assert get(storage, "/target") == data
        assert digest.hexdigest() == hashlib.sha256(data).hexdigest()

    def test_a_file_keeps_the_time_that_it_is_given(self, storage: Storage) -> None:
        if not storage.abilities.times:
            pytest.skip("This storage keeps no times.")

        given = 1_234_567_890_123_456_000

        put(storage, "/f", b"", modified_ns=given)

        assert storage.stat("/f").modified_ns == given - given % self.time_step_ns

    # Modes

    @pytest.fixture
    def with_modes(self, storage: Storage) -> Storage:
        if not storage.abilities.permissions:
            pytest.skip("keeps no modes")
        return storage

    @pytest.mark.parametrize(("given", "kept"), [(0o600, 0o600), (0o640, 0o640), (0o755, 0o755), (0o666, 0o644)])
    def test_a_new_file_is_never_more_open_than_its_source(self, with_modes: Storage, given: int, kept: int) -> None:
        put(with_modes, "/f", b"x", permissions=Permissions(given))

        assert with_modes.stat("/f").mode == kept
        assert next(iter(with_modes.list("/"))).mode == kept

    def test_a_file_that_is_replaced_keeps_its_mode(self, with_modes: Storage) -> None:
        put(with_modes, "/f", b"old", permissions=Permissions(0o750, exact=True))
        put(with_modes, "/f", b"new", permissions=Permissions(0o600))

        assert (with_modes.stat("/f").mode, get(with_modes, "/f")) == (0o750, b"new")

    def test_a_mode_can_be_kept_exactly(self, with_modes: Storage) -> None:
        put(with_modes, "/f", b"x", permissions=Permissions(0o600))
        put(with_modes, "/f", b"x", permissions=Permissions(0o666, exact=True))

        assert with_modes.stat("/f").mode == 0o666

    def test_a_file_is_private_while_it_is_written(self, with_modes: Storage) -> None:
        writer = with_modes.write("/f", partial=PART)
        writer.write(b"secret")

        assert (with_modes.stat(f"/{PART}").mode or 0) & 0o077 == 0
        writer.discard()

    def test_a_new_folder_can_be_written_into_until_its_mode_is_set(self, with_modes: Storage) -> None:
        with_modes.mkdir("/d", permissions=Permissions(0o500))
        put(with_modes, "/d/f", b"x")

        assert list(with_modes.set_attributes("/d", permissions=Permissions(0o500))) == []
        assert with_modes.stat("/d").mode == 0o500
        with_modes.set_attributes("/d", permissions=Permissions(0o700))

    def test_a_file_and_a_folder_are_given_times_and_modes(self, with_modes: Storage) -> None:
        with_modes.mkdir("/d")
        put(with_modes, "/d/f", b"x")
        when = 1_600_000_000_000_000_000

        for path in ("/d/f", "/d"):
            assert (
                list(with_modes.set_attributes(path, modified_ns=when, permissions=Permissions(0o711, exact=True)))
                == []
            )
            assert with_modes.stat(path)[3:] == (when, 0o711)

    def test_a_time_that_cannot_be_kept_is_told_and_stops_nothing(self, storage: Storage) -> None:
        if not storage.abilities.times:
            pytest.skip("keeps no times")
        writer = storage.write("/f", partial=PART)
        writer.write(b"x")
        writer.sync()
        writer.commit(modified_ns=10**30)

        assert get(storage, "/f") == b"x"
        assert "times" in writer.not_kept or storage.stat("/f").modified_ns == 10**30

    # Folders that are missing

    def test_a_missing_folder_is_not_found_when_writing(self, storage: Storage) -> None:
        if not storage.abilities.folders:
            pytest.skip("This storage has no folders of their own.")

        with self.fails("not_found"):
            storage.write("/no/f", partial=PART)

    def test_a_file_never_replaces_a_folder(self, storage: Storage) -> None:
        if storage.abilities.both_kinds:
            pytest.skip("This storage holds a file and a folder of one name.")
        storage.mkdir("/d")
        writer = storage.write("/d", partial=PART)

        with self.fails("not_a_file", about="/d"):
            writer.commit()

        writer.discard()
        assert names(storage) == ["d"]

    def test_a_part_is_gone_on_with_from_where_it_counts(self, storage: Storage) -> None:
        if not storage.abilities.resume:
            pytest.skip("This storage cannot go on with a part.")
        writer = storage.write("/f", partial=PART)
        writer.write(b"0123456789")
        kept = writer.keep()
        assert kept == PartialFile(PART, 10)

        again = storage.write("/f", partial=PART.replace("-1.part", "-2.part"), resume=PartialFile(kept.name, 4))
        again.write(b"xyz")
        again.commit()

        assert names(storage) == ["f"]
        assert get(storage, "/f") == b"0123xyz"

    def test_a_part_that_is_gone_or_too_short_is_not_found(self, storage: Storage) -> None:
        if not storage.abilities.resume:
            pytest.skip("This storage cannot go on with a part.")
        writer = storage.write("/f", partial=PART)
        writer.write(b"01")
        kept = writer.keep()

        with self.fails("not_found"):
            storage.write("/f", partial=PART.replace("-1.part", "-2.part"), resume=PartialFile("gone", 1))
        with self.fails("not_found"):
            storage.write("/f", partial=PART.replace("-1.part", "-2.part"), resume=PartialFile(kept.name, 3))

    def test_a_kept_part_is_removed_and_one_that_is_gone_is_no_fault(self, storage: Storage) -> None:
        if not storage.abilities.resume:
            pytest.skip("This storage cannot go on with a part.")
        writer = storage.write("/f", partial=PART)
        writer.write(b"0123456789")
        kept = writer.keep()

        storage.remove_partial("/f", kept.name)
        storage.remove_partial("/f", kept.name)

        assert names(storage) == []
        with self.fails("not_found"):
            storage.write("/f", partial=PART.replace("-1.part", "-2.part"), resume=kept)

    def test_sweeping_removes_what_a_dead_worker_left_but_not_what_is_kept(self, storage: Storage) -> None:
        if not storage.abilities.resume:
            pytest.skip("This storage cannot go on with a part.")
        left = storage.write("/a", partial=PART)
        left.write(b"left")
        others = storage.write("/b", partial=PART.replace("0123456789ab", "ba9876543210"))
        others.write(b"of another transfer")
        other = others.keep()
        writer = storage.write("/f", partial=PART.replace("-1-1", "-2-1"))
        writer.write(b"0123456789")
        kept = writer.keep()

        storage.sweep(["/a", "/f", "/gone/g"], prefix=".timers-0123456789ab-", keep={kept.name})

        assert names(storage) == sorted([kept.name, other.name])
        again = storage.write("/f", partial=PART.replace("-1-1", "-2-2"), resume=kept)
        again.commit()
        assert get(storage, "/f") == b"0123456789"
        left.discard()

    # Folders, deleting, moving

    def test_a_folder_is_made_with_its_parents_and_only_once(self, storage: Storage) -> None:
        assert storage.mkdir("/a/b/c") is True
        assert storage.mkdir("/a/b/c") is False
        assert storage.stat("/a/b").kind is Kind.DIR

    def test_a_folder_is_not_made_where_a_file_stands(self, storage: Storage) -> None:
        if storage.abilities.both_kinds:
            pytest.skip("This storage holds a file and a folder of one name.")
        put(storage, "/f", b"")

        with self.fails("not_a_folder"):
            storage.mkdir("/f")
        with self.fails("not_a_folder"):
            storage.mkdir("/f/sub")

    def test_files_and_empty_folders_are_deleted(self, storage: Storage) -> None:
        storage.mkdir("/d")
        put(storage, "/d/f", b"")

        with self.fails("not_empty", about="/d"):
            storage.delete("/d")
        storage.delete("/d/f")
        storage.delete("/d")

        assert names(storage) == []

    def test_an_entry_is_set_aside_and_can_be_replaced_then(self, storage: Storage) -> None:
        if not storage.abilities.rename:
            pytest.skip("renames nothing")
        put(storage, "/f", b"old")
        storage.mkdir("/kept")

        storage.set_aside("/f", "/kept/f")
        put(storage, "/f", b"new")

        assert (get(storage, "/kept/f"), get(storage, "/f")) == (b"old", b"new")
        with self.fails("already_exists"):
            storage.set_aside("/f", "/kept/f")
        with self.fails("not_found"):
            storage.set_aside("/missing", "/kept/g")

    def test_entries_are_moved_and_never_over_others(self, storage: Storage) -> None:
        if not storage.abilities.rename:
            pytest.skip("This storage cannot rename.")
        storage.mkdir("/d")
        put(storage, "/d/f", b"1")
        put(storage, "/g", b"2")

        with self.fails("already_exists", about="/g"):
            storage.rename("/d/f", "/g")
        storage.rename("/d", "/e")

        assert get(storage, "/e/f") == b"1"
        assert names(storage) == ["e", "g"]
        with self.fails("not_found"):
            storage.rename("/d", "/h")

    def test_a_file_and_a_folder_of_one_name_are_told_apart(self, storage: Storage) -> None:
        if not storage.abilities.both_kinds:
            pytest.skip("This storage holds one entry under a name.")
        put(storage, "/x/y", b"12")
        put(storage, "/x", b"1")

        listed = sorted((entry.name, entry.kind) for entry in storage.list("/"))
        assert listed == [("x", Kind.DIR), ("x", Kind.FILE)]
        assert (storage.stat("/x").kind, storage.stat("/x/").kind) == (Kind.FILE, Kind.DIR)
        with storage.lookup("/") as look:
            found = [look("x"), look("x/"), look("y"), look("y/")]
        assert [entry and entry.kind for entry in found] == [Kind.FILE, Kind.DIR, None, None]

        with self.fails("not_empty", about="/x"):
            storage.delete_folder("/x")
        storage.delete("/x")
        assert get(storage, "/x/y") == b"12"
        put(storage, "/x", b"1")
        storage.delete("/x/y")
        assert [entry.kind for entry in storage.list("/")] == [Kind.FILE]

    # Symbolic links

    @pytest.fixture
    def linked(self, storage: Storage) -> Storage:
        if not storage.abilities.links:
            pytest.skip("This storage knows no symbolic links.")
        storage.mkdir("/d")
        put(storage, "/d/f", b"1")
        return storage

    @pytest.mark.parametrize("text", ["d/f", "/etc/passwd", "../../out", "nowhere", "d", "zażółć\nx", "\udcff"])
    def test_a_link_is_listed_as_one_and_says_what_it_was_given(self, linked: Storage, text: str) -> None:
        linked.make_link("/way", text)

        assert {entry.name: entry.kind for entry in linked.list("/")} == {"d": Kind.DIR, "way": Kind.SYMLINK}
        assert linked.stat("/way").kind is Kind.SYMLINK
        assert linked.read_link("/way") == text

    def test_a_link_takes_the_place_of_a_file_or_link_and_never_of_a_folder(self, linked: Storage) -> None:
        linked.make_link("/d/f", "one")
        linked.make_link("/d/f", "two")
        assert linked.read_link("/d/f") == "two"

        with self.fails("already_exists", about="/d"):
            linked.make_link("/d", "x")
        with self.fails("not_found"):
            linked.make_link("/no/link", "x")
        with self.fails("bad_name", about="/way"):
            linked.make_link("/way", "")
        assert names(linked) == ["d"]
        assert names(linked, "/d") == ["f"]

    def test_what_stands_at_the_end_of_a_link_is_left_alone(self, linked: Storage) -> None:
        linked.make_link("/file", "d/f")
        linked.make_link("/folder", "d")

        with self.fails("path_outside", about="/file"):
            linked.open("/file")
        linked.delete("/file")
        linked.delete("/folder")

        assert names(linked) == ["d"]
        assert get(linked, "/d/f") == b"1"

    def test_a_file_takes_the_place_of_a_link(self, linked: Storage) -> None:
        linked.make_link("/way", "d/f")

        put(linked, "/way", b"2")

        assert (get(linked, "/way"), get(linked, "/d/f")) == (b"2", b"1")

    def test_only_links_are_read_as_links(self, linked: Storage) -> None:
        with self.fails("unsupported", about="/d/f"):
            linked.read_link("/d/f")
        with self.fails("not_found", about="/no"):
            linked.read_link("/no")

    def test_links_where_there_are_none_are_refused(self, storage: Storage) -> None:
        if storage.abilities.links:
            pytest.skip("This storage knows symbolic links.")

        with self.fails("unsupported", about="/way"):
            storage.make_link("/way", "x")
        with self.fails("unsupported", about="/way"):
            storage.read_link("/way")

    # In general

    def test_its_address_is_the_same_each_time(self, storage: Storage) -> None:
        assert storage.address() == storage.address()
        assert all(isinstance(part, str) for part in storage.address())

    def test_it_can_be_used_after_work_in_many_folders(self, storage: Storage) -> None:
        for number in range(self.many_folders):
            storage.mkdir(f"/d{number}")
            put(storage, f"/d{number}/f", b"x")

        assert all(get(storage, f"/d{number}/f") == b"x" for number in range(self.many_folders))
        storage.sync_folders([f"/d{number}" for number in range(self.many_folders)])


class _Fails:
    def __init__(self, reason: str, about: str | None) -> None:
        self.reason, self.about = reason, about

    def __enter__(self) -> None:
        assert self.reason in REASONS

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> bool:
        assert isinstance(error, ExternalError), f"no fault, or another one: {error!r}"
        assert error.reason == self.reason
        assert error.retryable == REASONS[self.reason]
        assert error.message.endswith(".")
        assert self.about is None or self.about in error.message
        return True
