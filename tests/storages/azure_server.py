"""A real server for the API of Azure Blob Storage: azurite, where it is installed (npm install -g azurite)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests import scratch
from tests.loopback import free_port
from timers.storages.azure.session import AzureSession

AZURITE = shutil.which("azurite-blob")

ACCOUNT = {
    "account_name": "devstoreaccount1",
    "account_key": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
}
"""The account that azurite has; its key is public."""


@dataclass(frozen=True)
class AzureServer:
    """A running server."""

    url: str

    def new_container(self, name: str) -> str:
        """Make a container and return its name."""
        session = AzureSession(self.url, name, "", account=ACCOUNT["account_name"], key=ACCOUNT["account_key"])
        with session.request("PUT", f"/{ACCOUNT['account_name']}/{name}?restype=container", path="/") as response:
            assert response.status == 201
        session.close()
        return name


@contextmanager
def azure_server() -> Iterator[AzureServer]:
    """Start a server, wait until it listens, and stop it in the end."""
    port, home = free_port(), scratch.new_folder("azure")
    assert AZURITE is not None
    command = [AZURITE, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(home), "--silent"]
    command += ["--disableTelemetry"]
    with (home / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=home)
    try:
        _wait_for(port, process)
        yield AzureServer(f"http://127.0.0.1:{port}/{ACCOUNT['account_name']}")
    finally:
        process.kill()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"The server for Azure did not start (exit status {process.poll()}).")
