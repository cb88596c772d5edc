"""A socket that receives everything available at once.

The SSH library reads each packet in two steps, its head and its rest.

Every system call lets other threads run, which costs more than the call.
"""

from __future__ import annotations

import socket
from typing import Self

_RECEIVE_BYTES = 128 * 1024


class BufferedSocket(socket.socket):
    """A connected socket that is read by `recv` only, and by one thread."""

    _buffer = b""
    _consumed = 0

    @classmethod
    def replacing(cls, connected: socket.socket) -> Self:
        """Return a socket in place of another one, which must not be used any more."""
        timeout = connected.gettimeout()
        buffered = cls(fileno=connected.detach())
        buffered.settimeout(timeout)
        return buffered

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        if self._consumed == len(self._buffer):
            self._buffer, self._consumed = super().recv(max(size, _RECEIVE_BYTES), flags), 0
        data = self._buffer[self._consumed : self._consumed + size]
        self._consumed += len(data)
        return data
