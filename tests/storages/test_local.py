"""Folders of this machine: the contract, confinement, sparse files, and what the system says when it refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.storage import PART, StorageContract, get, names, put
from timers.copying import checksums
from timers.errors import ExternalError, Forbidden, Invalid
from timers.storages import copy_syscalls
from timers.storages.base import Kind, Storage
from timers.storages.local import LocalStorage
from timers.storages.memory import MemoryStorage
from timers.storages.os_errors import external_error


@pytest.fixture
def root(tmp_path: Path, settings: Any) -> Path:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path / "allowed",)
    folder = tmp_path / "allowed" / "root"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def storage(root: Path) -> Iterator[LocalStorage]:
    with LocalStorage({"root": str(root)}, {}) as opened:
        yield opened


def _open_handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class TestLocalStorage(StorageContract):
    @pytest.fixture
    def storage(self, root: Path) -> Iterator[Storage]:
        before = _open_handles()
        with LocalStorage({"root": str(root)}, {}) as opened:
            yield opened
        assert _open_handles() <= before + 4, "handles were left open"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("nobody's business")
    return folder


def refused(reason: str) -> Any:
    return pytest.raises(ExternalError, check=lambda error: error.reason == reason)


class TestConfinement:
    def test_a_link_to_a_file_is_listed_as_a_link_and_never_opened(
        self, storage: LocalStorage, root: Path, outside: Path
    ) -> None:
        (root / "link").symlink_to(outside / "secret")

        assert [entry.kind for entry in storage.list("/")] == [Kind.SYMLINK]
        assert storage.stat("/link").kind is Kind.SYMLINK
        with refused("path_outside"):
            storage.open("/link")

    def test_a_link_to_a_folder_leads_nowhere(self, storage: LocalStorage, root: Path, outside: Path) -> None:
        (root / "way").symlink_to(outside)

        for attempt in (
            lambda: storage.open("/way/secret"),
            lambda: storage.stat("/way/secret"),
            lambda: list(storage.list("/way")),
            lambda: storage.write("/way/new", partial=PART),
            lambda: storage.mkdir("/way/new"),
            lambda: storage.delete("/way/secret"),
            lambda: storage.rename("/way/secret", "/mine"),
        ):
            with refused("path_outside"):
                attempt()
        assert sorted(path.name for path in outside.iterdir()) == ["secret"]

    def test_a_link_inside_the_root_is_not_followed_either(self, storage: LocalStorage, root: Path) -> None:
        (root / "real").mkdir()
        (root / "alias").symlink_to("real")

        with refused("path_outside"):
            list(storage.list("/alias"))

    def test_a_folder_swapped_for_a_link_between_listing_and_opening_leads_nowhere(
        self, storage: LocalStorage, root: Path, outside: Path
    ) -> None:
        (root / "d").mkdir()
        (root / "d" / "secret").write_text("mine")
        (entry,) = storage.list("/")
        assert entry.kind is Kind.DIR
        assert names(storage, "/d") == ["secret"]

        (root / "d").rename(root / "was-d")
        (root / "d").symlink_to(outside)

        # the handle that is held still means the folder that was listed; a fresh one refuses the link
        assert get(storage, "/d/secret") == b"mine"
        with LocalStorage({"root": str(root)}, {}) as fresh, refused("path_outside"):
            fresh.open("/d/secret")

    def test_a_part_of_the_root_swapped_for_a_link_is_refused(
        self, tmp_path: Path, settings: Any, outside: Path
    ) -> None:
        allowed = tmp_path / "allowed"
        settings.TIMERS_LOCAL_ROOTS = (allowed,)
        (allowed / "a" / "b").mkdir(parents=True)
        storage = LocalStorage({"root": str(allowed / "a" / "b")}, {})
        (outside / "b").mkdir()
        (allowed / "a").rename(allowed / "old")
        (allowed / "a").symlink_to(outside)

        with pytest.raises(ExternalError), storage:
            list(storage.list("/"))

    def test_a_root_that_the_operator_no_longer_allows_is_closed(
        self, storage: LocalStorage, settings: Any, tmp_path: Path
    ) -> None:
        settings.TIMERS_LOCAL_ROOTS = (tmp_path / "elsewhere",)

        with refused("path_outside"):
            list(storage.list("/"))

    def test_writing_over_a_link_replaces_the_link_and_not_its_target(
        self, storage: LocalStorage, root: Path, outside: Path
    ) -> None:
        (root / "f").symlink_to(outside / "secret")

        put(storage, "/f", b"mine")

        assert (outside / "secret").read_text() == "nobody's business"
        assert (root / "f").read_bytes() == b"mine"
        assert not (root / "f").is_symlink()

    def test_deleting_a_link_leaves_its_target(self, storage: LocalStorage, root: Path, outside: Path) -> None:
        (root / "way").symlink_to(outside)

        storage.delete("/way")

        assert (outside / "secret").exists()
        assert names(storage) == []

    def test_a_planted_part_is_not_written_through(self, storage: LocalStorage, root: Path, outside: Path) -> None:
        (root / PART).symlink_to(outside / "secret")

        with refused("already_exists"):
            storage.write("/f", partial=PART)
        assert (outside / "secret").read_text() == "nobody's business"

    def test_pipes_and_devices_are_no_files_and_do_not_block(self, storage: LocalStorage, root: Path) -> None:
        os.mkfifo(root / "pipe")

        assert storage.stat("/pipe").kind is Kind.OTHER
        with refused("not_a_file"):
            storage.open("/pipe")

    def test_the_root_itself_is_never_deleted(self, storage: LocalStorage) -> None:
        with refused("permission_denied"):
            storage.delete("/")


class TestCleaning:
    def test_only_administrators_offer_folders(self, root: Path, owner: Any) -> None:
        with pytest.raises(Forbidden):
            LocalStorage.clean({"root": str(root)}, owner=owner)

    def test_a_missing_folder_is_made_inside_an_allowed_one(self, root: Path, admin: Any) -> None:
        public, secrets = LocalStorage.clean({"root": str(root / "new" / "deep")}, owner=admin)

        assert (public, secrets) == ({"root": str(root / "new" / "deep")}, {})
        assert (root / "new" / "deep").is_dir()

    def test_the_root_is_kept_without_links(self, root: Path, admin: Any) -> None:
        (root / "real").mkdir()
        (root / "alias").symlink_to("real")

        public, _ = LocalStorage.clean({"root": str(root / "alias")}, owner=admin)

        assert public == {"root": str(root / "real")}

    def test_a_link_does_not_lead_out_of_the_allowed_folders(self, root: Path, admin: Any, outside: Path) -> None:
        (root / "way").symlink_to(outside)

        with pytest.raises(Invalid) as caught:
            LocalStorage.clean({"root": str(root / "way" / "x")}, owner=admin)

        assert list(caught.value.fields) == ["root"]
        assert not (outside / "x").exists()

    @pytest.mark.parametrize("value", [None, "", "relative", "/etc", "/", 7, "/\0", "{root}/../../outside"])
    def test_a_root_elsewhere_is_refused(self, root: Path, admin: Any, value: Any) -> None:
        given = value.format(root=root) if isinstance(value, str) else value

        with pytest.raises(Invalid) as caught:
            LocalStorage.clean({"root": given}, owner=admin)

        assert list(caught.value.fields) == ["root"]

    def test_a_file_is_no_root(self, root: Path, admin: Any) -> None:
        (root / "f").touch()

        with pytest.raises(Invalid):
            LocalStorage.clean({"root": str(root / "f")}, owner=admin)

    def test_unknown_parameters_are_named(self, root: Path, admin: Any) -> None:
        with pytest.raises(Invalid) as caught:
            LocalStorage.clean({"root": str(root), "user": "x"}, owner=admin)

        assert list(caught.value.fields) == ["user"]


class TestKernelCopies:
    def test_a_sparse_file_stays_sparse(self, storage: LocalStorage, root: Path) -> None:
        with (root / "sparse").open("wb") as file:
            file.write(b"head")
            file.seek(8 << 20)
            file.write(b"middle")
            file.truncate(16 << 20)
        digest = checksums.new()

        with storage.open("/sparse") as reader:
            writer = storage.write("/copy", partial=PART)
            while writer.copy_from(reader, 1 << 20, digest):
                pass
            writer.commit()

        assert (root / "copy").read_bytes() == (root / "sparse").read_bytes()
        assert digest.hexdigest() == checksums.digest((root / "sparse").open("rb"))
        assert (root / "copy").stat().st_blocks * 512 < 4 << 20

    def test_a_reader_of_another_kind_is_taken_from_too(self, storage: LocalStorage, root: Path) -> None:
        memory = MemoryStorage({"name": "beside"}, {})
        put(memory, "/f", b"from memory" * 50_000)

        with memory.open("/f") as reader:
            writer = storage.write("/f", partial=PART)
            while writer.copy_from(reader, 1 << 20):
                pass
            writer.commit()

        assert (root / "f").read_bytes() == b"from memory" * 50_000

    @pytest.mark.parametrize("way", ["_copy_by_sendfile", "_copy_by_buffer"])
    def test_the_ways_beside_copy_file_range_give_the_same(self, tmp_path: Path, way: str) -> None:
        (tmp_path / "s").write_bytes(b"0123456789" * 1000)
        source, target = os.open(tmp_path / "s", os.O_RDONLY), os.open(tmp_path / "t", os.O_RDWR | os.O_CREAT)

        moved = getattr(copy_syscalls, way)(source, target, 5_000, 10, 3)

        os.close(source)
        os.close(target)
        assert moved == 5_000
        assert (tmp_path / "t").read_bytes() == b"\0\0\0" + (b"0123456789" * 1000)[10:5010]

    def test_many_parts_are_synced_together(self, storage: LocalStorage, root: Path) -> None:
        writers = [storage.write(f"/f{n}", partial=PART.replace("-1-1", f"-{n}-1")) for n in range(40)]
        for writer in writers:
            writer.write(b"x")

        storage.sync_all(writers)
        for writer in writers:
            writer.commit()

        assert len(names(storage)) == 40


class TestRefusals:
    def test_a_full_disk_is_named_and_may_heal(self, storage: LocalStorage, root: Path) -> None:
        writer = storage.write("/big", partial=PART)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, writer.fd)  # type: ignore[attr-defined]
        os.close(full)

        with pytest.raises(ExternalError) as caught:
            writer.write(b"x")

        assert (caught.value.reason, caught.value.retryable) == ("no_space", True)
        assert "/big" in caught.value.message
        writer.discard()
        assert names(storage) == []

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody without rights")
    def test_missing_rights_are_named_and_final_for_a_service_without_them(
        self, storage: LocalStorage, root: Path
    ) -> None:
        (root / "f").write_text("x")
        (root / "f").chmod(0o600)
        (root / "d").mkdir(mode=0o700)
        storage.stat("/f")
        os.seteuid(65534)
        try:
            with refused("permission_denied"):
                storage.open("/f")
            with refused("permission_denied"):
                list(storage.list("/d"))
            with refused("permission_denied"):
                storage.write("/new", partial=PART)
        finally:
            os.seteuid(0)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
    def test_missing_rights_are_named_and_final(self, storage: LocalStorage, root: Path) -> None:
        (root / "f").write_text("x")
        (root / "f").chmod(0)

        with refused("permission_denied"):
            storage.open("/f")

    def test_a_name_that_is_too_long_is_named(self, storage: LocalStorage) -> None:
        with refused("name_too_long"):
            storage.mkdir("/" + "x" * 300)

    @pytest.mark.parametrize(
        ("number", "reason", "retryable"),
        [
            (errno.EDQUOT, "quota", True),
            (errno.EROFS, "permission_denied", False),
            (errno.EIO, "storage_error", True),
            (errno.ESTALE, "storage_error", True),
            (errno.EMFILE, "storage_error", True),
        ],
    )
    def test_every_error_of_the_system_has_a_meaning(self, number: int, reason: str, retryable: bool) -> None:
        error = external_error(OSError(number, os.strerror(number)), "/a/b")

        assert (error.reason, error.retryable) == (reason, retryable)
        assert "/a/b" in error.message
