"""Files of OpenSSH, the server that people have: the contract, rights, and what happens with requests switched off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from tests.contracts.storage import PART, StorageContract, get, names, put
from tests.storages.openssh_server import OpenSsh, openssh
from timers.errors import ExternalError
from timers.storages.base import Permissions, Storage
from timers.storages.sftp import SftpStorage
from timers.storages.sftp.pool import SESSIONS
from timers.targets import parse_networks

TIME_NS = 1_700_000_000 * 10**9


@pytest.fixture(autouse=True)
def allowed(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")


@pytest.fixture(autouse=True)
def nobody_stays_logged_in() -> Iterator[None]:
    yield
    SESSIONS.clear()


@pytest.fixture(scope="module")
def running() -> Iterator[OpenSsh]:
    with openssh() as server:
        yield server


@pytest.fixture
def server(running: OpenSsh, tmp_path: Path) -> OpenSsh:
    """The server, with files of this test's own."""
    return placed(running, tmp_path.name)


@pytest.fixture
def storage(server: OpenSsh) -> Iterator[SftpStorage]:
    with opened(server) as found:
        yield found


def opened(server: OpenSsh, **changes: Any) -> SftpStorage:
    return SftpStorage(*SftpStorage.clean(server.parameters(**changes), owner=None))


def refused(reason: str) -> Any:
    return pytest.raises(ExternalError, check=lambda error: error.reason == reason)


class TestOpenSshStorage(StorageContract):
    time_step_ns = 1_000_000_000

    @pytest.fixture
    def storage(self, server: OpenSsh) -> Iterator[Storage]:
        with opened(server) as found:
            yield found


class TestWithoutReplacingRequests(StorageContract):
    """The contract where a file cannot be replaced, synced or measured in one step."""

    time_step_ns = 1_000_000_000

    @pytest.fixture
    def storage(self, limited: OpenSsh, tmp_path: Path) -> Iterator[Storage]:
        with opened(placed(limited, tmp_path.name)) as found:
            yield found


@pytest.fixture(scope="module")
def limited() -> Iterator[OpenSsh]:
    with openssh(sftp="internal-sftp -P posix-rename,fsync,statvfs,limits") as server:
        yield server


def test_many_names_are_listed(storage: SftpStorage, server: OpenSsh) -> None:
    for number in range(10_000):
        (server.files / f"{number:05}").touch()

    assert names(storage) == [f"{number:05}" for number in range(10_000)]


def test_names_that_are_no_text_survive_with_their_bytes(storage: SftpStorage, server: OpenSsh) -> None:
    put(storage, "/ma\udcf1ana", b"1")
    storage.mkdir("/d\udcff")
    put(storage, "/d\udcff/\udcfe", b"2")

    assert sorted(os.fsencode(path.name) for path in server.files.iterdir()) == [b"d\xff", b"ma\xf1ana"]
    assert get(storage, "/d\udcff/\udcfe") == b"2"


