"""A real S3 server for tests, in a process of its own: what it does must not wait for the tests' interpreter."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import boto3

from tests import scratch
from tests.loopback import free_port

KEYS = {"access_key_id": "AKIDTESTS", "secret_access_key": "tests-only-secret"}

PAGE = 40
"""How many keys the server lists at once, so that few files need several pages."""

_PROGRAM = "import sys; from moto.server import main; main(sys.argv[1:])"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class S3Server:
    """A running server. `client` is the library's own, to look at the store past the storage."""

    url: str
    client: Any

    def bucket(self) -> str:
        """Make an empty bucket and return its name."""
        name = f"tests-{next(_numbers)}"
        self.client.create_bucket(Bucket=name)
        return name

    def keys(self, bucket: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def uploads(self, bucket: str) -> list[str]:
        """Return the keys of all unfinished uploads."""
        return [each["Key"] for each in self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


@contextmanager
def s3_server(*, page: int = PAGE) -> Iterator[S3Server]:
    """Start a server and wait until it answers."""
    port = free_port()
    command = [sys.executable, "-c", _PROGRAM, "-H", "127.0.0.1", "-p", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    environment["MOTO_S3_DEFAULT_MAX_KEYS"] = str(page)
    output = scratch.new_folder("s3") / "output.txt"
    with output.open("wb") as file:
        server = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, server, output)
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=KEYS["access_key_id"],
            aws_secret_access_key=KEYS["secret_access_key"],
        )
        yield S3Server(url, client)
    finally:
        server.kill()
        server.wait(10)


def _wait_for(url: str, server: subprocess.Popen[bytes], output: Path) -> None:
    ends = time.monotonic() + 30
    while server.poll() is None and time.monotonic() < ends:
        try:
            urlopen(f"{url}/moto-api/data.json", timeout=5).close()
            return
        except (URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"The S3 server did not start (exit status {server.poll()}):\n{output.read_text()}")
