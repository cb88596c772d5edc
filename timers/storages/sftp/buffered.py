"""A socket that takes in at once what has come: the SSH library asks for each packet twice, for its head and its rest.

Every question to the system lets other threads run, which costs more than the question.
"""

from __future__ import annotations

import socket
from typing import Self

_AT_ONCE = 128 * 1024


class BufferedSocket(socket.socket):
    """A connected socket that is only read by `recv`, and by one thread."""

    _held = b""
    _used = 0

    @classmethod
    def of(cls, connected: socket.socket) -> Self:
        """Return a socket in the place of another one, which is of no more use then."""
        timeout = connected.gettimeout()
        made = cls(fileno=connected.detach())
        made.settimeout(timeout)
        return made

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        if self._used == len(self._held):
            self._held, self._used = super().recv(max(size, _AT_ONCE), flags), 0
        data = self._held[self._used : self._used + size]
        self._used += len(data)
        return data
