"""An odd SFTP server: OpenSSH's own `sftp-server`, with somebody in between who spoils requests and answers.

The user is "owner". Which proofs are wanted, how many connections are allowed, what is asked and what is answered can
be changed while it runs.
"""

from __future__ import annotations

import logging
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import asyncssh
import paramiko

from tests.storages.openssh_server import require

PASSWORD = "correct horse"
SFTP_SERVER = "/usr/lib/openssh/sftp-server"
STATUS, NAME, ATTRS = 101, 104, 105

_LOG = "tests.odd_sftp_server"
logging.getLogger(_LOG).setLevel(logging.CRITICAL)  # lines are cut on purpose here


class Packet(NamedTuple):
    """One request or answer; `request` is the type of the request that an answer belongs to."""

    kind: int
    number: int
    body: bytes
    request: int = 0

    def data(self) -> bytes:
        return struct.pack(">IBI", len(self.body) + 5, self.kind, self.number) + self.body

    def refused(self, code: int, text: bytes = b"No.") -> Packet:
        """Return the answer that refuses this request."""
        return Packet(STATUS, self.number, struct.pack(">I", code) + string(text) + string(b""))

    def first_string(self) -> bytes:
        return self.body[4 : 4 + struct.unpack(">I", self.body[:4])[0]]

    def after_first_string(self) -> bytes:
        return self.body[4 + len(self.first_string()) :]

    def without_extensions(self, missing: tuple[bytes, ...]) -> Packet:
        """Return the server's greeting without some extensions; it has no number, but a version in its place."""
        rest, kept = self.body, b""
        while rest:
            name, rest = _taken(rest)
            value, rest = _taken(rest)
            kept += b"" if name in missing else string(name) + string(value)
        return self._replace(body=kept)

    def listed(self) -> list[Listed]:
        """Return the names of a NAME answer."""
        (count,), rest = struct.unpack(">I", self.body[:4]), self.body[4:]
        found = []
        for _ in range(count):
            name, rest = _taken(rest)
            line, rest = _taken(rest)
            attributes, rest = Stated.taken(rest)
            found.append(Listed(name, line, attributes))
        return found

    def listing(self, listed: list[Listed]) -> Packet:
        """Return the answer with other names."""
        body = b"".join(string(each.name) + string(each.line) + each.attributes.data() for each in listed)
        return self._replace(body=struct.pack(">I", len(listed)) + body)

    def stating(self, change: Callable[[Stated], Stated]) -> Packet:
        """Return the ATTRS or NAME answer with other attributes."""
        if self.kind == ATTRS:
            return self._replace(body=change(Stated.taken(self.body)[0]).data())
        return self.listing([each._replace(attributes=change(each.attributes)) for each in self.listed()])


class Stated(NamedTuple):
    """The attributes as they are sent; None for what is left out."""

    size: int | None = None
    mode: int | None = None
    times: tuple[int, int] | None = None

    @classmethod
    def taken(cls, data: bytes) -> tuple[Stated, bytes]:
        (flags,), rest = struct.unpack(">I", data[:4]), data[4:]
        size = mode = times = None
        if flags & 1:
            (size,), rest = struct.unpack(">Q", rest[:8]), rest[8:]
        if flags & 2:
            rest = rest[8:]
        if flags & 4:
            (mode,), rest = struct.unpack(">I", rest[:4]), rest[4:]
        if flags & 8:
            times, rest = struct.unpack(">II", rest[:8]), rest[8:]
        return cls(size, mode, times), rest

    def data(self) -> bytes:
        flags = (self.size is not None) | (self.mode is not None) << 2 | (self.times is not None) << 3
        data = struct.pack(">I", flags)
        data += b"" if self.size is None else struct.pack(">Q", self.size)
        data += b"" if self.mode is None else struct.pack(">I", self.mode)
        return data + (b"" if self.times is None else struct.pack(">II", *self.times))


class Listed(NamedTuple):
    """One name of a listing."""

    name: bytes
    line: bytes
    attributes: Stated


def string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def _taken(data: bytes) -> tuple[bytes, bytes]:
    size = 4 + struct.unpack(">I", data[:4])[0]
    return data[4:size], data[size:]


@dataclass
class OddServer:
    """A running server. `ask` may answer a request itself, or change it; `say` may change an answer."""

    files: Path
    key: paramiko.PKey
    authorized: paramiko.PKey
    private_key: str
    listener: socket.socket
    ask: Callable[[Packet], Packet | None] = lambda packet: None
    say: Callable[[Packet], Packet] = lambda packet: packet
    proofs: tuple[str, ...] = ("password",)
    """The proofs that are wanted, one after the other."""
    max_connections: int | None = None
    refusal: str = "closed"
    """Way in which more connections are refused: "closed", "login", or "kicks", which ends the oldest one instead."""
    configure: Callable[[paramiko.Transport], None] = lambda transport: None
    connections: list[paramiko.Transport] = field(default_factory=list)
    logins: int = 0
    forwarded: list[tuple[str, int]] = field(default_factory=list)
    requests: list[Packet] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def parameters(self, **changes: Any) -> dict[str, Any]:
        found = {
            "host": "127.0.0.1",
            "port": self.port,
            "username": "owner",
            "password": PASSWORD,
            "host_key": f"{self.key.get_name()} {self.key.get_base64()}",
            "root": str(self.files),
        }
        return {name: value for name, value in (found | changes).items() if value is not None}

    def living(self) -> int:
        """Return how many connections are open."""
        self.connections = [transport for transport in self.connections if transport.is_active()]
        return len(self.connections)


