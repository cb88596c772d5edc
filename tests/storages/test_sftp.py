"""Files of an SFTP server: the contract against a real one, who may be called, confinement, and what can go wrong."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests import loopback
from tests.contracts.storage import PART, StorageContract, get, names, put
from tests.storages.sftp_server import Server, serving
from timers.errors import ExternalError, Invalid
from timers.storages.base import Kind, PartialFile, Storage, Writer
from timers.storages.memory import MemoryStorage
from timers.storages.sftp import SftpStorage, keys
from timers.storages.sftp.faults import refusal_error
from timers.storages.sftp.files import SftpWriter
from timers.storages.sftp.login import fingerprint
from timers.storages.sftp.pool import SESSIONS, SessionPool
from timers.storages.sftp.wire import Refused, StatusCode
from timers.targets import parse_networks


@pytest.fixture(autouse=True)
def allowed(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")


@pytest.fixture(autouse=True)
def nobody_stays_logged_in() -> Iterator[None]:
    yield
    SESSIONS.clear()


@pytest.fixture
def server(sftp_running: Server, tmp_path: Path) -> Server:
    """The server, with files of this test's own."""
    running = sftp_running
    (running.folder / tmp_path.name).mkdir()
    return Server(running.folder, running.process, running.port, running.host_key, running.keys, tmp_path.name)


def opened(server: Server, **changes: Any) -> SftpStorage:
    """Return a storage with parameters that were checked as those of a new collection are."""
    return SftpStorage(*SftpStorage.clean(server.parameters(**changes), owner=None))


@pytest.fixture
def storage(server: Server) -> Iterator[SftpStorage]:
    with opened(server) as found:
        yield found


