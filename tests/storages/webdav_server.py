"""A real WebDAV server for tests, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from tests import scratch
from tests.loopback import free_port

ACCOUNT = {"username": "tests", "password": "tests only: secret"}

_PROGRAM = """
import json, sys
from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp

settings = json.loads(sys.argv[1])
app = WsgiDAVApp(settings["app"])
wsgi.Server((settings["host"], settings["port"]), app, numthreads=8).start()
"""


@dataclass(frozen=True)
class WebDavServer:
    """A running server. What it serves lies in `folder`."""

    url: str
    folder: Path

    def new_folder(self, name: str) -> str:
        """Make an empty folder and return its URL."""
        (self.folder / name).mkdir()
        return f"{self.url}/{name}"


@contextmanager
def webdav_server() -> Iterator[WebDavServer]:
    """Start a server and wait until it answers."""
    port, home = free_port(), scratch.new_folder("webdav")
    served = home / "served"
    served.mkdir()
    app = {
        "provider_mapping": {"/dav": str(served)},
        "simple_dc": {"user_mapping": {"*": {ACCOUNT["username"]: {"password": ACCOUNT["password"]}}}},
        "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
        "verbose": 1,
    }
    settings = json.dumps({"host": "127.0.0.1", "port": port, "app": app})
    with (home / "output.txt").open("wb") as output:
        server = subprocess.Popen([sys.executable, "-c", _PROGRAM, settings], stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_for(port, server, home / "output.txt")
        yield WebDavServer(f"http://127.0.0.1:{port}/dav", served)
    finally:
        server.kill()
        server.wait(10)


def _wait_for(port: int, server: subprocess.Popen[bytes], output: Path) -> None:
    ends = time.monotonic() + 30
    while server.poll() is None and time.monotonic() < ends:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("OPTIONS", "/dav")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise RuntimeError(f"The WebDAV server did not start (exit status {server.poll()}):\n{output.read_text()}")
