"""Files of SFTP servers that leave things out, refuse requests, allow few connections or want more proofs."""

from __future__ import annotations

import itertools
import os
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.contracts.storage import PART, get, names, put
from tests.storages.odd_sftp_server import ATTRS, NAME, Listed, OddServer, Packet, Stated, odd_server, string
from timers.errors import ExternalError, Invalid
from timers.storages.base import Kind, Permissions, is_partial
from timers.storages.sftp import SftpStorage, replacing
from timers.storages.sftp.entries import to_entry
from timers.storages.sftp.pool import SESSIONS, SessionPool
from timers.storages.sftp.wire import Attributes, RequestType, StatusCode
from timers.targets import parse_networks

READDIR, LSTAT, RENAME, OPENDIR = RequestType.READDIR, RequestType.LSTAT, RequestType.RENAME, RequestType.OPENDIR
TIME_NS = 1_700_000_000 * 10**9


@pytest.fixture(autouse=True)
def allowed(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")


@pytest.fixture(autouse=True)
def nobody_stays_logged_in() -> Iterator[None]:
    SESSIONS.clear()
    yield
    SESSIONS.clear()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OddServer]:
    with odd_server(tmp_path) as running:
        yield running


def opened(server: OddServer, **changes: Any) -> SftpStorage:
    return SftpStorage(*SftpStorage.clean(server.parameters(**changes), owner=None))


def refused(reason: str) -> Any:
    return pytest.raises(ExternalError, check=lambda error: error.reason == reason)


def kinds(storage: SftpStorage, path: str = "/") -> dict[str, Kind]:
    return {entry.name: entry.kind for entry in storage.list(path)}


@pytest.fixture
def tree(server: OddServer) -> OddServer:
    """Five files, a folder with a file, a link and a pipe."""
    for number in range(5):
        (server.files / f"f{number}").write_bytes(b"x" * number)
    (server.files / "d").mkdir()
    (server.files / "d" / "f").write_bytes(b"deep")
    (server.files / "way").symlink_to("f0")
    os.mkfifo(server.files / "pipe")
    return server


EVERYTHING = {
    **{f"f{number}": Kind.FILE for number in range(5)},
    "d": Kind.DIR,
    "way": Kind.SYMLINK,
    "pipe": Kind.OTHER,
}


def without_kinds(stated: Stated) -> Stated:
    return stated._replace(mode=None if stated.mode is None else stat.S_IMODE(stated.mode))


def without_lines(packet: Packet) -> Packet:
    return packet.listing([each._replace(line=each.name) for each in packet.listed()])