@contextmanager
def odd_server(folder: Path) -> Iterator[OddServer]:
    """Run a server whose files and keys are in a folder."""
    require(SFTP_SERVER)
    files = folder / "files"
    files.mkdir()
    names = ("host", "ours")
    for name in names:
        (folder / name).write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    host, ours = (paramiko.Ed25519Key.from_private_key_file(str(folder / name)) for name in names)
    listener = socket.create_server(("127.0.0.1", 0))
    server = OddServer(files, host, ours, (folder / "ours").read_text(), listener)
    thread = threading.Thread(target=_accept, args=[server], daemon=True)
    thread.start()
    try:
        yield server
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        for transport in server.connections:
            transport.close()


def _accept(server: OddServer) -> None:
    while True:
        try:
            connection, _ = server.listener.accept()
        except OSError:
            return
        is_full = server.max_connections is not None and server.living() >= server.max_connections
        if is_full and server.refusal == "closed":
            connection.close()
            continue
        if is_full and server.refusal == "kicks":
            server.connections[0].close()
            is_full = False
        transport = paramiko.Transport(connection)
        transport.set_log_channel(_LOG)
        server.configure(transport)
        transport.add_server_key(server.key)
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Door(server, is_full=is_full), event=threading.Event())
        server.connections.append(transport)


class _Door(paramiko.ServerInterface):
    """Asks for the proofs, and lets through to the files."""

    def __init__(self, server: OddServer, *, is_full: bool) -> None:
        self._server, self._is_full, self._missing = server, is_full, list(server.proofs)

    def get_allowed_auths(self, username: str) -> str:
        return self._missing[0]

    def check_auth_password(self, username: str, password: str) -> int:
        return self._proved("password", password == PASSWORD)

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return self._proved("publickey", key == self._server.authorized)

    def _proved(self, method: str, is_right: bool) -> int:
        if self._is_full or self._missing[0] != method or not is_right:
            return int(paramiko.AUTH_FAILED)
        del self._missing[0]
        if self._missing:
            return int(paramiko.AUTH_PARTIALLY_SUCCESSFUL)
        self._server.logins += 1
        return int(paramiko.AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, channel_id: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_direct_tcpip_request(
        self, channel_id: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        if destination[0] == "forbidden.example":
            return int(paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)
        self._server.forwarded.append(destination)
        address = ("127.0.0.1", destination[1])
        threading.Thread(target=_forward, args=[self._server, channel_id, address], daemon=True).start()
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        threading.Thread(target=_serve, args=[self._server, channel], daemon=True).start()
        return True


def _forward(server: OddServer, channel_id: int, address: tuple[str, int]) -> None:
    transport = next(each for each in server.connections if each.is_active() and each.is_authenticated())
    channel = transport.accept(10)
    if channel is None:
        return
    with socket.create_connection(address, timeout=30) as beyond, closing(channel):
        back = threading.Thread(target=_pump, args=[beyond.recv, channel.sendall, channel.close], daemon=True)
        back.start()
        _pump(channel.recv, beyond.sendall, lambda: beyond.shutdown(socket.SHUT_RDWR))
        back.join(10)


def _pump(receive: Callable[[int], bytes], send: Callable[[bytes], Any], end: Callable[[], Any]) -> None:
    with suppress(OSError, EOFError):
        while data := receive(65536):
            send(data)
    with suppress(OSError, EOFError):
        end()


def _serve(server: OddServer, channel: paramiko.Channel) -> None:
    process = subprocess.Popen([SFTP_SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    kinds: dict[int, int] = {}
    sending = threading.Lock()
    answering = threading.Thread(target=_answer, args=[server, channel, process, kinds, sending], daemon=True)
    answering.start()
    with suppress(OSError, EOFError, struct.error):
        for packet in _packets(channel.recv):
            if packet.kind == 1:  # the client's greeting
                process.stdin.write(packet.data())
            else:
                server.requests.append(packet)
                asked = server.ask(packet) or packet
                if asked.kind in (STATUS, NAME, ATTRS):
                    with sending:
                        channel.sendall(asked.data())
                    continue
                kinds[packet.number] = packet.kind
                process.stdin.write(asked.data())
            process.stdin.flush()
    process.kill()
    process.wait()
    answering.join(10)
    with suppress(OSError):
        process.stdin.close()
    process.stdout.close()
    channel.close()


def _answer(
    server: OddServer,
    channel: paramiko.Channel,
    process: subprocess.Popen[bytes],
    kinds: dict[int, int],
    sending: threading.Lock,
) -> None:
    assert process.stdout is not None
    with suppress(OSError, EOFError, struct.error):
        for packet in _packets(process.stdout.read1):  # type: ignore[attr-defined]
            said = server.say(packet._replace(request=kinds.pop(packet.number, 0)))
            with sending:
                channel.sendall(said.data())


def _packets(receive: Callable[[int], bytes]) -> Iterator[Packet]:
    rest = b""
    while data := receive(65536):
        rest += data
        while len(rest) >= 9 and len(rest) >= 4 + struct.unpack(">I", rest[:4])[0]:
            size, kind, number = struct.unpack(">IBI", rest[:9])
            yield Packet(kind, number, rest[9 : 4 + size])
            rest = rest[4 + size :]
