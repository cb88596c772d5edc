"""SMB: the contract on Debian's samba, and what else real servers do."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.storage import PART, StorageContract, get, names, put
from tests.engine.transfers.bench import Bench, fill, tree
from tests.factories import make_collection
from tests.loopback import says, scripted
from tests.storages.smb_server import ACCOUNT, CAN_RUN, READ_ONLY_SHARE, SmbServer, smb_server
from timers import targets
from timers.copying import paths
from timers.errors import ExternalError, Invalid
from timers.services.collections import checks
from timers.services.collections import commands as collections
from timers.storages.base import REASONS, Kind
from timers.storages.smb import SmbStorage, access
from timers.storages.smb.entries import FileAttributes
from timers.storages.smb.names import decoded, encoded
from timers.storages.smb.session import create_request

_numbers = itertools.count(1)
IMPOSSIBLE = frozenset({"two\nlines", "*", "'\"", "#?&"})


@pytest.fixture(scope="module")
def server() -> Iterator[SmbServer]:
    if not CAN_RUN:
        pytest.skip("Needs Debian's samba, and to be root.")
    with smb_server() as server:
        yield server


@pytest.fixture(autouse=True)
def loopback_is_open(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = targets.parse_networks("127.0.0.0/8")


@pytest.fixture
def folder(server: SmbServer) -> Path:
    """The folder of this test, on the server's disk."""
    folder = server.folder / f"place {next(_numbers)}"
    folder.mkdir()
    return folder


Opener = Callable[..., SmbStorage]


@pytest.fixture
def opened(server: SmbServer, folder: Path) -> Iterator[Opener]:
    """Opens storages on the test's folder, or elsewhere."""
    storages: list[SmbStorage] = []

    def opener(**parameters: Any) -> SmbStorage:
        given = server.parameters(**{"root": f"/{folder.name}", **parameters})
        storages.append(SmbStorage(*SmbStorage.clean(given, owner=None)))
        return storages[-1]

    yield opener
    for storage in storages:
        storage.close()


@pytest.fixture
def storage(opened: Opener) -> SmbStorage:
    return opened()


class TestSmbStorage(StorageContract):
    many_folders = 50
    names_unknown_to_server = IMPOSSIBLE
    time_step_ns = 100

    @pytest.fixture
    def storage(self, opened: Opener) -> SmbStorage:
        return opened()


def fails(reason: str, *, match: str | None = None) -> Any:
    return pytest.raises(
        ExternalError,
        match=match,
        check=lambda error: (error.reason, error.retryable) == (reason, REASONS[reason]),
    )


class TestNames:
    @pytest.mark.parametrize(
        "name", [*sorted(IMPOSSIBLE), "10:30.txt", "a<b", "a>b", "a|b", "a\\b", "dot.", "blank ", "ma\udcf1ana"]
    )
    def test_what_smb_cannot_name_is_a_final_fault_of_that_file(
        self, storage: SmbStorage, folder: Path, name: str
    ) -> None:
        put(storage, "/ok", b"1")

        with fails("bad_name"):
            storage.write(f"/{name}", partial=PART)
        with fails("bad_name"):
            storage.mkdir(f"/{name}/sub")
        with fails("bad_name"):
            storage.open(f"/{name}")
        with storage.lookup("/") as look:
            assert look(name) is None
        assert [path.name for path in folder.iterdir()] == ["ok"]

    def test_a_name_too_long_for_the_server_is_final(self, storage: SmbStorage) -> None:
        writer = storage.write(f"/{'a' * 300}", partial=PART)

        with pytest.raises(ExternalError, check=lambda error: not error.retryable):
            writer.commit()
        writer.discard()

    def test_names_are_the_same_in_any_case(self, storage: SmbStorage) -> None:
        put(storage, "/report.pdf", b"1")

        with storage.lookup("/") as look:
            found = look("Report.PDF")
            assert found is not None
            assert found.size == 1
        put(storage, "/Report.PDF", b"22")
        assert [(name.lower(), get(storage, f"/{name}")) for name in names(storage)] == [("report.pdf", b"22")]

    def test_names_that_windows_cannot_show_are_listed_all_the_same(self, storage: SmbStorage, folder: Path) -> None:
        for name in ("a:b", "dot.", "plain"):
            (folder / name).write_bytes(b"12")

        entries = list(storage.list("/"))

        assert len(entries) == 3
        assert {(entry.kind, entry.size) for entry in entries} == {(Kind.FILE, 2)}

    def test_utf_16_that_is_no_text_is_listed_and_can_be_given_back(self) -> None:
        name = decoded(b"a\x00\x00\xd8")

        assert not paths.is_carriable(name)
        assert paths.readable(name) == "a\\xed\\xa0\\x80"
        assert encoded(name) == b"a\x00\x00\xd8"