class TestListing:
    def test_a_kind_that_the_permissions_leave_out_is_taken_from_the_line(self, tree: OddServer) -> None:
        tree.say = lambda packet: packet.stating(without_kinds) if packet.kind == NAME else packet

        with opened(tree) as storage:
            assert kinds(storage) == EVERYTHING
        assert not any(request.kind == LSTAT and request.first_string().endswith(b"f0") for request in tree.requests)

    def test_a_kind_that_no_listing_tells_is_asked_for(self, tree: OddServer) -> None:
        tree.say = lambda packet: without_lines(packet.stating(without_kinds)) if _is_names(packet) else packet

        with opened(tree) as storage:
            assert kinds(storage) == EVERYTHING
            assert get(storage, "/d/f") == b"deep"

    def test_attributes_that_a_listing_leaves_out_are_asked_for(self, tree: OddServer) -> None:
        def bare(packet: Packet) -> Packet:
            is_listing = packet.request == READDIR and packet.kind == NAME
            return packet.stating(lambda _: Stated()) if is_listing else packet

        tree.say = bare

        with opened(tree) as storage:
            found = {entry.name: entry for entry in storage.list("/")}

        assert {name: entry.kind for name, entry in found.items()} == EVERYTHING
        assert found["f4"].size == 4
        assert found["f4"].modified_ns
        assert found["f4"].mode == 0o644

    def test_a_server_that_tells_kinds_in_lines_only_can_be_copied_from(self, tree: OddServer) -> None:
        tree.say = lambda packet: packet.stating(without_kinds) if packet.kind in (NAME, ATTRS) else packet

        with opened(tree) as storage:
            assert kinds(storage) == EVERYTHING
            assert {name: storage.stat(f"/{name}").kind for name in EVERYTHING} == EVERYTHING
            assert get(storage, "/f3") == b"xxx"
            put(storage, "/new", b"1")
            assert get(storage, "/new") == b"1"

    def test_an_entry_whose_kind_nobody_tells_is_unknown_and_never_left_out(self, tree: OddServer) -> None:
        def silent(packet: Packet) -> Packet:
            if packet.kind not in (NAME, ATTRS):
                return packet
            changed = packet.stating(lambda _: Stated())
            return without_lines(changed) if packet.request == READDIR else changed

        tree.say = silent

        with opened(tree) as storage:
            told = {
                name: kind if kind in (Kind.DIR, Kind.SYMLINK) else Kind.UNKNOWN for name, kind in EVERYTHING.items()
            }
            assert kinds(storage) == told
            with refused("unknown_kind"):
                storage.open("/f0")

    def test_an_entry_that_the_server_refuses_to_look_at_is_listed_too(self, tree: OddServer) -> None:
        tree.say = lambda packet: packet.listing([Listed(b"odd", b"", Stated())]) if _is_names(packet) else packet

        with opened(tree) as storage:
            assert kinds(storage) == {"odd": Kind.UNKNOWN}

    @pytest.mark.parametrize("times", [None, 0, 0x80000000, 0xFFFFFFFF])
    @pytest.mark.parametrize("size", [None, 0, 2**31, 2**63, 2**64 - 1])
    @pytest.mark.parametrize("mode", [None, 0, 0o100644, 0o160000, 0xFFFFFFFF])
    def test_no_value_of_an_attribute_is_too_odd(self, times: Any, size: Any, mode: Any) -> None:
        entry = to_entry("f", Attributes(size, mode, times))

        assert 0 <= entry.size < 2**63
        assert entry.mode is None or 0 <= entry.mode <= 0o777
        assert entry.modified_at is None or entry.modified_at.year in range(1970, 2107)
        assert entry.kind in Kind

    def test_names_that_repeat_are_listed_once_and_dots_never(self, tree: OddServer) -> None:
        def repeating(packet: Packet) -> Packet:
            if not _is_names(packet):
                return packet
            listed = [each for each in packet.listed() if each.name not in (b".", b"..")]
            return packet.listing([*listed, *reversed(listed)])

        tree.say = repeating

        with opened(tree) as storage:
            assert sorted(names(storage)) == sorted(EVERYTHING)

    def test_a_listing_without_end_is_a_fault(self, tree: OddServer) -> None:
        listing = Packet(NAME, 0, b"").listing([Listed(b"f0", b"-rw-r--r--", Stated(0, 0o100644, (0, 0)))])
        tree.ask = lambda packet: listing._replace(number=packet.number) if packet.kind == READDIR else None

        with opened(tree) as storage, refused("storage_error"):
            names(storage)

    def test_names_that_are_no_text_or_no_names_are_listed_as_they_are(self, tree: OddServer) -> None:
        odd = [b"ma\xf1ana", b"a/b", b"", b"x\0y", b"/etc/passwd", b"../up"]
        stated = Stated(1, 0o100644, (0, 0))
        tree.say = lambda packet: (
            packet.listing([Listed(name, b"", stated) for name in odd]) if _is_names(packet) else packet
        )

        with opened(tree) as storage:
            found = names(storage)

        assert found == sorted(name.decode("utf-8", "surrogateescape") for name in odd)

    def test_an_uncarriable_name_is_not_asked_about(self, tree: OddServer) -> None:
        tree.say = lambda packet: packet.listing([Listed(b"d/f", b"", Stated())]) if _is_names(packet) else packet

        with opened(tree) as storage:
            assert kinds(storage) == {"d/f": Kind.UNKNOWN}
        assert not any(request.kind == LSTAT and request.first_string().endswith(b"d/f") for request in tree.requests)

    def test_a_server_that_ignores_case_answers_for_another_spelling(self, server: OddServer) -> None:
        (server.files / "readme").write_bytes(b"123")

        def blind(packet: Packet) -> Packet | None:
            if packet.kind == LSTAT and packet.first_string().endswith(b"/README"):
                return Packet(ATTRS, packet.number, Stated(3, 0o100644, (0, 0)).data())
            return None

        server.ask = blind

        with opened(server) as storage, storage.lookup("/") as look:
            found = look("README")
            assert found is not None
            assert found.size == 3
            assert look("other") is None

    def test_a_real_path_in_another_spelling_is_no_link(self, server: OddServer) -> None:
        (server.files / "Data").mkdir()
        (server.files / "Data" / "f").write_bytes(b"1")

        def spelled(packet: Packet) -> Packet | None:
            if packet.kind == RequestType.REALPATH and packet.first_string().endswith(b"/Data"):
                path = packet.first_string().replace(b"/Data", b"/DATA")
                return Packet(NAME, packet.number, b"").listing([Listed(path, b"", Stated())])
            return None

        server.ask = spelled

        with opened(server) as storage:
            assert names(storage, "/Data") == ["f"]
            (server.files / "data").symlink_to("Data")
            server.ask = lambda packet: None
            with pytest.raises(ExternalError) as caught:
                names(storage, "/data")
        assert caught.value.message == "/data is a symbolic link to Data; links are never followed."


