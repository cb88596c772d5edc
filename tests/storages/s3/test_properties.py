"""Types, encodings, metadata and storage classes of objects: kept between buckets, guessed by name elsewhere."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.contracts.storage import PART, put
from tests.storages.relay import Answer, Passing, Relay, error
from tests.storages.s3.conftest import Opener
from tests.storages.s3_server import S3Server
from timers.storages.base import FileProperties, Reader
from timers.storages.s3 import S3Storage, content_types
from timers.storages.s3.writing import MIN_PART_BYTES

STATED = {
    "ContentType": "text/css",
    "ContentEncoding": "gzip",
    "ContentDisposition": 'attachment; filename="page.css"',
    "ContentLanguage": "de",
    "CacheControl": "max-age=60",
    "StorageClass": "STANDARD_IA",
    "Metadata": {"team": "web", "purpose": "=?UTF-8?B?xLM=?="},
}
SIZES = [10, MIN_PART_BYTES + 1]


def copy(reader: Reader, target: S3Storage, path: str, *, partial: str = PART) -> Any:
    writer = target.write(path, partial=partial, properties=reader.properties)
    while writer.copy_from(reader, 8 << 20):
        pass
    return writer


def stated(server: S3Server, bucket: str, key: str) -> dict[str, Any]:
    answer = server.client.head_object(Bucket=bucket, Key=key)
    return {name: answer.get(name) for name in STATED}


@pytest.mark.parametrize("size", SIZES)
def test_what_a_bucket_keeps_about_a_file_goes_to_the_other_bucket(
    storage: S3Storage, server: S3Server, bucket: str, size: int
) -> None:
    server.client.put_object(Bucket=bucket, Key="page.css", Body=random.Random(1).randbytes(size), **STATED)

    with storage.open("/page.css") as reader:
        copy(reader, storage, "/copy.txt").commit()

    assert stated(server, bucket, "copy.txt") == STATED


def test_an_upload_that_is_resumed_keeps_them(storage: S3Storage, server: S3Server, bucket: str) -> None:
    server.client.put_object(Bucket=bucket, Key="a", Body=random.Random(1).randbytes(MIN_PART_BYTES + 9), **STATED)

    for begun in (5, MIN_PART_BYTES + 5):
        with storage.open("/a") as reader:
            writer = storage.write("/b", partial=PART, properties=reader.properties)
            writer.write(reader.read(begun))
            while writer.written < begun:
                writer.write(reader.read(begun - writer.written))
            kept = writer.keep()
        with storage.open("/a", offset=kept.size) as reader:
            again = storage.write("/b", partial="later", resume=kept, properties=reader.properties)
            while again.copy_from(reader, 8 << 20):
                pass
            again.commit()

        assert stated(server, bucket, "b") == STATED
        storage.delete("/b")


def test_a_reader_states_them_at_every_offset(storage: S3Storage, server: S3Server, bucket: str) -> None:
    server.client.put_object(Bucket=bucket, Key="a", Body=b"12345", **STATED)

    for offset in (0, 3, 5):
        with storage.open("/a", offset=offset) as reader:
            assert reader.properties == FileProperties(
                content_type="text/css",
                content_encoding="gzip",
                content_disposition='attachment; filename="page.css"',
                content_language="de",
                cache_control="max-age=60",
                metadata=STATED["Metadata"],
                storage_class="STANDARD_IA",
            )


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("logo.svg", "image/svg+xml"),
        ("INDEX.HTML", "text/html"),
        ("app.js", "text/javascript"),
        ("a.tar.gz", "application/gzip"),
        (".txt", None),
        ("data:text", None),
        ("README", None),
        ("x.unknown", None),
    ],
)
def test_the_type_is_guessed_by_the_name(name: str, content_type: str | None) -> None:
    assert content_types.guess(f"/some.css/{name}") == content_type


@pytest.mark.parametrize("size", SIZES)
def test_a_file_without_properties_gets_the_type_of_its_name(
    storage: S3Storage, server: S3Server, bucket: str, size: int
) -> None:
    put(storage, "/logo.svg", b"x" * size)
    put(storage, "/plain", b"x")

    assert stated(server, bucket, "logo.svg")["ContentType"] == "image/svg+xml"
    assert stated(server, bucket, "plain")["ContentType"] == "binary/octet-stream"


@pytest.mark.parametrize("size", SIZES)
def test_a_storage_class_that_the_store_does_not_have_is_left_out(
    relayed: S3Storage, relay: Relay, server: S3Server, bucket: str, size: int
) -> None:
    def refuse(passing: Passing) -> Answer | None:
        return error(400, "InvalidStorageClass") if "x-amz-storage-class" in passing.headers else None

    relay.ask = refuse

    properties = FileProperties(storage_class="NEARLINE", metadata={"team": "web"})
    writer = relayed.write("/f", partial=PART, properties=properties)
    writer.write(b"x" * size)
    writer.commit()

    assert stated(server, bucket, "f")["Metadata"] == {"team": "web"}
    assert server.client.head_object(Bucket=bucket, Key="f")["ContentLength"] == size


def test_metadata_that_is_not_ascii_arrives_as_stores_encode_it(
    storage: S3Storage, server: S3Server, bucket: str
) -> None:
    writer = storage.write("/f", partial=PART, properties=FileProperties(metadata={"who": "Zażółć"}))
    writer.commit()

    assert stated(server, bucket, "f")["Metadata"]["who"].startswith("=?utf-8?")


def test_only_an_endpoint_without_tls_is_not_encrypted(opened: Opener) -> None:
    assert S3Storage.encrypts({"bucket": "archive"})
    assert S3Storage.encrypts({"bucket": "archive", "endpoint_url": "https://s3.example.org"})
    assert not S3Storage.encrypts({"bucket": "archive", "endpoint_url": "http://s3.example.org"})