def test_times_that_the_protocol_cannot_hold_are_clamped_and_told(storage: SftpStorage) -> None:
    for given, kept, not_kept in (
        (-1, 0, ["times"]),
        (-(2**62), 0, ["times"]),
        (2**33 * 10**9, 2**32 - 1, ["times"]),
        (TIME_NS + 999, TIME_NS // 10**9, []),
        ((2**32 - 1) * 10**9, 2**32 - 1, []),
    ):
        writer = storage.write("/f", partial=PART)
        writer.commit(modified_ns=given)

        assert storage.stat("/f").modified_ns == kept * 10**9
        assert writer.not_kept == not_kept
        assert storage.set_attributes("/f", modified_ns=given) == not_kept


class Masked(NamedTuple):
    """A server with a umask."""

    server: OpenSsh
    umask: int


@pytest.fixture(scope="module", params=["022", "077", "002"])
def masked(request: Any) -> Iterator[Masked]:
    with openssh(sftp=f"internal-sftp -u {request.param}") as server:
        yield Masked(server, int(request.param, 8))


class TestRights:
    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o755, 0o777, 0o444, 0o4755])
    def test_a_new_file_has_the_mode_of_its_source_cut_by_the_umask(
        self, masked: Masked, tmp_path: Path, mode: int
    ) -> None:
        cut = mode & 0o777 & ~masked.umask

        with opened(placed(masked.server, tmp_path.name)) as storage:
            written = write(storage, "/f", Permissions(mode))
            exact = write(storage, "/exact", Permissions(mode, exact=True))
            storage.mkdir("/d/e", permissions=Permissions(mode))

        assert (written, exact) == ([], [])
        assert modes(masked.server) == {"f": cut, "exact": mode & 0o777, "d": 0o777 & ~masked.umask}
        assert (masked.server.files / "d" / "e").stat().st_mode & 0o777 == cut | 0o700

    def test_a_file_without_a_mode_at_its_source_is_as_new_files_are(self, masked: Masked, tmp_path: Path) -> None:
        with opened(placed(masked.server, tmp_path.name)) as storage:
            assert write(storage, "/f", None) == []

        assert modes(masked.server) == {"f": 0o666 & ~masked.umask}

    @pytest.mark.parametrize("kept", [0o600, 0o640, 0o750, 0o666])
    def test_a_replaced_file_keeps_its_mode(
        self, storage: SftpStorage, limited: OpenSsh, server: OpenSsh, tmp_path: Path, kept: int
    ) -> None:
        with opened(placed(limited, tmp_path.name)) as other:
            for place, used in ((server, storage), (limited, other)):
                place.put("f", mode=kept)
                place.put("exact", mode=kept)

                assert write(used, "/f", Permissions(0o644)) == []
                assert write(used, "/exact", Permissions(0o644, exact=True)) == []

                assert modes(place) == {"f": kept, "exact": 0o644}
                assert used.stat("/f").mode == kept

    def test_nobody_reads_a_file_while_it_is_written(self, storage: SftpStorage, server: OpenSsh) -> None:
        server.put("f", mode=0o644)

        writer = storage.write("/f", partial=PART)
        writer.write(b"x" * 100_000)
        writer.sync()

        assert (server.files / PART).stat().st_mode & 0o777 == 0o600
        kept = writer.keep()
        again = storage.write("/f", partial=PART.replace("-1.part", "-2.part"), resume=kept)
        again.commit(permissions=Permissions(0o600))
        assert modes(server) == {"f": 0o644}

    def test_a_file_in_the_place_of_a_link_has_the_mode_of_its_source(
        self, storage: SftpStorage, server: OpenSsh
    ) -> None:
        (server.files / "f").symlink_to("elsewhere")

        write(storage, "/f", Permissions(0o640))

        assert modes(server) == {"f": 0o640}

    def test_modes_and_times_of_folders_and_files_can_be_set(self, storage: SftpStorage, server: OpenSsh) -> None:
        storage.mkdir("/d")
        put(storage, "/f", b"")
        (server.files / "way").symlink_to("f")

        for path in ("/d", "/f"):
            assert storage.set_attributes(path, modified_ns=TIME_NS, permissions=Permissions(0o2750, exact=True)) == []
            entry = storage.stat(path)
            assert (entry.mode, entry.modified_ns) == (0o750, TIME_NS)
        storage.set_attributes("/f", permissions=Permissions(0o666))
        assert storage.stat("/f").mode == 0o644
        with refused("path_outside"):
            storage.set_attributes("/way", modified_ns=TIME_NS)
        with refused("not_found"):
            storage.set_attributes("/no", modified_ns=TIME_NS)

    def test_finding_out_the_umask_leaves_nothing_and_is_done_once(self, storage: SftpStorage) -> None:
        write(storage, "/a", Permissions(0o644))
        last_id = storage._session._last_id
        write(storage, "/b", Permissions(0o644))

        # opening, looking at the target, syncing; setting, closing, renaming
        assert storage._session._last_id - last_id == 6
        assert names(storage) == ["a", "b"]


class TestRequestsSwitchedOff:
    def test_a_rename_that_is_not_allowed_never_costs_the_old_file(self, tmp_path: Path) -> None:
        with openssh(sftp="internal-sftp -P posix-rename,rename") as server, opened(server) as storage:
            server.put("data", b"OLD")
            writer = storage.write("/data", partial=PART)
            writer.write(b"NEW")

            with refused("permission_denied"):
                writer.commit()
            writer.discard()

            assert get(storage, "/data") == b"OLD"
            assert names(storage) == ["data"]

    def test_modes_and_times_that_cannot_be_set_are_told_and_the_file_is_in_place(self) -> None:
        with openssh(sftp="internal-sftp -P setstat,fsetstat") as server, opened(server) as storage:
            for name in ("/a", "/b"):
                writer = storage.write(name, partial=PART)
                writer.write(b"new")
                writer.commit(modified_ns=TIME_NS, permissions=Permissions(0o644))

                assert writer.not_kept == ["mode", "times"]
                assert get(storage, name) == b"new"
            assert modes(server) == {"a": 0o600, "b": 0o600}
            assert storage.set_attributes("/a", modified_ns=TIME_NS) == ["times"]
            assert storage.set_attributes("/a", permissions=Permissions(0o755)) == ["mode"]

    def test_a_read_only_server_is_read_and_says_why_it_is_not_written(self) -> None:
        with openssh(sftp="internal-sftp -R") as server, opened(server) as storage:
            server.put("f", b"1")

            assert get(storage, "/f") == b"1"
            for attempt in (
                lambda: storage.write("/g", partial=PART),
                lambda: storage.mkdir("/d"),
                lambda: storage.delete("/f"),
                lambda: storage.rename("/f", "/g"),
                lambda: storage.make_link("/way", "f"),
            ):
                with refused("permission_denied"):
                    attempt()

    def test_folders_without_rights_are_named(self, storage: SftpStorage, server: OpenSsh) -> None:
        storage.mkdir("/d")
        put(storage, "/d/f", b"1")
        storage.set_attributes("/d", permissions=Permissions(0o500, exact=True))

        for attempt in (lambda: storage.write("/d/f", partial=PART), lambda: storage.delete("/d/f")):
            with refused("permission_denied"):
                attempt()
        storage.set_attributes("/d", permissions=Permissions(0o000, exact=True))
        with refused("permission_denied"):
            names(storage, "/d")


