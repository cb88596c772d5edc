"""Buckets of Google Cloud Storage: the contract on the S3 server of the tests, and what is particular to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts.storage import StorageContract, get, names
from tests.loopback import answers, scripted
from tests.storages.s3.conftest import Opener, fails
from tests.storages.s3_server import KEYS, S3Server
from timers.errors import Invalid
from timers.storages.base import STORAGES
from timers.storages.gcs import ENDPOINT_URL, GcsStorage


def opened_at(url: str, bucket: str, **parameters: Any) -> GcsStorage:
    given = {"bucket": bucket, "endpoint_url": url, "credentials": KEYS, **parameters}
    return GcsStorage(*GcsStorage.clean(given, owner=None))


class TestGcsStorage(StorageContract):
    many_folders = 50
    names_unknown_to_server = frozenset({"two\nlines"})

    @pytest.fixture
    def storage(self, server: S3Server, bucket: str) -> Iterator[GcsStorage]:
        with opened_at(server.url, bucket, prefix="some/where") as storage:
            yield storage


def test_without_an_endpoint_it_is_googles() -> None:
    storage = GcsStorage(*GcsStorage.clean({"bucket": "archive_1", "prefix": "/a"}, owner=None))

    assert storage.address() == ("s3", ENDPOINT_URL, "archive_1", "a")
    assert GcsStorage.encrypts({"bucket": "archive"})
    assert not GcsStorage.encrypts({"bucket": "archive", "endpoint_url": "http://gcs.example.org"})


def test_one_bucket_is_seen_through_both_kinds(opened: Opener, server: S3Server, bucket: str) -> None:
    server.client.put_object(Bucket=bucket, Key="f", Body=b"x")

    storage = opened_at(server.url, bucket)

    assert storage.address() == opened().address()
    assert get(storage, "/f") == b"x"


def test_a_public_bucket_is_read_without_credentials() -> None:
    listing = answers(b"<ListBucketResult><Contents><Key>f</Key><Size>1</Size></Contents></ListBucketResult>")

    with scripted(listing) as server:
        assert names(opened_at(server.url("").rstrip("/"), "archive", credentials=None)) == ["f"]

    assert "authorization" not in server.head()


def test_wrong_keys_are_told() -> None:
    refusal = answers(b"<Error><Code>InvalidSecurity</Code></Error>", status="403 Forbidden")

    with scripted(refusal) as server, fails("login_failed"):
        names(opened_at(server.url("").rstrip("/"), "archive"))


@pytest.mark.parametrize("credentials", [KEYS, json.dumps(KEYS)])
def test_the_key_is_kept_as_a_secret(credentials: Any) -> None:
    public, secrets = GcsStorage.clean({"bucket": "archive", "credentials": credentials}, owner=None)

    assert (public, secrets) == ({"bucket": "archive"}, {"credentials": KEYS})
    assert GcsStorage.secret_names() == ("credentials",)
    assert list(GcsStorage.recipients()) == ["endpoint_url"]
    assert STORAGES.get("gcs") is GcsStorage


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("bucket", value) for value in (None, "", "Upper", "a..b", "a/b", 7)),
        ("prefix", "a//b"),
        *(("endpoint_url", value) for value in ("gcs.example.org", "https://169.254.169.254", "https://a.org/?x=1")),
        *(("credentials", value) for value in ("***", "{", 7, {}, [], {**KEYS, "more": "x"}, {"access_key_id": "a"})),
        *(("credentials", {**KEYS, name: "a b"}) for name in KEYS),
        ("region", "eu"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(field: str, value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        GcsStorage.clean({"bucket": "archive", field: value}, owner=None)

    assert list(caught.value.fields) == [field]
