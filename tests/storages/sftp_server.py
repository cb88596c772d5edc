"""A real SFTP server in a process of its own, and the storage's parameters for it.

The user is "owner", with a password or a key. The server writes down each login, refuses what
is named `forbidden`, has no room for what is named `full`, fails without a reason on what is named `failing`, and calls
the disk of the folder `no-room` full when it is asked.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

PASSWORD = "correct horse"


@dataclass
class Server:
    """A running server; `place` is the folder with the files of one test."""

    folder: Path
    process: subprocess.Popen[str]
    port: int
    host_key: str
    keys: dict[str, str] = field(default_factory=dict)
    place: str = "files"

    @property
    def files(self) -> Path:
        return self.folder / self.place

    def logins(self) -> int:
        """Return how many logins have succeeded so far."""
        return len((self.folder / "logins").read_text().splitlines())

    def parameters(self, root: str | None = "", **changes: Any) -> dict[str, Any]:
        """Return what a collection for these files says; a root below the server's folder may be given."""
        found = {
            "host": "127.0.0.1",
            "port": self.port,
            "username": "owner",
            "password": PASSWORD,
            "host_key": self.host_key,
            "root": None if root is None else f"{self.folder}{root or '/' + self.place}",
        }
        return {name: value for name, value in (found | changes).items() if value is not None}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def serving(folder: Path, *, port: int = 0, **options: Any) -> Iterator[Server]:
    """Run a server whose files and keys are in a folder; keys that are there already stay."""
    (folder / "files").mkdir(exist_ok=True)
    (folder / "logins").touch()
    for name in ("host", "ours", "theirs"):
        if not (folder / name).exists():
            asyncssh.generate_private_key("ssh-ed25519").write_private_key(folder / name)
    asyncssh.read_private_key(folder / "ours").write_public_key(folder / "authorized")
    command = [sys.executable, "-m", "tests.storages.sftp_server", str(folder), str(port), json.dumps(options)]
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
    assert process.stdout is not None
    try:
        answered = int(process.stdout.readline())
        public = asyncssh.read_private_key(folder / "host").export_public_key().decode().strip()
        keys = {name: (folder / name).read_text() for name in ("ours", "theirs")}
        yield Server(folder, process, answered, public, keys)
    finally:
        process.stdout.close()
        process.kill()
        process.wait()


class _Door(asyncssh.SSHServer):
    """Lets "owner" in and writes it down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return username == "owner" and password == PASSWORD

    def auth_completed(self) -> None:
        with (self._folder / "logins").open("a") as file:
            file.write("login\n")


class _Files(asyncssh.SFTPServer):
    """Refuses some names, as a server without rights or without room does."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if b"forbidden" in path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return super().open(path, pflags, attrs)

    def write(self, file_obj: Any, offset: int, data: bytes) -> int:
        if b"full" in file_obj.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        if b"failing" in file_obj.name:
            raise OSError(errno.EIO, "Failure")
        return int(super().write(file_obj, offset, data))  # type: ignore[arg-type]

    def statvfs(self, path: bytes) -> Any:
        found = os.statvfs(path)
        free = 0 if b"no-room" in path else 1_000_000
        return asyncssh.SFTPVFSAttrs(
            bsize=4096, frsize=4096, blocks=2_000_000, bfree=free, bavail=free, files=1000, ffree=1000, favail=1000,
            namemax=found.f_namemax,
        )  # fmt: skip


async def _serve(folder: Path, port: int, options: dict[str, Any]) -> None:
    server = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=lambda: _Door(folder),
        server_host_keys=[str(folder / "host")],
        authorized_client_keys=str(folder / "authorized"),
        sftp_factory=_Files,
        **options,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])))