def _is_names(packet: Packet) -> bool:
    return packet.request == READDIR and packet.kind == NAME


class TestReplacing:
    """Servers that cannot replace a file in one step."""

    @pytest.fixture
    def server(self, server: OddServer) -> OddServer:
        """A server without `posix-rename`, with a file that is to be replaced."""
        server.say = _without_extensions(b"posix-rename@openssh.com")
        (server.files / "data").write_bytes(b"OLD")
        return server

    def test_the_old_file_is_moved_aside_and_removed_when_the_new_one_stands(self, server: OddServer) -> None:
        with opened(server) as storage:
            put(storage, "/data", b"NEW")

        assert _content(server) == {"data": b"NEW"}
        moves = [packet.kind for packet in server.requests if packet.kind in (RENAME, RequestType.REMOVE)]
        assert moves == [RENAME, RENAME, RENAME, RequestType.REMOVE]

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            (StatusCode.PERMISSION_DENIED, "permission_denied"),
            (StatusCode.OP_UNSUPPORTED, "unsupported"),
            (StatusCode.NO_SUCH_FILE, "not_found"),
            (StatusCode.FAILURE, "storage_error"),
            (11, "already_exists"),
        ],
    )
    def test_whatever_the_refusal_of_a_rename_means_the_old_file_stays(
        self, server: OddServer, code: int, reason: str
    ) -> None:
        server.ask = lambda packet: packet.refused(code) if packet.kind == RENAME else None

        with opened(server) as storage:
            writer = storage.write("/data", partial=PART)
            writer.write(b"NEW")
            with refused(reason):
                writer.commit()
            writer.discard()

        assert _content(server) == {"data": b"OLD"}

    @pytest.mark.parametrize("refused_number", [2, 3, 4])
    def test_the_old_file_is_renamed_back_when_the_new_one_cannot_take_its_place(
        self, server: OddServer, refused_number: int
    ) -> None:
        """The second rename is that to the name aside, the third and the fourth are those of the new file."""
        server.ask = _refusing(RENAME, lambda number: refused_number <= number <= 4)

        with opened(server) as storage:
            writer = storage.write("/data", partial=PART)
            writer.write(b"NEW")
            if refused_number == 4:
                writer.commit()
            else:
                with refused("storage_error"):
                    writer.commit()
            writer.discard()

        assert _content(server) == {"data": b"NEW" if refused_number == 4 else b"OLD"}

    def test_an_old_file_that_cannot_be_renamed_back_is_kept_and_named(self, server: OddServer) -> None:
        server.ask = _refusing(RENAME, lambda number: number >= 3)

        with opened(server) as storage:
            writer = storage.write("/data", partial=PART)
            writer.write(b"NEW")
            with pytest.raises(ExternalError) as caught:
                writer.commit()
            writer.discard()

        (name,) = _content(server)
        assert _content(server)[name] == b"OLD"
        assert is_partial(name)
        assert name in caught.value.message

    def test_a_line_that_dies_in_between_loses_nothing_and_the_next_writer_repairs_it(self, server: OddServer) -> None:
        def dying(packet: Packet) -> Packet | None:
            if packet.kind == RENAME and len([None for each in server.requests if each.kind == RENAME]) == 3:
                while (server.files / "data").exists():  # the second rename is on its way
                    time.sleep(0.001)
                server.connections[-1].close()
                return packet.refused(4)
            return None

        server.ask = dying
        with opened(server) as storage:
            writer = storage.write("/data", partial=PART)
            writer.write(b"NEW")
            with refused("connection_error"):
                writer.commit()
        server.ask = lambda packet: None
        assert "data" not in _content(server)
        assert sorted(_content(server).values()) == [b"NEW", b"OLD"]

        with opened(server) as storage:
            writer = storage.write("/data", partial=PART.replace("-1.part", "-2.part"))
            assert _content(server)["data"] == b"OLD"
            writer.write(b"NEWER")
            writer.commit()
            storage.remove_partial("/data", PART)
        assert _content(server) == {"data": b"NEWER"}

    def test_sweeping_after_a_slice_that_died_repairs_too(self, server: OddServer) -> None:
        aside = Path(os.fsdecode(replacing.aside_path(bytes(server.files / "data"))))
        (server.files / "data").rename(aside)
        (server.files / PART).write_bytes(b"NE")

        with opened(server) as storage:
            storage.sweep(["/data", "/other", "/no/where"], prefix=PART[:21], keep=())
            assert _content(server) == {"data": b"OLD"}
            aside.write_bytes(b"older")
            storage.sweep(["/data"], prefix=PART[:21], keep=())

        assert _content(server) == {"data": b"OLD"}

    def test_a_link_takes_the_place_of_a_file_and_a_folder_stays(self, server: OddServer) -> None:
        (server.files / "d").mkdir()

        with opened(server) as storage:
            storage.make_link("/data", "nowhere")
            writer = storage.write("/d", partial=PART)
            with refused("not_a_file"):
                writer.commit()
            writer.discard()

        assert (server.files / "data").readlink() == Path("nowhere")
        assert sorted(path.name for path in server.files.iterdir()) == ["d", "data"]

    def test_a_server_that_announces_what_it_cannot_do_gets_the_plain_requests(self, server: OddServer) -> None:
        server.say = lambda packet: packet
        server.ask = lambda packet: (
            packet.refused(StatusCode.OP_UNSUPPORTED) if packet.kind == 200 and b"posix" in packet.body else None
        )

        with opened(server) as storage:
            put(storage, "/data", b"NEW")

        assert _content(server) == {"data": b"NEW"}


