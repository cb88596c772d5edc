"""Small servers on loopback that answer exactly as a test scripts them, also as no sane server would."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Reply = Callable[[socket.socket, threading.Event], None]


@dataclass
class Scripted:
    """A running server. `requests` are the raw requests it has read; `closing` is set when the test is over."""

    host: str
    port: int
    requests: list[bytes] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/", *, scheme: str = "http", host: str | None = None) -> str:
        return f"{scheme}://{host or self.host}:{self.port}{path}"

    def head(self, number: int = -1) -> dict[str, str]:
        """Return the headers of a request, names in lower case."""
        lines = self.requests[number].partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def body(self, number: int = -1) -> bytes:
        return self.requests[number].partition(b"\r\n\r\n")[2]


def says(content: bytes) -> Reply:
    """Answer with these bytes and hang up."""
    return lambda connection, closing: connection.sendall(content)


def answers(body: bytes = b"", *headers: str, status: str = "200 OK") -> Reply:
    """Answer with a whole and honest response."""
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return says(head.encode() + b"\r\n\r\n" + body)


def drips(start: bytes, drop: bytes = b"x", *, pause: float = 0.02) -> Reply:
    """Answer with a beginning and then one drop after the other, without end."""

    def drip(connection: socket.socket, closing: threading.Event) -> None:
        connection.sendall(start)
        while not closing.wait(pause):
            connection.sendall(drop)

    return drip


def stays_silent(connection: socket.socket, closing: threading.Event) -> None:
    """Keep the connection and say nothing."""
    closing.wait()


@contextmanager
def scripted(
    *replies: Reply, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, reads: bool = True
) -> Iterator[Scripted]:
    """Serve: each connection gets the next reply, the last one again and again. `reads=False`: never read."""
    listener = socket.create_server((host, 0), backlog=64)
    server = Scripted(host=host, port=listener.getsockname()[1])
    accepting = threading.Thread(target=_accept, args=(listener, server, replies, tls, reads), daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        server.closing.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(5)


def _accept(
    listener: socket.socket, server: Scripted, replies: tuple[Reply, ...], tls: ssl.SSLContext | None, reads: bool
) -> None:
    count = 0
    with suppress(OSError):
        while not server.closing.is_set():
            connection, _ = listener.accept()
            reply = replies[min(count, len(replies) - 1)]
            count += 1
            threading.Thread(target=_serve, args=(connection, server, reply, tls, reads), daemon=True).start()


def _serve(connection: socket.socket, server: Scripted, reply: Reply, tls: ssl.SSLContext | None, reads: bool) -> None:
    connection.settimeout(10)
    with suppress(OSError), tls.wrap_socket(connection, server_side=True) if tls else connection as speaking:
        if reads:
            server.requests.append(_read(speaking))
        reply(speaking, server.closing)
        with suppress(OSError):
            speaking.shutdown(socket.SHUT_RDWR)


def _read(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < int(lengths[0] if lengths else 0):
        body += _some(connection)
    return head + b"\r\n\r\n" + body


def _some(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    if not chunk:
        raise ConnectionError("hung up in the middle of a request")
    return chunk


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for some names."""

    path: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context

    def trusting(self) -> ssl.SSLContext:
        """Return a client's context that trusts this certificate and no other."""
        return ssl.create_default_context(cafile=str(self.path))


def certificate(folder: Path, *names: str) -> Certificate:
    """Make a certificate and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(issuer, issuer, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{names[0]}.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return Certificate(path)
