"""Azure Blob Storage: the contract on azurite, and answers that no good store gives."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contracts.storage import PART, StorageContract, get, names, put
from tests.loopback import answers, free_port, scripted
from tests.storages.azure_server import ACCOUNT, AZURITE, AzureServer, azure_server
from timers import targets
from timers.errors import ExternalError, Invalid
from timers.storages.azure import AzureStorage
from timers.storages.azure.listing import read_page
from timers.storages.azure.writing import BLOCK_BYTES
from timers.storages.base import REASONS, FileProperties, Kind

needs_server = pytest.mark.skipif(AZURITE is None, reason="needs azurite (npm install -g azurite)")
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[AzureServer]:
    with azure_server() as server:
        yield server


@pytest.fixture(autouse=True)
def loopback_is_open(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = targets.parse_networks("127.0.0.0/8")


Opener = Callable[..., AzureStorage]


@pytest.fixture
def opener() -> Iterator[Opener]:
    """Opens storages, and closes them afterwards."""
    storages: list[AzureStorage] = []

    def opener(**parameters: Any) -> AzureStorage:
        storages.append(AzureStorage(*AzureStorage.clean({**ACCOUNT, **parameters}, owner=None)))
        return storages[-1]

    yield opener
    for storage in storages:
        storage.close()


@pytest.fixture
def opened(server: AzureServer, opener: Opener) -> Opener:
    """Opens storages on the test's container, or elsewhere."""
    container = server.new_container(f"place{next(_numbers)}")
    return lambda **parameters: opener(**{"container": container, "endpoint_url": server.url, **parameters})


@pytest.fixture
def storage(opened: Opener) -> AzureStorage:
    return opened()


def fails(reason: str, *, match: str | None = None) -> Any:
    return pytest.raises(
        ExternalError, match=match, check=lambda error: (error.reason, error.retryable) == (reason, REASONS[reason])
    )


@needs_server
class TestAzureStorage(StorageContract):
    many_folders = 50

    @pytest.fixture
    def storage(self, opened: Opener) -> AzureStorage:
        return opened()


@needs_server
class TestPrefix(StorageContract):
    many_folders = 50

    @pytest.fixture
    def storage(self, opened: Opener) -> AzureStorage:
        return opened(prefix="/below/this żółć/")


@needs_server
class TestObjects:
    def test_a_large_file_goes_in_blocks_and_the_old_one_stays_until_they_count(self, storage: AzureStorage) -> None:
        data = random.Random(7).randbytes(BLOCK_BYTES * 2 + 1)
        put(storage, "/f", b"old")
        writer = storage.write("/f", partial=PART)
        writer.write(data)
        writer.sync()

        assert get(storage, "/f") == b"old"
        writer.commit()
        assert get(storage, "/f") == data
        assert get(storage, "/f", offset=len(data) - 3) == data[-3:]

    def test_discarded_blocks_leave_no_file(self, storage: AzureStorage) -> None:
        writer = storage.write("/f", partial=PART)
        writer.write(b"x" * (BLOCK_BYTES + 1))
        writer.sync()
        writer.discard()

        assert names(storage) == []
        with fails("not_found", match="/f"):
            storage.open("/f")

    @pytest.mark.parametrize("size", [5, BLOCK_BYTES + 5])
    def test_properties_are_kept(self, storage: AzureStorage, size: int) -> None:
        given = FileProperties(
            content_type="text/css",
            content_encoding="gzip",
            content_disposition="inline",
            content_language="pl",
            cache_control="no-cache",
            metadata={"team": "web"},
        )
        writer = storage.write("/page", partial=PART, properties=given)
        writer.write(b"x" * size)
        writer.commit()

        with storage.open("/page") as reader:
            assert reader.properties is not None
            assert reader.properties._replace(storage_class=None) == given

    def test_metadata_of_other_stores_is_spelled_as_this_one_allows_it(self, storage: AzureStorage) -> None:
        properties = FileProperties(metadata={"last-edited-by": "Żaneta", "2nd": "x"})
        writer = storage.write("/f", partial=PART, properties=properties)
        writer.commit()

        with storage.open("/f") as reader:
            assert reader.properties is not None
            assert reader.properties.metadata == {"last_edited_by": "=?utf-8?q?=C5=BBaneta?=", "_2nd": "x"}

    def test_the_type_is_guessed_by_the_name(self, storage: AzureStorage) -> None:
        put(storage, "/logo.svg", b"<svg/>")

        with storage.open("/logo.svg") as reader:
            assert reader.properties is not None
            assert reader.properties.content_type == "image/svg+xml"

    def test_what_cannot_be_a_header_is_a_final_fault(self, storage: AzureStorage) -> None:
        with fails("unsupported", match="/f"):
            storage.write("/f", partial=PART, properties=FileProperties(metadata={"a": "b\r\nx-ms-c: d"}))

    def test_every_key_is_listed(self, opened: Opener) -> None:
        whole = opened()
        for key in ("in/out", "in//out", "last"):
            put(whole, f"/{key}", b"12")
        writer = whole.write("/box/", partial=PART)
        writer.write(b"content")
        writer.commit()

        assert sorted((entry.name, entry.kind) for entry in whole.list("/")) == [
            ("box", Kind.DIR),
            ("in", Kind.DIR),
            ("last", Kind.FILE),
        ]
        assert sorted(entry.name for entry in whole.list("/in")) == ["/out", "out"]
        assert [(entry.name, entry.size) for entry in whole.list("/box")] == [("", 7)]

    def test_a_wrong_key_is_final_and_never_told(self, opened: Opener) -> None:
        key = "c2VjcmV0IHNlY3JldCBzZWNyZXQ="

        with fails("login_failed") as caught:
            list(opened(account_key=key).list("/"))

        assert key not in caught.value.message

    def test_an_unknown_container_is_named(self, opened: Opener) -> None:
        for ask in (lambda storage: list(storage.list("/")), lambda storage: storage.stat("/f")):
            with fails("not_found", match="no such container"):
                ask(opened(container="nothing"))