def _without_extensions(*missing: bytes) -> Callable[[Packet], Packet]:
    """Return what leaves extensions out of the server's greeting."""

    def say(packet: Packet) -> Packet:
        return packet.without_extensions(missing) if packet.kind == 2 else packet

    return say


def _refusing(kind: int, which: Callable[[int], bool], code: int = 4) -> Callable[[Packet], Packet | None]:
    """Return what refuses some requests of a kind, counted from 1."""
    count = itertools.count(1)
    return lambda packet: packet.refused(code) if packet.kind == kind and which(next(count)) else None


def _content(server: OddServer) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in server.files.iterdir()}


class TestRights:
    def test_a_server_that_says_it_kept_what_it_did_not_keep_is_found_out(self, server: OddServer) -> None:
        server.ask = lambda packet: packet.refused(StatusCode.OK) if packet.kind == RequestType.FSETSTAT else None

        with opened(server) as storage:
            for name in ("/a", "/b"):
                writer = storage.write(name, partial=PART)
                writer.commit(modified_ns=TIME_NS, permissions=Permissions(0o644))
                assert writer.not_kept == ["mode", "times"]
            assert storage.stat("/a").mode == 0o600

    def test_what_can_be_set_by_path_only_is_set_by_path(self, server: OddServer) -> None:
        server.ask = lambda packet: packet.refused(3) if packet.kind == RequestType.FSETSTAT else None

        with opened(server) as storage:
            writer = storage.write("/a", partial=PART)
            writer.commit(modified_ns=TIME_NS, permissions=Permissions(0o640))
            entry = storage.stat("/a")

        assert (writer.not_kept, entry.mode, entry.modified_ns) == ([], 0o640, TIME_NS)

    def test_times_that_are_refused_do_not_keep_the_mode_from_being_set(self, server: OddServer) -> None:
        def no_times(packet: Packet) -> Packet | None:
            if packet.kind not in (RequestType.SETSTAT, RequestType.FSETSTAT):
                return None
            is_with_times = Stated.taken(packet.after_first_string())[0].times is not None
            return packet.refused(StatusCode.OP_UNSUPPORTED) if is_with_times else None

        server.ask = no_times

        with opened(server) as storage:
            for name in ("/a", "/b"):
                writer = storage.write(name, partial=PART)
                writer.commit(modified_ns=TIME_NS, permissions=Permissions(0o640))
                assert writer.not_kept == ["times"]
                assert storage.stat(name).mode == 0o640
        by_path = [packet for packet in server.requests if packet.kind == RequestType.SETSTAT]
        assert len(by_path) == 2, "the second file needs no further requests"

    def test_a_server_that_ignores_modes_of_new_entries_is_told_again(self, server: OddServer) -> None:
        def ignoring(packet: Packet) -> Packet | None:
            if packet.kind not in (RequestType.OPEN, RequestType.MKDIR):
                return None
            flags = packet.after_first_string()[: 4 if packet.kind == RequestType.OPEN else 0]
            return packet._replace(body=string(packet.first_string()) + flags + Stated().data())

        server.ask = ignoring

        with opened(server) as storage:
            for name in ("a", "b"):
                writer = storage.write(f"/{name}", partial=PART)
                writer.write(b"x" * 100_000)
                writer.sync()
                assert (server.files / PART).stat().st_mode & 0o777 == 0o600
                writer.commit(permissions=Permissions(0o640))
                assert storage.stat(f"/{name}").mode == 0o640
            storage.mkdir("/d", permissions=Permissions(0o700))
            assert storage.stat("/d").mode == 0o700

    def test_what_is_set_and_not_kept_later_is_found_out_too(self, server: OddServer) -> None:
        (server.files / "f").touch()
        server.ask = lambda packet: packet.refused(StatusCode.OK) if packet.kind == RequestType.SETSTAT else None

        with opened(server) as storage:
            assert storage.set_attributes("/f", modified_ns=TIME_NS) == ["times"]


