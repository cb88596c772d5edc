"""A connected socket as the SMB library expects its transport: whole packets, of a limited size and in limited time."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import Any

MAX_PACKET_BYTES = 16 * 1024 * 1024
SILENT_SECONDS = 60.0
"""Time without a byte after which the server is asked for a sign of life."""

_LENGTH = struct.Struct(">I")


class SocketTransport:
    """Packets over a socket. One thread receives, others send and close."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(SILENT_SECONDS)
        self._socket = connected
        self._sending = threading.Lock()
        self.connected = True

    def connect(self) -> None:
        """The socket is connected already."""

    def send(self, packet: Any) -> None:
        """Send one packet, bytes or a structure of the library; raises OSError."""
        content = packet if isinstance(packet, bytes) else packet.pack()
        if len(content) >= MAX_PACKET_BYTES:
            raise ValueError("The packet is too long.")
        with self._sending:
            self._socket.sendall(_LENGTH.pack(len(content)) + content)

    def recv(self, _: float) -> bytes:
        """Return the next packet; nothing at the end. Raises TimeoutError where none begins in time."""
        length = self._receive(_LENGTH.size)
        if not length:
            return b""
        size = _LENGTH.unpack(length)[0]
        if size >= MAX_PACKET_BYTES:
            raise ConnectionError("The server sent no SMB packet.")
        try:
            return self._receive(size)
        except TimeoutError as error:
            raise ConnectionError("The server stopped in the middle of a packet.") from error

    def close(self) -> None:
        """Close the connection, also while another thread receives."""
        self.connected = False
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _receive(self, size: int) -> bytes:
        buffer = bytearray(size)
        view, filled = memoryview(buffer), 0
        while filled < size:
            try:
                count = self._socket.recv_into(view[filled:])
            except TimeoutError as error:
                if filled:
                    raise ConnectionError("The server stopped in the middle of a packet.") from error
                raise
            except OSError:
                count = 0
            if not count:
                self.close()
                return b""
            filled += count
        return bytes(buffer)