class TestLinks:
    def test_a_folder_that_leads_back_is_a_link(self, storage: SmbStorage, folder: Path) -> None:
        (folder / "d" / "e").mkdir(parents=True)
        (folder / "d" / "e" / "back").symlink_to("..")
        (folder / "d" / "e" / "file").write_bytes(b"1")
        seen = {}

        waiting = ["/"]
        while waiting:
            above = waiting.pop()
            for entry in storage.list(above):
                seen[path := paths.join(above, entry.name)] = entry.kind
                waiting += [path] if entry.kind is Kind.DIR else []

        assert seen == {"/d": Kind.DIR, "/d/e": Kind.DIR, "/d/e/file": Kind.FILE, "/d/e/back": Kind.SYMLINK}

    def test_a_pipe_is_refused_without_waiting(self, storage: SmbStorage, folder: Path) -> None:
        os.mkfifo(folder / "pipe")

        with fails("permission_denied", match="/pipe"):
            get(storage, "/pipe")

    @pytest.mark.parametrize(
        ("bits", "tag", "kind"),
        [
            (0x20, 0, Kind.FILE),
            (0x10, 0, Kind.DIR),
            (0x420, 0xA000000C, Kind.SYMLINK),
            (0x410, 0xA000000C, Kind.SYMLINK),
            (0x410, 0xA0000003, Kind.OTHER),
            (0x420, 0x80000014, Kind.OTHER),
            (0x420, 0xB0000000, Kind.OTHER),
            (0x420, 0x80000013, Kind.FILE),
            (0x420, 0x9000001A, Kind.FILE),
            (0x410, 0x9000001A, Kind.DIR),
        ],
    )
    def test_the_tag_says_what_an_entry_is(self, bits: int, tag: int, kind: Kind) -> None:
        assert FileAttributes(0, 0, bits, tag).entry("x").kind is kind