class TestNamesThatAreRefused:
    """A disk behind a server that does not take some names, of which the server says "failure" only."""

    @pytest.fixture(params=[True, False])
    def server(self, server: OddServer, request: Any) -> OddServer:
        making = (RENAME, RequestType.MKDIR, RequestType.SYMLINK, RequestType.EXTENDED)
        server.ask = lambda packet: packet.refused(4) if packet.kind in making and b"10:30" in packet.body else None
        if not request.param:
            server.say = _without_extensions(b"posix-rename@openssh.com")
        return server

    def test_a_name_that_the_disk_does_not_take_is_a_final_fault(self, server: OddServer) -> None:
        with opened(server) as storage:
            writer = storage.write("/10:30.txt", partial=PART)
            writer.write(b"x")
            for attempt in (
                writer.commit,
                lambda: storage.mkdir("/10:30"),
                lambda: storage.make_link("/10:30", "elsewhere"),
            ):
                with pytest.raises(ExternalError) as caught:
                    attempt()
                assert (caught.value.reason, caught.value.retryable) == ("bad_name", False)
                assert "/10:30" in caught.value.message
            writer.discard()
            assert names(storage) == []

    def test_a_failure_that_is_not_the_name_s_may_heal(self, server: OddServer) -> None:
        making = (RENAME, RequestType.MKDIR, RequestType.EXTENDED)
        server.ask = lambda packet: packet.refused(4) if packet.kind in making else None

        with opened(server) as storage:
            writer = storage.write("/f", partial=PART)
            for attempt in (writer.commit, lambda: storage.mkdir("/d")):
                with refused("storage_error"):
                    attempt()
            writer.discard()
            assert names(storage) == []


