"""A real SMB server for tests: Debian's samba on a port of its own, with its own configuration and folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spnego._ntlm_raw.crypto import ntowfv1

from tests import scratch
from tests.loopback import free_port

ACCOUNT = {"username": "tests", "password": "tests only: secret"}
SHARE = "files"
READ_ONLY_SHARE = "kept"

SMBD = shutil.which("smbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CAN_RUN = SMBD is not None and os.geteuid() == 0
"""Whether this machine has what the server needs."""

_CONFIGURATION = """
[global]
    server role = standalone server
    server string = tests
    interfaces = 127.0.0.1
    bind interfaces only = yes
    smb ports = {port}
    disable netbios = yes
    disable spoolss = yes
    load printers = no
    printcap name = /dev/null
    server min protocol = {min_protocol}
    server max protocol = {max_protocol}
    server smb encrypt = {encrypt}
    private dir = {home}
    lock directory = {home}
    state directory = {home}
    cache directory = {home}
    pid directory = {home}
    ncalrpc dir = {home}/rpc
    log file = {home}/log.txt
    passdb backend = smbpasswd:{home}/passwords
    username map = {home}/users
    map to guest = never
[{share}]
    path = {home}/served
    read only = no
[{read_only_share}]
    path = {home}/served
    read only = yes
"""


@dataclass(frozen=True)
class SmbServer:
    """A running server. What its share holds lies in `folder`."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def parameters(self, root: str = "", **changes: object) -> dict[str, object]:
        """Return the parameters of a collection on the share."""
        place = {"host": "127.0.0.1", "port": self.port, "share": SHARE, "root": root}
        return {**place, **ACCOUNT, **changes}

    def stop(self) -> None:
        """End the server and the processes of its connections."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


@contextmanager
def smb_server(*, protocols: tuple[str, str] = ("SMB2", "SMB3"), encrypt: str = "default") -> Iterator[SmbServer]:
    """Start a server, wait until it listens, and stop it in the end."""
    port, home = free_port(), scratch.new_folder("smb")
    served = home / "served"
    served.mkdir()
    (home / "rpc").mkdir()
    (home / "users").write_text(f"root = {ACCOUNT['username']}\n")
    digest = ntowfv1(ACCOUNT["password"]).hex().upper()
    (home / "passwords").write_text(f"root:0:{'X' * 32}:{digest}:[U          ]:LCT-00000001:\n")
    (home / "passwords").chmod(0o600)
    (home / "smb.conf").write_text(
        _CONFIGURATION.format(
            port=port,
            home=home,
            share=SHARE,
            read_only_share=READ_ONLY_SHARE,
            min_protocol=protocols[0],
            max_protocol=protocols[1],
            encrypt=encrypt,
        )
    )
    assert SMBD is not None
    command = [SMBD, "--foreground", "--no-process-group", f"--configfile={home / 'smb.conf'}"]
    with (home / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    server = SmbServer(port, served, process)
    try:
        _wait_for(server, home)
        yield server
    finally:
        server.stop()


def _wait_for(server: SmbServer, home: Path) -> None:
    ends = time.monotonic() + 30
    while server.process.poll() is None and time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    told = "\n".join(path.read_text() for path in (home / "output.txt", home / "log.txt") if path.exists())
    raise RuntimeError(f"The SMB server did not start (exit status {server.process.poll()}):\n{told}")
