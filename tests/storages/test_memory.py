"""The storage in memory keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.storage import StorageContract, get, put
from timers.storages import memory
from timers.storages.memory import MemoryStorage


class TestMemoryStorage(StorageContract):
    registered = False

    @pytest.fixture
    def storage(self) -> Iterator[MemoryStorage]:
        yield MemoryStorage({"name": "contract"}, {})
        memory.PLACES.pop("contract", None)

    def test_two_storages_of_one_name_hold_the_same_files(self, storage: MemoryStorage) -> None:
        put(storage, "/f", b"1")

        assert get(MemoryStorage({"name": "contract"}, {}), "/f") == b"1"