class TestConnections:
    """Servers that allow few connections of an account."""

    @pytest.mark.parametrize("refusal", ["closed", "login"])
    def test_users_share_a_connection_where_the_server_allows_one(self, server: OddServer, refusal: str) -> None:
        server.max_connections, server.refusal = 1, refusal

        with ExitStack() as stack:
            storages = [stack.enter_context(opened(server)) for _ in range(5)]
            for number, storage in enumerate(storages):
                put(storage, f"/f{number}", b"x" * number, partial=PART.replace("-1-1", f"-{number}-1"))
            assert [len(names(storage)) for storage in storages] == [5] * 5

        assert server.logins == 1

    def test_several_threads_find_the_one_connection_at_once(self, server: OddServer) -> None:
        server.max_connections = 1

        def copy(number: int) -> bytes:
            with opened(server) as storage:
                put(storage, f"/f{number}", b"x" * 100_000, partial=PART.replace("-1-1", f"-{number}-1"))
                return get(storage, f"/f{number}")

        with ThreadPoolExecutor(6) as threads:
            assert set(threads.map(copy, range(12))) == {b"x" * 100_000}

        assert len(list(server.files.iterdir())) == 12

    def test_a_server_that_ends_the_older_connection_is_not_asked_for_more_again_and_again(
        self, server: OddServer
    ) -> None:
        server.max_connections, server.refusal = 1, "kicks"
        with ExitStack() as stack:
            storages = [stack.enter_context(opened(server)) for _ in range(3)]
            for storage in storages:
                assert names(storage) == []  # each ends the one before
            for storage in storages:
                with suppress(ExternalError):
                    names(storage)
            logins = server.logins
            for storage in storages * 3:
                assert names(storage) == []

        assert server.logins == logins

    def test_a_limited_account_leaves_no_connection_idle(self, server: OddServer) -> None:
        server.max_connections = 1
        with opened(server) as one, opened(server) as other:
            assert names(one) == names(other) == []

        assert _comes_true(lambda: server.living() == 0)

    def test_an_idle_connection_is_given_back_when_another_one_is_refused(self, server: OddServer) -> None:
        server.max_connections = 1
        with opened(server) as storage:
            names(storage)
        assert server.living() == 1

        with opened(server, password=None, private_key=server.private_key) as storage:
            server.proofs = ("publickey",)
            assert names(storage) == []

    def test_collections_of_one_account_share_their_connections(self, server: OddServer) -> None:
        (server.files / "d").mkdir()
        with opened(server) as storage:
            names(storage)
        with opened(server, root=f"{server.files}/d") as storage:
            names(storage)

        assert server.logins == 1

    def test_a_shared_connection_that_is_lost_is_replaced(self, server: OddServer) -> None:
        server.max_connections = 1
        with opened(server) as one, opened(server) as other:
            assert names(one) == names(other) == []
            server.connections[0].close()
            for storage in (one, other):
                with suppress(ExternalError):
                    names(storage)
            assert names(one) == names(other) == []

    def test_a_user_who_stops_in_the_middle_of_a_file_ends_the_shared_connection(self, server: OddServer) -> None:
        server.max_connections = 1
        with opened(server) as one:
            other = opened(server)
            names(one)
            writer = other.write("/f", partial=PART)
            writer.write(b"x" * 100_000)
            other.close()

            with refused("connection_error"):
                writer.commit()
            writer.discard()
            assert names(one) == [PART]

    def test_a_wrong_password_is_tried_once(self, server: OddServer) -> None:
        with opened(server) as storage:
            names(storage)
        tried = len(server.connections)

        with opened(server, password="wrong") as storage, refused("login_failed"):
            names(storage)

        assert len(server.connections) == tried + 1

    def test_a_limit_is_believed_for_a_while_only(self) -> None:
        moment, allowed = [0.0], [1]
        pool = SessionPool(clock=lambda: moment[0], wait=lambda seconds: None)
        sessions: list[Any] = []

        def log_in() -> Any:
            if len(sessions) == allowed[0]:
                raise ExternalError("No more.", retryable=True, reason="connection_error")
            sessions.append(SimpleNamespace(is_lost=False, is_busy=False, end=lambda: None))
            return sessions[-1]

        first = pool.acquire("server key", log_in)
        assert pool.acquire("server key", log_in) is first
        allowed[0] = 2
        assert pool.acquire("server key", log_in) is first
        moment[0] = 1000.0

        assert pool.acquire("server key", log_in) is sessions[1]