class TestFiles:
    def test_a_large_file_goes_in_pieces_both_ways(self, storage: SmbStorage) -> None:
        data = random.Random(7).randbytes(5 * 1024 * 1024 + 1)

        put(storage, "/big", data)

        assert get(storage, "/big") == data
        assert get(storage, "/big", offset=len(data) - 3) == data[-3:]

    def test_a_file_that_grows_is_read_to_its_new_end(self, storage: SmbStorage, folder: Path) -> None:
        put(storage, "/log", b"one")

        with storage.open("/log") as reader:
            assert reader.read(100) == b"one"
            with (folder / "log").open("ab") as log:
                log.write(b"two")
            assert reader.stat().size == 6
            assert reader.read(100) == b"two"
            assert reader.read(100) == b""

    def test_the_old_file_is_there_until_the_new_one_is(self, storage: SmbStorage, folder: Path) -> None:
        put(storage, "/f", b"old")
        writer = storage.write("/f", partial=PART)
        writer.write(b"new")
        writer.sync()

        assert (folder / "f").read_bytes() == b"old"
        writer.commit()
        assert (folder / "f").read_bytes() == b"new"

    def test_a_file_that_is_in_use_stays_and_is_tried_again(self, storage: SmbStorage, folder: Path) -> None:
        put(storage, "/f", b"old")
        request = create_request(f"{folder.name}\\f", access.READ, access.OPEN, access.AS_FILE)
        request["share_access"] = 0
        storage._session.answer(storage._session.send(request))
        writer = storage.write("/f", partial=PART)
        writer.write(b"new")

        with fails("storage_error", match="/f is in use"):
            writer.commit()
        with fails("storage_error", match="/f is in use"):
            storage.delete("/f")

        writer.discard()
        assert (folder / "f").read_bytes() == b"old"
        assert names(storage) == ["f"]

    def test_a_deleted_file_that_somebody_reads_is_not_said_to_be_gone(self, opened: Opener) -> None:
        storage, somebody = opened(), opened()
        put(storage, "/f", b"old")

        with somebody.open("/f"), fails("storage_error", match="/f is in use"):
            storage.delete("/f")

        assert names(storage) == []

    def test_times_of_folders_are_kept(self, storage: SmbStorage, folder: Path) -> None:
        storage.mkdir("/d")
        when = 1_234_567_890_123_456_700

        assert list(storage.set_attributes("/d", modified_ns=when)) == []
        assert list(storage.set_attributes("/d", modified_ns=-(10**30))) == ["times"]
        assert storage.stat("/d").modified_ns == (folder / "d").stat().st_mtime_ns == when

    @pytest.mark.parametrize("when", [-10_000_000_000_000_000, 0, 253_402_300_799_000_000_000])
    def test_old_and_far_times_are_kept_or_told(self, storage: SmbStorage, when: int) -> None:
        writer = storage.write("/f", partial=PART)
        writer.write(b"x")
        writer.commit(modified_ns=when)

        assert (storage.stat("/f").modified_ns == when) != ("times" in writer.not_kept)


