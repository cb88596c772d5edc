"""Testing collections: what can be read and written, how fast, why not, and that nothing is left behind."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.factories import make_collection
from tests.loopback import free_port
from tests.storages.openssh_server import openssh
from tests.storages.s3_server import KEYS, S3Server
from tests.storages.sftp_server import PASSWORD, Server
from timers.models import Collection, Event
from timers.services.collections import checks
from timers.services.collections import commands as collections
from timers.services.collections.checks import CollectionHealth
from timers.storages.base import partial_name
from timers.storages.sftp.login import fingerprint
from timers.storages.sftp.pool import SESSIONS
from timers.targets import parse_networks

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def allowed(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    yield
    SESSIONS.clear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    folder.mkdir()
    return folder


@pytest.fixture
def create(owner: Any, now: Any) -> Callable[..., Collection]:
    def _create(storage: dict[str, Any], **fields: Any) -> Collection:
        return collections.create(owner=owner, fields={"display_name": "Far", "storage": storage, **fields}, now=now)

    return _create


@pytest.fixture
def check(owner: Any, now: Any) -> Callable[..., CollectionHealth]:
    """Test a collection by a clock that shows a millisecond more each time, however busy this machine is."""
    seconds = itertools.count(0, 0.001)

    def _check(collection: Collection, monotonic: Callable[[], float] = lambda: next(seconds)) -> CollectionHealth:
        return checks.test(collection, by=owner, now=now, monotonic=monotonic)

    return _check


@pytest.fixture
def server(sftp_running: Server, tmp_path: Path) -> Server:
    (sftp_running.folder / tmp_path.name).mkdir()
    shared = sftp_running
    return Server(shared.folder, shared.process, shared.port, shared.host_key, shared.keys, tmp_path.name)


def sftp(server: Server, **changes: Any) -> dict[str, Any]:
    return {"kind": "sftp", **server.parameters(**changes)}


def test_a_folder_that_can_be_read_and_written_is_reachable(check: Any, owner: Any, now: Any, root: Path) -> None:
    collection = make_collection(owner, root, now=now - timedelta(days=1))

    health = check(collection)

    assert (health.status, health.message, health.reason) == ("reachable", "Files can be read and written.", None)
    assert health.readable
    assert health.writable
    assert health.list_seconds is not None
    assert health.read_bytes_per_second
    assert health.write_bytes_per_second
    assert list(root.iterdir()) == []


def test_what_was_found_is_kept_beside_the_collection_and_in_its_history(
    check: Any, owner: Any, now: Any, root: Path
) -> None:
    collection = make_collection(owner, root, now=now - timedelta(days=1))

    health = check(collection)

    stored = Collection.objects.get()
    assert stored.health == health.document() == collection.health
    assert stored.health["checked_at"] == "2026-03-02T12:00:00+00:00"
    assert stored.updated_at == now - timedelta(days=1)
    event = Event.objects.get()
    assert (event.verb, event.actor, event.object_id) == ("collection_tested", owner, collection.pk)
    assert event.data == {"status": "reachable", "reason": None}


def test_nothing_is_kept_of_a_collection_that_was_changed_meanwhile(owner: Any, now: Any, root: Path) -> None:
    collection = make_collection(owner, root)
    health = checks.measure(collection, now=now)
    collections.update(
        Collection.objects.get(), changes={"default_directory": "/x"}, by=owner, now=now + timedelta(seconds=1)
    )

    checks.record(collection, health, by=owner, now=now)

    assert Collection.objects.get().health == {}


def test_a_folder_that_is_missing_is_unreachable_and_says_so(check: Any, owner: Any, root: Path) -> None:
    health = check(make_collection(owner, root, default_directory="/gone/"))

    assert (health.status, health.reason, health.readable) == ("unreachable", "not_found", False)
    assert health.message == "/gone does not exist."


def test_a_folder_outside_the_allowed_ones_is_unreachable(check: Any, owner: Any, root: Path, settings: Any) -> None:
    settings.TIMERS_LOCAL_ROOTS = (root / "inside",)

    assert check(make_collection(owner, root)).reason == "path_outside"


def test_a_full_folder_is_not_listed_to_its_end(check: Any, owner: Any, root: Path) -> None:
    for number in range(100):
        (root / str(number)).touch()
    seconds = itertools.count(0, 0.1)

    health = check(make_collection(owner, root), monotonic=lambda: next(seconds))

    assert (health.status, health.readable) == ("slow", True)
    assert 3 < health.list_seconds < 4


def test_what_an_interrupted_test_left_is_removed_by_a_later_one(check: Any, owner: Any, root: Path, now: Any) -> None:
    collection = make_collection(owner, root)
    old, young, foreign = (
        partial_name(collection.pk, str(round((now - timedelta(hours=2)).timestamp() * 1e6)), 0),
        partial_name(collection.pk, str(round((now - timedelta(minutes=2)).timestamp() * 1e6)), 1),
        ".timers-000000000000-1-1.part",
    )
    for name in (old, young, foreign):
        (root / name).touch()

    check(collection)

    assert {path.name for path in root.iterdir()} == {young, foreign}


@pytest.mark.parametrize("step", [0.3, 2.1])
def test_slowness_is_told_by_the_clock(check: Any, owner: Any, root: Path, step: float) -> None:
    seconds = itertools.count(0, step)

    health = check(make_collection(owner, root), monotonic=lambda: next(seconds))

    assert health.list_seconds == pytest.approx(step)
    assert health.status == ("slow" if step > 2 else "reachable")
    assert health.message == f"Files can be read and written{', but slowly' if step > 2 else ''}."
    assert list(root.iterdir()) == []


def test_a_slow_line_is_spared_the_large_files(check: Any, owner: Any, root: Path) -> None:
    seconds = itertools.count(0, 0.6)

    health = check(make_collection(owner, root), monotonic=lambda: next(seconds))

    assert health.write_bytes_per_second == round(checks.SIZES[0] / 0.6)


# SFTP


def test_an_sftp_server_is_tested_and_left_as_it_was(check: Any, create: Any, server: Server) -> None:
    health = check(create(sftp(server)))

    assert (health.status, health.writable) == ("reachable", True)
    assert health.read_bytes_per_second
    assert list(server.files.iterdir()) == []


def test_what_a_server_does_not_keep_is_said(check: Any, create: Any) -> None:
    with openssh(sftp="internal-sftp -P setstat,fsetstat") as running:
        health = check(create({"kind": "sftp", **running.parameters()}))

        assert (health.status, health.writable, health.reason) == ("reachable", True, None)
        assert health.message == (
            "Files can be read and written. The times of files cannot be set here. "
            "The permissions of files cannot be set here."
        )
        assert list(running.files.iterdir()) == []


def test_a_place_that_cannot_be_written_is_healthy_and_says_why(check: Any, create: Any, server: Server) -> None:
    folder = server.files / "full"
    folder.mkdir()
    (folder / "data").write_bytes(b"x" * 100_000)

    health = check(create(sftp(server), default_directory="/full"))

    assert (health.status, health.readable, health.writable, health.reason) == ("reachable", True, False, "no_space")
    assert health.message.startswith("Files can be read, but not written: The disk is full: /full")
    assert health.write_bytes_per_second is None
    assert health.read_bytes_per_second
    assert [path.name for path in folder.iterdir()] == ["data"]


def test_a_folder_without_rights_can_be_read_only(check: Any, create: Any, server: Server) -> None:
    (server.files / "forbidden").mkdir()

    health = check(create(sftp(server), default_directory="/forbidden"))

    assert (health.status, health.writable, health.reason) == ("reachable", False, "permission_denied")
    assert health.message == "Files can be read, but not written: Permission denied: /forbidden."
    assert health.read_bytes_per_second is None


def test_another_host_key_is_shown_beside_the_known_one(check: Any, create: Any, server: Server) -> None:
    known = asyncssh.read_private_key(server.folder / "theirs").convert_to_public()

    health = check(create(sftp(server, host_key=known.export_public_key().decode())))

    assert (health.status, health.reason) == ("unreachable", "host_key_refused")
    shown = asyncssh.read_private_key(server.folder / "host").convert_to_public()
    for key in (known, shown):
        assert fingerprint(key.public_data) in health.message


def test_a_wrong_password_is_told_apart_from_a_server_that_is_down(check: Any, create: Any, server: Server) -> None:
    wrong = check(create(sftp(server, password="wrong horse")))
    down = check(create(sftp(server, port=free_port())))

    assert (wrong.status, wrong.reason) == ("unreachable", "login_failed")
    assert "wrong user name or password" in wrong.message
    assert (down.status, down.reason) == ("unreachable", "connection_error")
    for each in (wrong, down):
        assert "horse" not in json.dumps(each.document())


def test_a_password_is_not_sent_to_another_host(create: Any, owner: Any, now: Any, server: Server) -> None:
    collection = create(sftp(server))

    def change(**changes: Any) -> None:
        storage = {**collections.storage_document(collection), **changes}
        collections.update(collection, changes={"storage": storage}, by=owner, now=now)

    change(root="/", username="somebody")
    assert Collection.objects.get().secrets == {"password": PASSWORD}
    for elsewhere in ({"host": "127.0.0.2"}, {"port": 22}, {"port": None}):
        with pytest.raises(collections.Invalid, match=r"Give it again: the (host|port) changed\.") as caught:
            change(**elsewhere)
        assert list(caught.value.fields) == ["storage.password"]
    assert Collection.objects.get().storage["host"] == "127.0.0.1"
    change(host="127.0.0.2", password="other")
    assert Collection.objects.get().secrets == {"password": "other"}


# S3


def test_a_bucket_is_tested_and_left_as_it_was(check: Any, create: Any, s3_running: S3Server) -> None:
    bucket = s3_running.bucket()

    health = check(create({"kind": "s3", "bucket": bucket, "endpoint_url": s3_running.url, **KEYS}))

    assert (health.status, health.readable, health.writable) == ("reachable", True, True)
    assert s3_running.keys(bucket) == []


def test_a_bucket_that_is_missing_and_a_store_that_is_down_are_told_apart(
    check: Any, create: Any, s3_running: S3Server
) -> None:
    missing = check(create({"kind": "s3", "bucket": "nothing-here", "endpoint_url": s3_running.url, **KEYS}))
    address = f"127.0.0.1:{free_port()}"
    down = check(create({"kind": "s3", "bucket": "nothing-here", "endpoint_url": f"http://{address}", **KEYS}))

    assert (missing.reason, missing.message) == ("not_found", "/: there is no bucket nothing-here.")
    assert (down.reason, down.message) == ("connection_error", f"/: the store cannot be reached ({address}).")


def test_a_secret_key_is_not_used_at_another_endpoint(create: Any, owner: Any, now: Any) -> None:
    storage = {"kind": "s3", "bucket": "archive", "endpoint_url": "https://s3.example.org", "region": "eu", **KEYS}
    collection = create(storage)
    masked = {**storage, "secret_access_key": "***"}

    collections.update(collection, changes={"storage": {**masked, "region": "us"}}, by=owner, now=now)
    assert Collection.objects.get().secrets == {"secret_access_key": KEYS["secret_access_key"]}
    for endpoint in ("https://other.example.org", "http://s3.example.org", None):
        with pytest.raises(collections.Invalid, match=r"Give it again: the endpoint changed\.") as caught:
            elsewhere = {**masked, "endpoint_url": endpoint}
            collections.update(collection, changes={"storage": elsewhere}, by=owner, now=now)
        assert list(caught.value.fields) == ["storage.secret_access_key"]


@pytest.mark.parametrize("name", ["secret_access_key", "session_token", "region"])
def test_a_mask_stands_for_nothing_where_nothing_is_stored(create: Any, name: str) -> None:
    with pytest.raises(collections.Invalid) as caught:
        create({"kind": "s3", "bucket": "archive", **KEYS, name: "***"})

    assert list(caught.value.fields) == [f"storage.{name}"]
    assert not Collection.objects.exists()


def test_what_was_found_is_forgotten_with_the_place_it_was_found_at(create: Any, owner: Any, now: Any) -> None:
    storage = {"kind": "s3", "bucket": "archive", **KEYS}
    collection = create(storage)
    Collection.objects.update(health={"status": "reachable"})
    collection.refresh_from_db()

    masked = {**storage, "secret_access_key": "***"}
    collections.update(collection, changes={"display_name": "New", "storage": masked}, by=owner, now=now)
    assert Collection.objects.get().health == {"status": "reachable"}
    collections.update(collection, changes={"storage": {**masked, "bucket": "another"}}, by=owner, now=now)

    assert Collection.objects.get().health == {}


def test_what_a_place_does_not_keep_of_a_file_is_said(
    create: Any, check: Any, root: Path, admin: Any, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = make_collection(admin, root)

    def commit(writer: Any, **kept: Any) -> None:
        original(writer)
        writer.not_kept = [name for name, value in (("times", kept["modified_ns"]), ("mode", None)) if value]

    with collections.storage_for(collection) as storage:
        writer = storage.write("/probe", partial=partial_name(collection.pk, "1", 1))
        writer.discard()
    original = type(writer).commit
    monkeypatch.setattr(type(writer), "commit", commit)

    health = check(collection)

    assert health.message == "Files can be read and written. The times of files cannot be set here."
    assert (health.readable, health.writable, health.error) == (True, True, None)