class TestServers:
    def test_a_server_that_is_down_may_heal(self, opener: Opener) -> None:
        with fails("connection_error", match="/f"):
            opener(container="here", endpoint_url=f"http://127.0.0.1:{free_port()}").stat("/f")

    def test_the_target_rules_hold(self, opener: Opener, settings: Any) -> None:
        with scripted(answers()) as server:
            storage = opener(container="here", endpoint_url=server.url("/", host="localhost"))
            settings.TIMERS_WEBHOOK_NETWORKS = ()

            with fails("target_refused"):
                storage.stat("/f")

        assert server.requests == []

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "storage_error"),
            (b"<html/>", "storage_error"),
            (b"\xff\xfe<", "storage_error"),
            (b'<!DOCTYPE x [<!ENTITY a "b">]><EnumerationResults/>', "unsupported"),
        ],
    )
    def test_what_is_no_listing_is_told(self, opener: Opener, body: bytes, reason: str) -> None:
        with scripted(answers(body)) as server, fails(reason, match="/d"):
            list(opener(container="here", endpoint_url=server.url("/")).list("/d"))

    def test_names_that_xml_cannot_hold_are_read(self) -> None:
        name = '<Name Encoded="true">a%01%20b</Name>'
        page = f"<EnumerationResults><Blobs><Blob>{name}</Blob></Blobs><NextMarker>2</NextMarker></EnumerationResults>"

        (item,), following = read_page(page.encode(), "/")

        assert (item.key, following) == ("a\x01 b", "2")


class TestCleaning:
    def clean(self, **parameters: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return AzureStorage.clean({"container": "archive", **ACCOUNT, **parameters}, owner=None)

    def test_the_key_is_kept_apart(self) -> None:
        public, secrets = self.clean(prefix="/a/b")

        assert public == {"container": "archive", "prefix": "a/b/", "account_name": ACCOUNT["account_name"]}
        assert secrets == {"account_key": ACCOUNT["account_key"]}
        assert list(AzureStorage.recipients()) == ["account_name", "endpoint_url"]
        assert AzureStorage.encrypts(public)
        assert not AzureStorage.encrypts({"endpoint_url": "http://store.example.org"})

    def test_an_address_continues_that_of_the_folder_around_it(self) -> None:
        around, inside = (AzureStorage(*self.clean(prefix=prefix)).address() for prefix in ("a", "a/b"))

        assert inside == (*around, "b")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("container", value) for value in (None, "", "A", "ab", "a--b", "a/b", "a" * 64, 7)),
            *(("account_name", value) for value in (None, "", "a", "a.b", "a" * 25, 7)),
            *(("account_key", value) for value in (None, "", "key", "!" * 40, 7)),
            *(
                ("endpoint_url", value)
                for value in ("store", "ftp://a.org", "https://a.org/?x", "https://169.254.169.254")
            ),
            *(("prefix", value) for value in ("a//b", "a/../b", 7)),
            ("region", "x"),
        ],
    )
    def test_what_cannot_work_is_refused_by_its_name(self, field: str, value: Any) -> None:
        with pytest.raises(Invalid) as caught:
            self.clean(**{field: value})

        assert list(caught.value.fields) == [field]