def locked_key() -> str:
    """Return a private key that "phrase" unlocks, soon."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    return key.export_private_key("openssh", "phrase", rounds=1, ignore_few_rounds=True).decode()


def refused(reason: str) -> Any:
    return pytest.raises(ExternalError, check=lambda error: error.reason == reason)


class TestSftpStorage(StorageContract):
    time_step_ns = 1_000_000_000

    @pytest.fixture
    def storage(self, server: Server) -> Iterator[Storage]:
        with opened(server) as found:
            yield found


class TestCleaning:
    def clean(self, server: Server, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return SftpStorage.clean(server.parameters(**changes), owner=None)

    def complaint(self, server: Server, field: str, **changes: Any) -> str:
        with pytest.raises(Invalid) as caught:
            self.clean(server, **changes)
        assert list(caught.value.fields) == [field]
        return caught.value.fields[field][0]

    def test_secrets_are_kept_apart(self, server: Server) -> None:
        public, secrets = self.clean(server, port=None, root=None)
        assert sorted(public) == ["host", "host_key", "port", "root", "username"]
        assert (public["port"], public["root"]) == (22, "/")
        assert list(secrets) == ["password"]

        key = locked_key()
        public, secrets = self.clean(server, password=None, private_key=key, passphrase="phrase")
        assert secrets == {"private_key": key, "passphrase": "phrase"}
        assert "phrase" not in str(public)

    @pytest.mark.parametrize(
        "host", ["", None, 7, "sftp://files.example", "me@files.example", "files.example:22", "a b", "10.0.0.1", "::1"]
    )
    def test_a_host_that_cannot_be_called_is_refused(self, server: Server, host: Any) -> None:
        self.complaint(server, "host", **{"host": "" if host is None else host})

    def test_this_machine_and_private_addresses_are_refused_unless_they_were_opened(
        self, server: Server, settings: Any
    ) -> None:
        settings.TIMERS_WEBHOOK_NETWORKS = ()
        for host in ("127.0.0.1", "localhost", "2130706433"):
            assert "not allowed here" in self.complaint(server, "host", host=host)

        settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("10.0.0.0/8")
        assert "metadata" in self.complaint(server, "host", host="169.254.169.254")
        assert self.clean(server, host="10.1.2.3")[0]["host"] == "10.1.2.3"
        assert self.clean(server, host="Files.Example.ORG")[0]["host"] == "files.example.org"

    @pytest.mark.parametrize("port", [0, 65536, "22", True, 2.5])
    def test_a_port_is_a_number_in_range(self, server: Server, port: Any) -> None:
        self.complaint(server, "port", port=port)

    @pytest.mark.parametrize("root", ["data", "~/data", "/a/../b", 7])
    def test_a_root_is_an_absolute_path(self, server: Server, root: Any) -> None:
        given = server.parameters() | {"root": root}

        with pytest.raises(Invalid) as caught:
            SftpStorage.clean(given, owner=None)

        assert list(caught.value.fields) == ["root"]

    def test_one_proof_is_needed_and_both_can_be_given(self, server: Server) -> None:
        self.complaint(server, "password", password=None)
        self.complaint(server, "passphrase", passphrase="x")

        both = self.clean(server, private_key=server.keys["ours"])[1]

        assert sorted(both) == ["password", "private_key"]

    @pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
    @pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
    def test_keys_of_the_usual_kinds_are_taken(self, server: Server, kind: str, form: str) -> None:
        key = asyncssh.generate_private_key(kind).export_private_key(form).decode()

        assert self.clean(server, password=None, private_key=key)[1] == {"private_key": key}

    def test_keys_that_cannot_be_used_are_named(self, server: Server) -> None:
        locked = locked_key()
        other = asyncssh.generate_private_key("ssh-dss").export_private_key("pkcs8-pem").decode()

        assert "passphrase is needed" in self.complaint(server, "passphrase", password=None, private_key=locked)
        self.complaint(server, "passphrase", password=None, private_key=locked, passphrase="wrong")
        self.complaint(server, "private_key", password=None, private_key="no key")
        self.complaint(server, "private_key", password=None, private_key=other)

    def test_a_host_key_is_read_from_what_people_paste(self, server: Server) -> None:
        key = " ".join(server.host_key.split()[:2])
        other = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode().strip()
        pasted = f"# files.example:22 SSH-2.0-x\n[files.example]:22 {key} a comment\n\n{other}\n"

        assert self.clean(server, host_key=key)[0]["host_key"] == key
        assert self.clean(server, host_key=f"|1|abc=|def= {key}")[0]["host_key"] == key
        assert self.clean(server, host_key=pasted)[0]["host_key"].splitlines()[0] == key
        assert len(self.clean(server, host_key=pasted)[0]["host_key"].splitlines()) == 2

    def test_an_authority_is_read_with_the_names_that_it_stands_for(self, server: Server) -> None:
        key = " ".join(server.host_key.split()[:2])
        pasted = f"@cert-authority *.example.org,!x.example.org {key} the authority\n{key}"

        read = self.clean(server, host_key=pasted)[0]["host_key"]

        assert read.splitlines() == [f"@cert-authority *.example.org,!x.example.org {key}", key]

    @pytest.mark.parametrize(
        "key",
        [
            "",
            None,
            "x",
            "ssh-ed25519 AAAA",
            "ssh-dss AAAA",
            "@revoked * ssh-ed25519 AAAA",
            "@cert-authority ssh-ed25519 AAAA",
            "@cert-authority |1|abc=|def= ssh-ed25519 AAAA",
        ],
    )
    def test_a_host_key_that_cannot_be_read_is_refused(self, server: Server, key: Any) -> None:
        with pytest.raises(Invalid) as caught:
            SftpStorage.clean(server.parameters() | {"host_key": key}, owner=None)

        assert list(caught.value.fields) == ["host_key"]

    def test_unknown_parameters_are_named(self, server: Server) -> None:
        self.complaint(server, "bucket", bucket="x")


class TestLoggingIn:
    def test_a_key_opens_the_door_too(self, server: Server) -> None:
        with opened(server, password=None, private_key=server.keys["ours"]) as storage:
            assert names(storage) == []

    @pytest.mark.parametrize("kind", ["ecdsa-sha2-nistp256", "ssh-rsa"])
    def test_a_key_of_any_kind_is_a_proof(self, kind: str) -> None:
        key = asyncssh.generate_private_key(kind)

        used = keys.for_login(key.export_private_key("pkcs8-pem").decode(), None)

        assert used.asbytes() == key.public_data

    def test_an_unknown_host_key_is_refused_before_anything_is_proved(self, server: Server) -> None:
        other = asyncssh.generate_private_key("ssh-ed25519")
        before = server.logins()

        with opened(server, host_key=other.export_public_key().decode()) as storage, pytest.raises(ExternalError) as no:
            storage.stat("/")

        assert (no.value.reason, no.value.retryable) == ("host_key_refused", False)
        shown = asyncssh.import_public_key(server.host_key)
        assert shown.get_fingerprint() in no.value.message
        assert fingerprint(other.public_data) == other.get_fingerprint()
        assert other.get_fingerprint() in no.value.message
        assert server.logins() == before

    def test_a_key_of_a_kind_that_the_server_does_not_have_is_refused_as_unknown(self, server: Server) -> None:
        other = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()

        with opened(server, host_key=other) as storage, refused("host_key_refused"):
            storage.stat("/")

    def test_a_wrong_password_is_final(self, server: Server) -> None:
        with opened(server, password="wrong") as storage, pytest.raises(ExternalError) as caught:
            storage.stat("/")

        assert (caught.value.reason, caught.value.retryable) == ("login_failed", False)
        assert "owner" in caught.value.message
        assert "127.0.0.1" in caught.value.message

    def test_a_wrong_key_is_final(self, server: Server) -> None:
        with opened(server, password=None, private_key=server.keys["theirs"]) as storage, refused("login_failed"):
            storage.stat("/")

    def test_a_server_that_is_down_may_come_back(self, server: Server) -> None:
        port = loopback.free_port()

        with opened(server, port=port) as storage, pytest.raises(ExternalError) as caught:
            storage.stat("/")

        assert (caught.value.reason, caught.value.retryable) == ("connection_error", True)
        assert f"127.0.0.1:{port}" in caught.value.message

    def test_a_server_that_speaks_something_else_is_no_way_in(self, server: Server) -> None:
        with (
            loopback.scripted(loopback.says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), reads=False) as other,
            opened(server, port=other.port) as storage,
            refused("connection_error"),
        ):
            storage.stat("/")

    def test_networks_that_are_not_open_are_not_called(self, server: Server, settings: Any) -> None:
        storage = opened(server)
        settings.TIMERS_WEBHOOK_NETWORKS = ()

        with storage, refused("target_refused"):
            storage.stat("/")

    def test_making_a_storage_calls_nobody(self, server: Server) -> None:
        storage = opened(server, port=loopback.free_port(), root="/data/x")

        assert storage.address()[:2] == ("sftp", "127.0.0.1")
        assert storage.address()[-2:] == ("data", "x")
        storage.close()


class TestSessions:
    def test_the_next_storage_needs_no_login(self, server: Server) -> None:
        before = server.logins()

        for _ in range(3):
            with opened(server) as storage:
                names(storage)

        assert server.logins() == before + 1

    def test_two_storages_at_once_have_a_session_each(self, server: Server) -> None:
        before = server.logins()

        with opened(server) as one, opened(server) as other:
            assert names(one) == names(other) == []

        assert server.logins() == before + 2

    def test_a_session_with_files_open_is_not_handed_on(self, server: Server) -> None:
        before = server.logins()
        with opened(server) as storage:
            storage.write("/f", partial=PART)

        with opened(server) as storage:
            names(storage)

        assert server.logins() == before + 2

    def test_other_secrets_need_another_login(self, server: Server) -> None:
        with opened(server) as storage:
            names(storage)

        with opened(server, password="wrong") as storage, refused("login_failed"):
            names(storage)

    def test_idle_sessions_are_closed(self) -> None:
        moment = [0.0]
        pool = SessionPool(max_idle_seconds=10, max_sessions=2, clock=lambda: moment[0])
        sessions = [_Session() for _ in range(3)]
        for session in sessions:
            pool.release("key", session)  # type: ignore[arg-type]
        assert [session.ended for session in sessions] == [True, False, False]

        moment[0] = 9.0
        assert pool.acquire("key", _nobody) is sessions[2]
        pool.release("key", sessions[2])  # type: ignore[arg-type]
        moment[0] = 10.0
        pool.close_idle()

        assert [session.ended for session in sessions] == [True, True, False]
        pool.clear()
        assert sessions[2].ended

    def test_a_session_that_rested_is_asked_whether_it_lives(self) -> None:
        moment = [0.0]
        pool = SessionPool(clock=lambda: moment[0])
        dead, fresh = _Session(alive=False), _Session()
        pool.release("key", dead)  # type: ignore[arg-type]
        moment[0] = 5.0

        assert pool.acquire("key", lambda: fresh) is fresh  # type: ignore[arg-type,return-value]
        assert dead.ended

    def test_a_child_process_leaves_the_sessions_to_its_parent(self, server: Server) -> None:
        before = server.logins()
        with opened(server) as storage:
            names(storage)
        child = os.fork()
        if not child:
            os._exit(0 if SESSIONS._pop(storage._key) is None else 1)

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with opened(server) as storage:
            names(storage)
        assert server.logins() == before + 1

    def test_a_server_that_dies_is_told_and_the_next_storage_finds_the_new_one(self, tmp_path: Path) -> None:
        with serving(tmp_path) as server:
            storage = opened(server)
            writer = storage.write("/f", partial=PART)
            writer.write(b"x" * 100_000)
            server.kill()

            with pytest.raises(ExternalError) as caught:
                for _ in range(1000):
                    writer.write(b"x" * 100_000)

            assert (caught.value.reason, caught.value.retryable) == ("connection_error", True)
            writer.discard()
            with refused("connection_error"):
                storage.stat("/")
            with serving(tmp_path, port=server.port):
                assert names(storage) == [PART]
                storage.close()
                with opened(server) as again:
                    put(again, "/f", b"whole", partial=PART.replace("-1.part", "-2.part"))
                    assert get(again, "/f") == b"whole"

    def test_closing_frees_a_thread_that_waits_too_long(self, server: Server) -> None:
        storage, met = opened(server), []
        names(storage)
        stuck = storage._session

        def wait() -> None:
            with pytest.raises(ExternalError) as caught:
                stuck._wait_for_answer(stuck._last_id + 1)
            met.append(caught.value.reason)

        stuck._pending.add(stuck._last_id + 1)
        thread = threading.Thread(target=wait)
        thread.start()
        storage.close()
        thread.join(10)

        assert met == ["connection_error"]
        with refused("connection_error"):
            storage.stat("/")


class _Session:
    """What a pool asks of a session."""

    is_lost = is_busy = False

    def __init__(self, *, alive: bool = True) -> None:
        self.ended, self._alive = False, alive

    def is_alive(self) -> bool:
        return self._alive

    def end(self) -> None:
        self.ended = True


def _nobody() -> Any:
    raise AssertionError("nobody was to log in")


class TestConfinement:
    @pytest.fixture
    def outside(self, server: Server) -> Path:
        folder = server.folder / f"{server.place}-outside"
        folder.mkdir()
        (folder / "secret").write_text("nobody's business")
        return folder

    def test_a_link_to_a_folder_leads_nowhere(self, storage: SftpStorage, server: Server, outside: Path) -> None:
        (server.files / "way").symlink_to(outside)
        put(storage, "/mine", b"")

        for attempt in (
            lambda: storage.open("/way/secret"),
            lambda: storage.stat("/way/secret"),
            lambda: list(storage.list("/way")),
            lambda: storage.write("/way/new", partial=PART),
            lambda: storage.mkdir("/way"),
            lambda: storage.mkdir("/way/new"),
            lambda: storage.delete("/way/secret"),
            lambda: storage.rename("/way/secret", "/other"),
            lambda: storage.rename("/mine", "/way/mine"),
            lambda: storage.read_link("/way/secret"),
            lambda: storage.make_link("/way/new", "x"),
        ):
            with refused("path_outside"):
                attempt()
        assert sorted(path.name for path in outside.iterdir()) == ["secret"]

    def test_a_link_to_a_file_is_never_opened_and_never_written_through(
        self, storage: SftpStorage, server: Server, outside: Path
    ) -> None:
        (server.files / "f").symlink_to(outside / "secret")

        assert [entry.kind for entry in storage.list("/")] == [Kind.SYMLINK]
        with refused("path_outside"):
            storage.open("/f")
        put(storage, "/f", b"mine")

        assert (outside / "secret").read_text() == "nobody's business"
        assert not (server.files / "f").is_symlink()

    def test_a_link_inside_the_root_is_not_followed_either(self, storage: SftpStorage, server: Server) -> None:
        (server.files / "real").mkdir()
        (server.files / "alias").symlink_to("real")

        with refused("path_outside"):
            list(storage.list("/alias"))

    def test_a_planted_part_is_not_written_through(self, storage: SftpStorage, server: Server, outside: Path) -> None:
        (server.files / PART).symlink_to(outside / "secret")

        with refused("already_exists"):
            storage.write("/f", partial=PART)
        with refused("not_found"):
            storage.write("/f", partial="other", resume=PartialFile(PART, 3))
        assert (outside / "secret").read_text() == "nobody's business"

    def test_a_root_that_is_a_link_is_what_was_asked_for(self, server: Server, outside: Path) -> None:
        (server.files / "root").symlink_to(outside)

        with opened(server, root=f"/{server.place}/root") as storage:
            assert names(storage) == ["secret"]
            assert get(storage, "/secret") == b"nobody's business"

    def test_a_pipe_is_no_file_and_does_not_block(self, storage: SftpStorage, server: Server) -> None:
        os.mkfifo(server.files / "pipe")

        assert storage.stat("/pipe").kind is Kind.OTHER
        with refused("not_a_file"):
            storage.open("/pipe")

    def test_the_root_itself_is_never_deleted(self, storage: SftpStorage) -> None:
        with refused("permission_denied"):
            storage.delete("/")

    def test_the_whole_server_can_be_a_collection(self, server: Server) -> None:
        with opened(server, root=None) as storage:
            put(storage, f"{server.files}/f", b"deep")

            assert storage.address()[3:] == ()
            assert storage.stat("/").kind is Kind.DIR
            assert server.folder.parts[1] in names(storage)
            assert get(storage, f"{server.files}/f") == b"deep"

    def test_a_root_that_is_missing_is_named_and_not_made(self, server: Server) -> None:
        with opened(server, root="/nowhere") as storage:
            for attempt in (lambda: names(storage), lambda: storage.mkdir("/"), lambda: storage.mkdir("/a/b")):
                with refused("not_found"):
                    attempt()


class TestFiles:
    def test_a_large_file_goes_there_and_back_and_on_from_the_middle(
        self, storage: SftpStorage, server: Server
    ) -> None:
        data = os.urandom(1_000_003) * 17
        writer = storage.write("/f", partial=PART)
        writer.write(data[:9_000_001])
        kept = writer.keep()

        again = storage.write(
            "/f", partial=PART.replace("-1.part", "-2.part"), resume=PartialFile(kept.name, 8_000_000)
        )
        again.write(memoryview(data)[8_000_000:])
        with again.read_back(7_999_999) as back:
            assert back.read(len(data)) == data[7_999_999:]
        again.sync()
        again.commit()

        assert (server.files / "f").read_bytes() == data
        assert get(storage, "/f", offset=5_000_000) == data[5_000_000:]

    def test_another_thread_reads_back_what_is_being_written(self, storage: SftpStorage) -> None:
        data, read = os.urandom(64 * 1024), []
        writer = storage.write("/f", partial=PART)
        back = writer.read_back(0)

        def echo() -> None:
            while sum(map(len, read)) < 100 * len(data):
                read.append(back.read(300_000))

        thread = threading.Thread(target=echo)
        thread.start()
        for _ in range(100):
            writer.write(data)
        thread.join(20)
        back.close()
        writer.commit()

        assert b"".join(read) == data * 100

    def test_a_file_that_grows_or_shrinks_while_it_is_read_is_told_as_it_is(
        self, storage: SftpStorage, server: Server
    ) -> None:
        (server.files / "f").write_bytes(b"x" * 1_000_000)
        with storage.open("/f") as reader:
            assert len(reader.read(10)) == 10
            os.truncate(server.files / "f", 600_000)
            while reader.read(100_000):
                pass
            assert 600_000 <= reader.position < 1_000_000
            assert reader.stat().size == 600_000
        with storage.open("/f") as reader:
            reader.read(600_000)
            with (server.files / "f").open("ab") as file:
                file.write(b"more")
            assert reader.read(100) == b"more"
            assert reader.read(100) == b""

    def test_several_files_are_written_at_once_and_sealed_together(self, storage: SftpStorage) -> None:
        writers = [storage.write(f"/f{number}", partial=PART.replace("-1-1", f"-{number}-1")) for number in range(40)]
        for writer in writers:
            writer.write(b"x" * 1000)

        storage.sync_all(writers)
        for writer in writers:
            writer.commit(modified_ns=1_700_000_000_000_000_000)

        assert {(entry.size, entry.modified_ns) for entry in storage.list("/")} == {(1000, 1_700_000_000 * 10**9)}

    def test_it_takes_from_another_kind_of_storage(self, storage: SftpStorage, server: Server) -> None:
        memory = MemoryStorage({"name": "beside-sftp"}, {})
        put(memory, "/f", b"from memory" * 50_000)

        with memory.open("/f") as reader:
            writer = storage.write("/f", partial=PART)
            while writer.copy_from(reader, 1 << 20):
                pass
            writer.commit()

        assert (server.files / "f").read_bytes() == b"from memory" * 50_000

    def test_a_whole_file_that_was_looked_back_at_needs_no_further_question_to_be_sealed(
        self, storage: SftpStorage, server: Server
    ) -> None:
        writer = _taken(storage, b"small")
        last_id = storage._session._last_id

        storage.sync_all([writer])

        assert storage._session._last_id == last_id
        writer.commit()
        assert (server.files / "f").read_bytes() == b"small"
        assert not storage._session.is_busy

    @pytest.mark.parametrize("end", ["commit", "discard"])
    def test_a_seal_that_nobody_waits_for_leaves_nothing_open(self, storage: SftpStorage, end: str) -> None:
        getattr(_taken(storage, b"small"), end)()

        assert storage.stat("/").kind is Kind.DIR
        assert not storage._session.is_busy

    def test_names_that_are_no_text_survive(self, storage: SftpStorage, server: Server) -> None:
        Path(os.fsdecode(bytes(server.files) + b"/\xff\xfe")).write_bytes(b"odd")

        (name,) = names(storage)
        assert get(storage, f"/{name}") == b"odd"
        storage.delete(f"/{name}")

        assert names(storage) == []

    def test_a_folder_with_many_names_is_listed(self, storage: SftpStorage, server: Server) -> None:
        for number in range(1000):
            (server.files / f"n{number}").touch()

        assert len(names(storage)) == 1000

    @pytest.mark.parametrize("missing", [b"posix-rename@openssh.com", b"fsync@openssh.com"])
    def test_a_server_that_knows_less_still_gets_whole_files(
        self, storage: SftpStorage, missing: bytes, server: Server
    ) -> None:
        del storage._session.extensions[missing]
        storage.mkdir("/d")
        put(storage, "/f", b"old")

        put(storage, "/f", b"new", modified_ns=1_700_000_000_000_000_000)
        writer = storage.write("/d", partial=PART)
        with refused("not_a_file"):
            writer.commit()
        writer.discard()

        assert get(storage, "/f") == b"new"
        assert names(storage) == ["d", "f"]
        storage.close()

    def test_a_store_that_cannot_be_read_while_it_is_written_is_read_by_its_name(self, storage: SftpStorage) -> None:
        writer = storage.write("/f", partial=PART)
        assert isinstance(writer, SftpWriter)
        writer._readable = False
        writer.write(b"0123456789")

        with writer.read_back(3) as back:
            assert back.read(100) == b"3456789"
        writer.commit()

        assert get(storage, "/f") == b"0123456789"
        assert not storage._session.handles


def _taken(storage: SftpStorage, data: bytes) -> Writer:
    """Return a writer that took all of a file and was looked back at."""
    memory = MemoryStorage({"name": "looked-back-at"}, {})
    put(memory, "/f", data)
    with memory.open("/f") as reader:
        writer = storage.write("/f", partial=PART)
        writer.copy_from(reader, 1 << 20)
        with writer.read_back(0) as back:
            assert back.read(len(data)) == data
    return writer


class TestRefusals:
    def test_missing_rights_are_named_and_final(self, storage: SftpStorage, server: Server) -> None:
        (server.files / "forbidden").touch()

        with pytest.raises(ExternalError) as caught:
            storage.open("/forbidden")

        assert (caught.value.reason, caught.value.retryable) == ("permission_denied", False)
        assert "/forbidden" in caught.value.message

    def test_a_full_disk_is_named_may_heal_and_leaves_nothing(self, storage: SftpStorage, server: Server) -> None:
        writer = storage.write("/f", partial="full")
        writer.write(b"x" * 1000)

        with pytest.raises(ExternalError) as caught:
            storage.sync_all([writer])

        assert (caught.value.reason, caught.value.retryable) == ("no_space", True)
        assert "/f" in caught.value.message
        writer.discard()
        assert names(storage) == []

    def test_a_full_disk_is_named_to_who_looks_back_too(self, storage: SftpStorage, server: Server) -> None:
        writer = storage.write("/f", partial="full")
        writer.write(b"x" * 1000)

        with writer.read_back(0) as back, refused("no_space"):
            back.read(1000)

        writer.discard()
        assert names(storage) == []

    def test_a_write_that_failed_is_never_moved_into_place(self, storage: SftpStorage, server: Server) -> None:
        writer = storage.write("/f", partial="failing")
        writer.write(b"x")

        with refused("storage_error"):
            writer.commit()

        writer.discard()
        assert names(storage) == []

    def test_a_failure_without_a_reason_is_a_full_disk_if_the_disk_is_full(self, server: Server) -> None:
        with opened(server, root=f"/{server.place}/no-room") as storage:
            (server.files / "no-room").mkdir()
            writer = storage.write("/f", partial="failing")
            writer.write(b"x")

            with refused("no_space"):
                writer.sync()
            writer.discard()

    def test_a_name_that_is_too_long_is_named(self, storage: SftpStorage) -> None:
        with refused("name_too_long"):
            storage.mkdir("/" + "x" * 300)

    @pytest.mark.parametrize(
        ("code", "text", "reason"),
        [
            (StatusCode.NO_SUCH_FILE, "No such file", "not_found"),
            (StatusCode.PERMISSION_DENIED, "", "permission_denied"),
            (StatusCode.FAILURE, "Disk quota exceeded", "quota"),
            (StatusCode.FAILURE, "user is over quota", "quota"),
            (StatusCode.FAILURE, "No space left on device.", "no_space"),
            (StatusCode.FAILURE, "Read-only file system", "permission_denied"),
            (StatusCode.FAILURE, "Failure", "storage_error"),
            (StatusCode.FAILURE, "\x00\x1b[31mred", "storage_error"),
            (StatusCode.OP_UNSUPPORTED, "", "unsupported"),
            (StatusCode.CONNECTION_LOST, "", "connection_error"),
            (StatusCode.BAD_MESSAGE, "", "storage_error"),
            (14, "", "no_space"),
            (11, "", "already_exists"),
            (99, "", "storage_error"),
        ],
    )
    def test_every_refusal_has_a_meaning(self, code: int, text: str, reason: str) -> None:
        error = refusal_error(Refused(code, text), "/a/b")

        assert error.reason == reason
        assert "/a/b" in error.message
        assert error.message.isprintable()