class TestProofs:
    @pytest.mark.parametrize(
        "proofs", [("publickey", "password"), ("password", "publickey"), ("publickey",), ("password",)]
    )
    def test_a_key_and_a_password_open_every_door_in_any_order(self, server: OddServer, proofs: Any) -> None:
        server.proofs = proofs

        with opened(server, private_key=server.private_key) as storage:
            assert names(storage) == []

    def test_what_is_also_required_is_named(self, server: OddServer) -> None:
        server.proofs = ("publickey", "password")

        with opened(server, password=None, private_key=server.private_key) as storage, _fault() as caught:
            names(storage)

        assert caught.value.reason == "login_failed"
        assert "accepted the key of owner and also requires: password." in caught.value.message

    def test_a_wrong_one_of_two_is_final(self, server: OddServer) -> None:
        server.proofs = ("publickey", "password")

        with opened(server, private_key=server.private_key, password="wrong") as storage, _fault() as caught:
            names(storage)

        assert (caught.value.reason, caught.value.retryable) == ("login_failed", False)
        assert "wrong user name or key or password" in caught.value.message


class TestJumpHost:
    @pytest.fixture
    def jump(self, tmp_path: Path) -> Iterator[OddServer]:
        (tmp_path / "jump").mkdir()
        with odd_server(tmp_path / "jump") as running:
            yield running

    def through(self, server: OddServer, jump: OddServer, **changes: Any) -> SftpStorage:
        on_the_way = {f"jump_{name}": value for name, value in jump.parameters().items() if name != "root"}
        return opened(server, **(on_the_way | changes))

    def test_files_go_through_the_jump_host_to_a_name_that_only_it_knows(
        self, server: OddServer, jump: OddServer
    ) -> None:
        with self.through(server, jump, host="files.inside") as storage:
            put(storage, "/f", b"x" * 300_000)
            assert get(storage, "/f") == b"x" * 300_000

        assert jump.forwarded == [("files.inside", server.port)]
        assert (server.logins, jump.logins) == (1, 1)

    def test_the_jump_host_has_its_own_host_key_and_password(self, server: OddServer, jump: OddServer) -> None:
        for changes, reason in (
            ({"jump_host_key": server.parameters()["host_key"]}, "host_key_refused"),
            ({"jump_password": "wrong"}, "login_failed"),
            ({"host_key": jump.parameters()["host_key"]}, "host_key_refused"),
        ):
            with self.through(server, jump, **changes) as storage, refused(reason):
                names(storage)

    def test_what_the_jump_host_does_not_allow_is_final(self, server: OddServer, jump: OddServer) -> None:
        with self.through(server, jump, host="forbidden.example") as storage, _fault() as caught:
            names(storage)

        assert (caught.value.reason, caught.value.retryable) == ("target_refused", False)
        assert "does not let owner go on to forbidden.example" in caught.value.message

    def test_the_jump_host_is_a_target_like_any_other_one(
        self, server: OddServer, jump: OddServer, settings: Any
    ) -> None:
        storage = self.through(server, jump, host="files.inside")
        settings.TIMERS_WEBHOOK_NETWORKS = ()

        with storage, refused("target_refused"):
            names(storage)
        with pytest.raises(Invalid) as caught:
            self.through(server, jump, host="10.0.0.1")
        assert list(caught.value.fields) == ["jump_host"]

    def test_closing_ends_both_connections(self, server: OddServer, jump: OddServer) -> None:
        with self.through(server, jump) as storage:
            names(storage)
        SESSIONS.clear()

        assert _comes_true(lambda: server.living() + jump.living() == 0)

    def test_fields_of_a_jump_host_belong_together(self, server: OddServer, jump: OddServer) -> None:
        with pytest.raises(Invalid) as caught:
            self.through(server, jump, jump_host=None, jump_port=22)
        assert sorted(caught.value.fields) == ["jump_host_key", "jump_password", "jump_username"]
        with pytest.raises(Invalid) as caught:
            self.through(server, jump, jump_password=None, jump_username=None, jump_host_key="x")
        assert sorted(caught.value.fields) == ["jump_host_key", "jump_password", "jump_username"]
        assert (
            SftpStorage.clean(server.parameters(jump_host="", jump_port=22), owner=None)[0]
            .keys()
            .isdisjoint({"jump_host", "jump_port"})
        )


