"""Keys that no path expresses, and names that are a file and a folder: every object is listed and can be deleted."""

from __future__ import annotations

import pytest

from tests.contracts.storage import get, names, put
from tests.storages.s3.conftest import Opener, fails
from tests.storages.s3_server import PAGE, S3Server
from timers.copying import paths
from timers.storages.base import Kind
from timers.storages.s3 import S3Storage


def store(server: S3Server, bucket: str, **keys: bytes) -> None:
    for key, body in keys.items():
        server.client.put_object(Bucket=bucket, Key=key, Body=body)


@pytest.mark.parametrize(
    ("key", "folder", "name"),
    [
        ("in//out", "/in", "/out"),
        ("in//", "/in", "/"),
        ("in//a/b//c", "/in", "/a/b//c"),
        ("in/../out", "/in", "../out"),
        ("in/./out", "/in", "./out"),
        ("in/..", "/in", ".."),
        ("in/.", "/in", "."),
        ("in/", "/in", ""),
        ("/in", "/", "/in"),
        ("//in", "/", "//in"),
        ("./in", "/", "./in"),
        ("/", "/", "/"),
    ],
)
def test_a_key_that_no_path_expresses_is_listed_as_the_store_spells_it(
    opened: Opener, server: S3Server, bucket: str, key: str, folder: str, name: str
) -> None:
    store(server, bucket, **{f"top/{key}": b"123456789", f"top{folder}/good".replace("//", "/"): b"x"})
    storage = opened(prefix="top")

    listed = {entry.name: entry for entry in storage.list(folder)}

    assert sorted(listed) == sorted([name, "good"])
    assert (listed[name].kind, listed[name].size) == (Kind.FILE, 9)
    assert not paths.is_carriable(name)
    spelled = f"{folder.rstrip('/')}/{name}"
    assert spelled == f"/{key}"
    storage.delete(spelled)
    assert server.keys(bucket) == [f"top{folder}/good".replace("//", "/")]
    with fails("not_found"):
        storage.delete(spelled)


def test_a_prefix_that_no_path_expresses_is_listed_with_all_its_pages(
    storage: S3Storage, server: S3Server, bucket: str
) -> None:
    store(server, bucket, **{f"p//f{number:03}": b"x" for number in range(PAGE + 5)})

    assert names(storage, "/p") == [f"/f{number:03}" for number in range(PAGE + 5)]


def test_a_folder_with_such_a_key_is_not_empty(storage: S3Storage, server: S3Server, bucket: str) -> None:
    for key in ("p//q", "p/../q", "p/"):
        store(server, bucket, **{key: b"x"})

        with fails("not_empty"):
            storage.delete("/p")

        assert server.keys(bucket) == [key]
        storage.delete(f"/{key}")


def test_a_marker_is_no_entry_of_its_folder_and_goes_with_it(storage: S3Storage, server: S3Server, bucket: str) -> None:
    store(server, bucket, **{"p/": b"", "p/q/": b""})

    assert names(storage, "/p") == ["q"]
    with fails("not_empty"):
        storage.delete("/p")
    storage.delete("/p/q")
    storage.delete("/p")
    assert server.keys(bucket) == []


def test_a_folder_is_deleted_and_the_file_of_its_name_stays(storage: S3Storage, server: S3Server, bucket: str) -> None:
    store(server, bucket, **{"x": b"file", "x/": b""})

    storage.delete_folder("/x")

    assert server.keys(bucket) == ["x"]
    with fails("not_found"):
        storage.delete_folder("/x")


def test_a_file_is_written_beside_a_folder_of_its_name_and_below_a_file(
    storage: S3Storage, server: S3Server, bucket: str
) -> None:
    put(storage, "/x/y", b"1")
    put(storage, "/x", b"2")
    put(storage, "/x/y/z", b"3")
    assert storage.mkdir("/x/y/z/empty") is True

    assert server.keys(bucket) == ["x", "x/y", "x/y/z", "x/y/z/empty/"]
    assert [get(storage, path) for path in ("/x", "/x/y", "/x/y/z")] == [b"2", b"1", b"3"]


def test_a_file_leaves_no_marker_of_its_folders(storage: S3Storage, server: S3Server, bucket: str) -> None:
    put(storage, "/p/q/r", b"x")

    assert server.keys(bucket) == ["p/q/r"]
    assert storage.stat("/p/q").kind is Kind.DIR