@pytest.mark.parametrize("missing", ["", " -P hardlink"])
def test_an_old_version_is_kept_elsewhere_and_stays_where_the_server_can_link(tmp_path: Path, missing: str) -> None:
    with openssh(sftp=f"internal-sftp{missing}") as server, opened(server) as storage:
        server.put("f", b"OLD", mode=0o640)
        storage.mkdir("/kept")

        storage.set_aside("/f", "/kept/f")

        assert (server.files / "f").exists() == (not missing)
        assert get(storage, "/kept/f") == b"OLD"
        put(storage, "/f", b"NEW")
        assert (get(storage, "/kept/f"), get(storage, "/f")) == (b"OLD", b"NEW")
        with refused("already_exists"):
            storage.set_aside("/f", "/kept/f")
        with refused("not_found"):
            storage.set_aside("/no", "/kept/g")


class TestLinks:
    def test_a_link_on_the_way_is_named_with_what_it_leads_to(self, storage: SftpStorage, server: OpenSsh) -> None:
        storage.mkdir("/real/deep")
        (server.files / "now").symlink_to("real")

        for attempt in (
            lambda: storage.mkdir("/now"),
            lambda: storage.mkdir("/now/new"),
            lambda: list(storage.list("/now/deep")),
            lambda: storage.write("/now/f", partial=PART),
            lambda: storage.open("/now"),
            lambda: storage.stat("/now/deep/x"),
        ):
            with pytest.raises(ExternalError) as caught:
                attempt()
            assert caught.value.reason == "path_outside"
            assert caught.value.message == "/now is a symbolic link to real; links are never followed."


class TestConnecting:
    def test_one_connection_for_an_account_is_enough(self, server: OpenSsh) -> None:
        server.max_connections = 1
        try:
            with opened(server) as one, opened(server) as other:
                put(one, "/a", b"1")
                put(other, "/b", b"2")
                assert names(one) == names(other) == ["a", "b"]
        finally:
            server.max_connections = None

    def test_a_certificate_makes_a_server_known(self) -> None:
        with openssh(certified=True) as server:
            with opened(server) as storage:
                assert names(storage) == []
            authority = server.host_key.split()[2:]
            for pattern in ("*.example.org", "127.0.0.*,!127.0.0.1", "[127.0.0.1]:22"):
                with opened(server, host_key=" ".join(["@cert-authority", pattern, *authority])) as storage:
                    with pytest.raises(ExternalError) as caught:
                        names(storage)
                    assert caught.value.reason == "host_key_refused"
                    assert "not signed by an authority that is known for this host" in caught.value.message
            for pattern in ("127.0.0.1", f"[127.0.0.1]:{server.port}", "other,127.*"):
                with opened(server, host_key=" ".join(["@cert-authority", pattern, *authority])) as storage:
                    assert names(storage) == []

    @pytest.mark.parametrize(("line", "name"), [("Ciphers aes256-cbc", "aes256-cbc"), ("MACs hmac-sha1", "hmac-sha1")])
    def test_old_algorithms_work_once_an_administrator_opened_them(self, line: str, name: str) -> None:
        with openssh(configuration=[line]) as server:
            with opened(server) as storage, pytest.raises(ExternalError) as caught:
                names(storage)
            assert f"It offers {name}; accepted are" in caught.value.message
            administrator = SimpleNamespace(is_staff=True)
            cleaned = SftpStorage.clean(server.parameters(algorithms=name), owner=administrator)
            with SftpStorage(*cleaned) as storage:
                put(storage, "/f", b"x" * 100_000)
                assert get(storage, "/f") == b"x" * 100_000

    def test_a_jump_host_is_openssh_too(self, server: OpenSsh) -> None:
        with openssh() as inside:
            on_the_way = {f"jump_{name}": value for name, value in server.parameters().items() if name != "root"}
            with opened(inside, **on_the_way) as storage:
                put(storage, "/f", b"x" * 1_000_000)
                assert get(storage, "/f") == b"x" * 1_000_000
            assert inside.accepted == 1


def placed(server: OpenSsh, name: str) -> OpenSsh:
    """Give the server a new folder for the files of a test."""
    server.place = name
    if not server.files.exists():
        server.files.mkdir()
        server.own(server.files)
    return server


def write(storage: SftpStorage, path: str, permissions: Permissions | None) -> Any:
    """Write a file as the copier does, and return what was not kept of its mode."""
    writer = storage.write(path, partial=PART)
    storage.sync_all([writer])
    writer.commit(permissions=permissions)
    return writer.not_kept


def modes(server: OpenSsh) -> dict[str, int]:
    return {path.name: path.lstat().st_mode & 0o777 for path in server.files.iterdir()}
