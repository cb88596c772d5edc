"""The OpenSSH server of this machine for files of the tests: unprivileged, with its own configuration, on loopback.

One `sshd -i` answers each connection, as under inetd, so that the port is the system's choice and connections can be
counted and turned away. As root it is run as "nobody", whom permissions concern.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import pytest

SSHD = "/usr/sbin/sshd"
_CONFIGURATION = """
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM yes
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel ERROR
Subsystem sftp {sftp}
"""


@dataclass
class OpenSsh:
    """A running server. `files` belong to one test; `max_connections` turns further ones away after the greeting."""

    folder: Path
    user: pwd.struct_passwd
    listener: socket.socket
    host_key: str
    private_key: str
    place: str = "files"
    max_connections: int | None = None
    accepted: int = 0
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def files(self) -> Path:
        return self.folder / self.place

    def own(self, path: Path) -> Path:
        """Give a file or folder to the server's user, and return it."""
        if os.geteuid() == 0:
            os.chown(path, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)
        return path

    def put(self, name: str, data: bytes = b"", *, mode: int = 0o644) -> Path:
        """Make a file of the server's user."""
        path = self.files / name
        path.write_bytes(data)
        path.chmod(mode)
        return self.own(path)

    def parameters(self, root: str = "", **changes: Any) -> dict[str, Any]:
        """Return what a collection for these files says."""
        found = {
            "host": "127.0.0.1",
            "port": self.port,
            "username": self.user.pw_name,
            "private_key": self.private_key,
            "host_key": self.host_key,
            "root": f"{self.files}{root}",
        }
        return {name: value for name, value in (found | changes).items() if value is not None}


@contextmanager
def openssh(
    *, sftp: str = "internal-sftp", configuration: Sequence[str] = (), certified: bool = False
) -> Iterator[OpenSsh]:
    """Run a server; `sftp` is the command of its subsystem, `certified` gives its host key a certificate."""
    require(SSHD)
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    folder = Path(tempfile.mkdtemp(prefix="sftp-of-tests-", dir=_reachable_folder()))
    listener = socket.create_server(("127.0.0.1", 0))
    keys = {name: asyncssh.generate_private_key("ssh-ed25519") for name in ("host", "ours", "authority")}
    lines = [_CONFIGURATION.format(folder=folder, sftp=sftp), *configuration]
    if certified:
        lines.append(f"HostCertificate {folder}/host-cert.pub")
    server = OpenSsh(
        folder,
        user,
        listener,
        host_key=_public(keys["authority" if certified else "host"], "@cert-authority * " if certified else ""),
        private_key=keys["ours"].export_private_key().decode(),
    )
    try:
        for name, text in {
            "host": keys["host"].export_private_key().decode(),
            "authorized": _public(keys["ours"]),
            "host-cert.pub": _certificate(keys),
            "configuration": "\n".join(lines),
        }.items():
            path = folder / name
            path.write_text(text)
            path.chmod(0o600)
            server.own(path)
        server.own(folder)
        server.files.mkdir()
        server.own(server.files)
        thread = threading.Thread(target=_accept, args=[server], daemon=True)
        thread.start()
        yield server
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for process in server.running:
            process.kill()
            process.wait()
        shutil.rmtree(folder)


def require(program: str) -> None:
    """Skip the test on a machine without OpenSSH; on CI it fails."""
    if not Path(program).exists():
        message = f"{program} is missing: install openssh-server."
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


def _accept(server: OpenSsh) -> None:
    identity = {"user": server.user.pw_uid, "group": server.user.pw_gid, "extra_groups": []}
    while True:
        try:
            connection, _ = server.listener.accept()
        except OSError:
            return
        with connection:
            server.running = [process for process in server.running if process.poll() is None]
            if server.max_connections is not None and len(server.running) >= server.max_connections:
                continue
            server.accepted += 1
            command = [SSHD, "-i", "-e", "-f", str(server.folder / "configuration")]
            server.running.append(
                subprocess.Popen(
                    command,
                    stdin=connection,
                    stdout=connection,
                    stderr=subprocess.DEVNULL,
                    **(identity if os.geteuid() == 0 else {}),  # type: ignore[arg-type]
                )
            )


def _reachable_folder() -> str:
    """Return a temporary folder that every user can reach."""
    candidates = [tempfile.gettempdir(), "/dev/shm", "/var/tmp"]
    if os.geteuid() != 0:
        return candidates[0]
    return next(
        name for name in candidates if all(path.stat().st_mode & 1 for path in [Path(name), *Path(name).parents])
    )


def _public(key: asyncssh.SSHKey, before: str = "") -> str:
    return before + key.export_public_key().decode().strip()


def _certificate(keys: dict[str, asyncssh.SSHKey]) -> str:
    certificate = keys["authority"].generate_host_certificate(keys["host"], "host", principals=["127.0.0.1"])
    return certificate.export_certificate().decode()
