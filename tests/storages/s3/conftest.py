"""A real S3 server, a bucket for each test, and storages opened on it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.storages.relay import Relay, relaying
from tests.storages.s3_server import KEYS, S3Server
from timers import targets
from timers.errors import ExternalError
from timers.storages.s3 import S3Storage

Opener = Callable[..., S3Storage]


def fails(reason: str) -> Any:
    return pytest.raises(ExternalError, check=lambda error: error.reason == reason)


@pytest.fixture
def server(s3_running: S3Server) -> S3Server:
    return s3_running


@pytest.fixture(autouse=True)
def loopback_is_open(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = targets.parse_networks("127.0.0.0/8")


@pytest.fixture
def bucket(server: S3Server) -> str:
    return server.bucket()


@pytest.fixture
def opened(server: S3Server, bucket: str) -> Iterator[Opener]:
    """Opens storages on the test's bucket, or elsewhere."""
    storages: list[S3Storage] = []

    def opener(**parameters: Any) -> S3Storage:
        given = {"bucket": bucket, "endpoint_url": server.url, **KEYS, **parameters}
        storages.append(S3Storage(*S3Storage.clean(given, owner=None)))
        return storages[-1]

    yield opener
    for storage in storages:
        storage.close()


@pytest.fixture
def storage(opened: Opener) -> S3Storage:
    return opened()


@pytest.fixture
def relay(server: S3Server) -> Iterator[Relay]:
    with relaying(server.url) as relay:
        yield relay


@pytest.fixture
def relayed(opened: Opener, relay: Relay) -> S3Storage:
    """A storage whose requests and answers pass the relay."""
    return opened(endpoint_url=relay.url)


@pytest.fixture(scope="module")
def large() -> bytes:
    """More than two parts, not two of them alike."""
    return random.Random(7).randbytes(21 * 1024 * 1024 + 1)
