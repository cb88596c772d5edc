"""Sessions that stay open between uses: a login costs more than copying a small file."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from timers.storages.sftp.session import SftpSession

MAX_IDLE_SECONDS = 60.0
MAX_IDLE_SESSIONS = 16
_TRUSTED_SECONDS = 3.0
"""Time after its use in which a session is reused without a check whether it is alive."""


@dataclass(eq=False)
class IdleSession:
    """A session that is not used, and since when."""

    key: str
    session: SftpSession = field(repr=False)
    since: float


class SessionPool:
    """Idle sessions by account. Each is given to one user at a time."""

    def __init__(
        self,
        *,
        max_idle_seconds: float = MAX_IDLE_SECONDS,
        max_sessions: int = MAX_IDLE_SESSIONS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_idle_seconds, self._max_sessions, self._clock = max_idle_seconds, max_sessions, clock
        self._lock = threading.Lock()
        self._idle_sessions: deque[IdleSession] = deque()  # the session used last is at the end
        self._timer: threading.Timer | None = None
        self._parent_sessions: list[IdleSession] = []

    def acquire(self, key: str, log_in: Callable[[], SftpSession]) -> SftpSession:
        """Return a living session of that account, a new one if there is none."""
        self.close_idle()
        while (idle_session := self._pop(key)) is not None:
            if not idle_session.session.is_lost and (
                self._clock() - idle_session.since < _TRUSTED_SECONDS or idle_session.session.is_alive()
            ):
                return idle_session.session
            idle_session.session.end()
        return log_in()

    def release(self, key: str, session: SftpSession) -> None:
        """Keep a session for the next user; a session that is lost or still busy is closed."""
        if session.is_lost or session.is_busy:
            session.end()
            return
        with self._lock:
            self._idle_sessions.append(IdleSession(key, session, self._clock()))
            closing = [self._idle_sessions.popleft() for _ in range(len(self._idle_sessions) - self._max_sessions)]
            self._schedule_close()
        _end_all(closing)

    def close_idle(self) -> None:
        """Close the sessions that have been idle for too long."""
        with self._lock:
            closing = []
            while self._idle_sessions and self._clock() - self._idle_sessions[0].since >= self._max_idle_seconds:
                closing.append(self._idle_sessions.popleft())
        _end_all(closing)

    def clear(self) -> None:
        """Close all idle sessions."""
        with self._lock:
            closing = [*self._idle_sessions]
            self._idle_sessions.clear()
        _end_all(closing)

    def after_fork(self) -> None:
        """Leave the sessions to the parent process: a child neither uses nor closes them, which would end them."""
        self._parent_sessions += self._idle_sessions
        self._lock, self._idle_sessions, self._timer = threading.Lock(), deque(), None

    def _pop(self, key: str) -> IdleSession | None:
        with self._lock:
            for idle_session in reversed(self._idle_sessions):
                if idle_session.key == key:
                    self._idle_sessions.remove(idle_session)
                    return idle_session
        return None

    def _schedule_close(self) -> None:
        """Schedule a timer that closes idle sessions even when the pool is not used any more."""
        if self._timer is None and self._idle_sessions:
            self._timer = threading.Timer(self._max_idle_seconds, self._close_on_time)
            self._timer.daemon = True
            self._timer.start()

    def _close_on_time(self) -> None:
        self.close_idle()
        with self._lock:
            self._timer = None
            self._schedule_close()


def _end_all(closing: list[IdleSession]) -> None:
    for idle_session in closing:
        idle_session.session.end()


SESSIONS = SessionPool()
os.register_at_fork(after_in_child=SESSIONS.after_fork)