class TestAlgorithms:
    @pytest.mark.parametrize(("kind", "name"), [("ciphers", "aes256-cbc"), ("digests", "hmac-sha1")])
    def test_a_server_with_old_algorithms_only_is_refused_until_an_administrator_opens_them(
        self, server: OddServer, kind: str, name: str
    ) -> None:
        server.configure = lambda transport: setattr(transport.get_security_options(), kind, [name])

        with opened(server) as storage, _fault() as caught:
            names(storage)

        assert (caught.value.reason, caught.value.retryable) == ("unsupported", False)
        for words in (f"It offers {name};", "accepted are", f"An administrator can open {name} for this collection."):
            assert words in caught.value.message
        administrator = SimpleNamespace(is_staff=True)
        parameters = server.parameters(algorithms=f"{name}, 3des-cbc {name}")
        public, secrets = SftpStorage.clean(parameters, owner=administrator)
        assert public["algorithms"] == f"{name} 3des-cbc"
        with SftpStorage(public, secrets) as storage:
            assert names(storage) == []

    def test_only_administrators_open_algorithms_and_only_known_ones(self, server: OddServer) -> None:
        for owner, algorithms, words in (
            (SimpleNamespace(is_staff=False), "hmac-sha1", "Only administrators"),
            (SimpleNamespace(is_staff=True), "none", "none cannot be opened"),
        ):
            with pytest.raises(Invalid) as caught:
                SftpStorage.clean(server.parameters(algorithms=algorithms), owner=owner)
            assert words in caught.value.fields["algorithms"][0]


def _fault() -> Any:
    return pytest.raises(ExternalError)


def _comes_true(condition: Callable[[], bool]) -> bool:
    """Wait for the server to notice something, at most ten seconds."""
    until = time.monotonic() + 10
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()