class TestServers:
    def test_everything_is_encrypted_unless_switched_off(self, opened: Opener) -> None:
        secret, plain = opened(), opened(encrypt=False)

        assert [opened._session._tree.session.encrypt_data for opened in (secret, plain)] == [True, False]
        assert (SmbStorage.encrypts({}), SmbStorage.encrypts({"encrypt": False})) == (True, False)
        put(plain, "/f", b"1")
        assert get(secret, "/f") == b"1"

    def test_a_server_that_cannot_encrypt_is_refused_before_the_login(self, opened: Opener) -> None:
        with smb_server(protocols=("SMB2", "SMB2_10")) as old:
            with fails("unsupported", match="encrypt"):
                SmbStorage(*SmbStorage.clean(old.parameters(), owner=None)).stat("/")
            with SmbStorage(*SmbStorage.clean(old.parameters(encrypt=False), owner=None)) as plain:
                put(plain, "/f", b"1" * 3_000_000)
                assert len(get(plain, "/f")) == 3_000_000

    def test_a_wrong_password_is_final_and_never_told(self, opened: Opener) -> None:
        with fails("login_failed") as caught:
            opened(password="wrong: secret").stat("/")
        assert "secret" not in caught.value.message
        with fails("login_failed"):
            opened(username="stranger").stat("/")

    def test_an_unknown_share_and_an_unknown_folder_are_named(self, opened: Opener) -> None:
        with fails("not_found", match="has no share nothing"):
            opened(share="nothing").stat("/")
        with fails("not_found", match="/"):
            list(opened(root="/nothing").list("/"))

    def test_what_may_only_be_read_is_not_written(self, opened: Opener, folder: Path) -> None:
        (folder / "f").write_bytes(b"1")
        storage = opened(share=READ_ONLY_SHARE)

        assert get(storage, "/f") == b"1"
        with fails("permission_denied"):
            storage.write("/g", partial=PART)
        with fails("permission_denied", match="/f"):
            storage.delete("/f")
        with fails("permission_denied", match="/d"):
            storage.mkdir("/d")

    def test_a_server_that_goes_away_may_heal(self, server: SmbServer) -> None:
        with smb_server() as other:
            storage = SmbStorage(*SmbStorage.clean(other.parameters(), owner=None))
            writer = storage.write("/f", partial=PART)
            other.stop()

            with fails("connection_error"):
                writer.write(b"x" * 5_000_000)
                writer.sync()
            writer.discard()
            with fails("connection_error"):
                storage.stat("/")

    def test_a_server_that_is_restarted_is_used_again(self, opened: Opener) -> None:
        storage = opened()
        put(storage, "/f", b"1")

        storage._session.end()

        assert get(storage, "/f") == b"1"

    @pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\xff\xff\xff", b"\0\0\0\4abcd"])
    def test_what_is_no_smb_server_is_a_fault(self, opened: Opener, reply: bytes) -> None:
        with scripted(says(reply)) as other, fails("connection_error"):
            opened(port=other.port).stat("/")

    def test_the_target_rules_hold_and_a_name_is_resolved_once(
        self, opened: Opener, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []
        resolve = socket.getaddrinfo

        def counted(host: Any, *given: Any, **more: Any) -> Any:
            asked.append(host)
            return resolve("127.0.0.1" if host == "nas.example.org" else host, *given, **more)

        monkeypatch.setattr(socket, "getaddrinfo", counted)
        storage = opened(host="nas.example.org")
        assert storage.stat("/").kind is Kind.DIR
        assert asked.count("nas.example.org") == 1

        settings.TIMERS_WEBHOOK_NETWORKS = ()
        with fails("target_refused"):
            opened(host="nas.example.org").stat("/")

    def test_a_closed_storage_is_not_opened_again(self, opened: Opener) -> None:
        storage = opened()
        storage.stat("/")
        storage.close()

        with fails("connection_error"):
            storage.stat("/")

    def test_nothing_runs_on_after_it_is_closed(self, opened: Opener) -> None:
        before = set(threading.enumerate())
        storage = opened()
        storage.stat("/")
        storage.close()

        assert set(threading.enumerate()) <= before


@pytest.mark.django_db
class TestTransfers:
    @pytest.fixture
    def bench(self, tmp_path: Path, settings: Any, owner: Any, now: Any, server: SmbServer, folder: Path) -> Bench:
        settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
        here = tmp_path / "here"
        here.mkdir()
        storage = {"kind": "smb", **server.parameters(f"/{folder.name}")}
        on_smb = collections.create(owner=owner, fields={"display_name": "share", "storage": storage}, now=now)
        return Bench(owner, make_collection(owner, here), on_smb, here, folder, now)

    def test_a_tree_goes_there_and_back_and_is_the_same_then(self, bench: Bench) -> None:
        files = {"a": "1", "d/b": "22", "d/e/zażółć 🐟": "333", "d/empty": "", "large": b"x" * 3_000_000}
        fill(bench.here, {**files, **{f"many/f{number}": str(number) for number in range(20)}})
        bench.copy(preserve_timestamp=True)
        assert tree(bench.there) == tree(bench.here)
        assert {path.stat().st_mtime_ns // 100 for path in bench.here.rglob("*") if path.is_file()} == {
            path.stat().st_mtime_ns // 100 for path in bench.there.rglob("*") if path.is_file()
        }

        again = bench.copy(sync_level=2, delete_destination_extra=True)
        assert (again.status, again.files_transferred, again.files_skipped) == ("succeeded", 0, 25)

        back = Bench(bench.owner, bench.destination, bench.source, bench.there, bench.here, bench.now)
        shutil.rmtree(bench.here / "d")
        assert back.copy().status == "succeeded"
        assert tree(bench.here) == tree(bench.there)

    def test_the_check_tells_that_it_can_be_read_and_written(self, bench: Bench) -> None:
        health = checks.measure(bench.destination, now=bench.now)

        assert (health.readable, health.writable) == (True, True), health.message
        assert tree(bench.there) == {}

    def test_a_mirror_never_deletes_what_is_the_same_in_another_case(self, bench: Bench) -> None:
        fill(bench.here, {"Report.PDF": "12345", "keep": "1", "Folder/Sub/X": "2"})
        fill(bench.there, {"report.pdf": "12345", "keep": "1", "folder/sub/x": "2", "extra": "3"})

        transfer = bench.copy(sync_level=3, delete_destination_extra=True)

        assert (transfer.status, transfer.files_skipped) == ("succeeded", 3)
        assert {name for name, content in tree(bench.there).items() if content} == {
            "report.pdf",
            "keep",
            "folder/sub/x",
        }

    def test_two_names_that_are_one_there_are_a_fault_that_names_both(self, bench: Bench) -> None:
        fill(bench.here, {"Makefile": "11111", "makefile": "22222", "other": "3"})

        transfer = bench.copy()

        assert transfer.status == "failed"
        assert len(tree(bench.there)) == 2
        assert tree(bench.there)["other"] == b"3"
        assert transfer.failure_reason == "name_collision"
        assert "Makefile" in transfer.error_message and "makefile" in transfer.error_message

    def test_a_name_that_smb_refuses_stops_nothing_else(self, bench: Bench) -> None:
        fill(bench.here, {"10:30.txt": "1", "ok": "2", "dot./x": "3"})

        transfer = bench.copy()

        assert (transfer.status, transfer.failure_reason) == ("failed", "bad_name")
        assert tree(bench.there) == {"ok": b"2"}


class TestCleaning:
    def clean(self, **parameters: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        place = {"host": "nas.example.org", "share": "documents"}
        return SmbStorage.clean({**place, **ACCOUNT, **parameters}, owner=None)

    def test_the_password_is_kept_apart(self) -> None:
        public, secrets = self.clean(root="\\reports\\2026")

        assert public == {
            "host": "nas.example.org",
            "port": 445,
            "share": "documents",
            "root": "/reports/2026",
            "username": ACCOUNT["username"],
            "encrypt": True,
        }
        assert secrets == {"password": ACCOUNT["password"]}
        assert list(SmbStorage.recipients()) == ["host", "port"]
        assert SmbStorage.place(public) == "nas.example.org/documents/reports/2026"

    def test_an_address_ignores_case_and_continues_that_of_the_folder_around_it(self) -> None:
        around = SmbStorage(*self.clean(share="Documents", root="/Reports")).address()
        inside = SmbStorage(*self.clean(root="/reports/a")).address()

        assert inside == (*around, "a")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("host", value) for value in (None, "", "smb://a", "a/b", "a:445", "\\\\a", "169.254.169.254", 7)),
            *(("port", value) for value in (0, 65536, "445", True)),
            *(("share", value) for value in (None, "", " ", "a/b", "\\\\host\\a", "a" * 81, 7)),
            *(("root", value) for value in ("/a/../b", "/a:b", "/a.", 7)),
            *(("username", value) for value in (None, "", " ", 7)),
            *(("password", value) for value in (None, "", 7)),
            *(("encrypt", value) for value in ("yes", 1)),
            ("prefix", "/"),
        ],
    )
    def test_what_cannot_work_is_refused_by_its_name(self, field: str, value: Any) -> None:
        with pytest.raises(Invalid) as caught:
            self.clean(**{field: value})

        assert list(caught.value.fields) == [field]

    def test_without_the_package_the_words_say_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        public, secrets = self.clean()
        for name in [name for name in sys.modules if name.partition(".")[0] == "smbprotocol"]:
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, "smbprotocol", None)
        for name in ("login", "session"):
            monkeypatch.delitem(sys.modules, f"timers.storages.smb.{name}", raising=False)

        with pytest.raises(Invalid, match="Install smbprotocol"):
            self.clean()
        with fails("unsupported", match="Install smbprotocol .requirements-storages.txt. to use SMB"):
            SmbStorage(public, secrets).stat("/")

    def test_the_package_is_imported_when_it_is_needed(self) -> None:
        program = "import timers.storages.smb, sys; sys.exit('smbprotocol' in sys.modules)"

        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
