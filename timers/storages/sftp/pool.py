"""Sessions that stay open between two pieces of work: a login costs more than copying a small file."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from timers.storages.sftp.session import SftpSession

IDLE = 60.0
MAX_IDLE_SESSIONS = 16
_TRUSTED = 3.0
"""For how long nobody asks a session that was just used whether it still lives."""


@dataclass(eq=False)
class Rested:
    """A session that nobody uses, and since when."""

    key: str
    session: SftpSession = field(repr=False)
    since: float


class SessionPool:
    """Idle sessions by account. Each is handed to one user at a time."""

    def __init__(
        self, *, idle: float = IDLE, most: int = MAX_IDLE_SESSIONS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._idle, self._most, self._clock = idle, most, clock
        self._lock = threading.Lock()
        self._rested: deque[Rested] = deque()  # the one used last is at the end
        self._timer: threading.Timer | None = None
        self._of_parent: list[Rested] = []

    def take(self, key: str, log_in: Callable[[], SftpSession]) -> SftpSession:
        """Return a living session of that account, a new one if there is none."""
        self.close_idle()
        while (rested := self._pop(key)) is not None:
            if not rested.session.is_lost and (self._clock() - rested.since < _TRUSTED or rested.session.is_alive()):
                return rested.session
            rested.session.end()
        return log_in()

    def give_back(self, key: str, session: SftpSession) -> None:
        """Keep a session for the next user; one that is lost or still busy is closed."""
        if session.is_lost or session.is_busy:
            session.end()
            return
        with self._lock:
            self._rested.append(Rested(key, session, self._clock()))
            leaving = [self._rested.popleft() for _ in range(len(self._rested) - self._most)]
            self._look_again()
        _end(leaving)

    def close_idle(self) -> None:
        """Close what nobody has used for too long."""
        with self._lock:
            leaving = []
            while self._rested and self._clock() - self._rested[0].since >= self._idle:
                leaving.append(self._rested.popleft())
        _end(leaving)

    def clear(self) -> None:
        """Close all that rest."""
        with self._lock:
            leaving = [*self._rested]
            self._rested.clear()
        _end(leaving)

    def forked(self) -> None:
        """Leave the parent process its sessions: in a child they are neither used nor closed, which would end them."""
        self._of_parent += self._rested
        self._lock, self._rested, self._timer = threading.Lock(), deque(), None

    def _pop(self, key: str) -> Rested | None:
        with self._lock:
            for rested in reversed(self._rested):
                if rested.key == key:
                    self._rested.remove(rested)
                    return rested
        return None

    def _look_again(self) -> None:
        """See to it that idle sessions are closed also when nobody comes any more."""
        if self._timer is None and self._rested:
            self._timer = threading.Timer(self._idle, self._on_time)
            self._timer.daemon = True
            self._timer.start()

    def _on_time(self) -> None:
        self.close_idle()
        with self._lock:
            self._timer = None
            self._look_again()


def _end(leaving: list[Rested]) -> None:
    for rested in leaving:
        rested.session.end()


SESSIONS = SessionPool()
os.register_at_fork(after_in_child=SESSIONS.forked)
