"""Sessions that stay open between uses, and that are shared where a server allows no more of them.

A login costs more than copying a small file, so a session that is not used waits for the next user for a while. Each
session has one user, until the server refuses another login while a session of the account is open: from then on as
many are used as it allows, each by several users at a time, and none is kept idle that another process may need.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from timers.errors import ExternalError
from timers.storages.sftp.session import SftpSession

MAX_IDLE_SECONDS = 5.0
"""Longest time in seconds that a session waits for its next user.

Some servers allow one connection for an account, and the next user may be in another process.
"""
MAX_IDLE_SESSIONS = 16
LIMIT_VALID_SECONDS = 300.0
"""Time after which a server is asked again for more connections than it allowed."""

_TRUSTED_SECONDS = 3.0
"""Time after its use in which a session is reused without a check whether it is alive."""
_RETRY_SECONDS = (0.0, 0.1, 0.3, 1.0)
"""Pauses before the attempts of a login after sessions of the same server were closed: it may notice that late."""
_CLOSED_RECENTLY_SECONDS = 5.0
_LOGIN_WAIT_SECONDS = 30.0
_FINAL_REASONS = {"host_key_refused", "target_refused"}


@dataclass(eq=False)
class PooledSession:
    """A session, the number of its users, and since when it has none."""

    key: str
    session: SftpSession = field(repr=False)
    users: int = 1
    since: float = 0.0


@dataclass(frozen=True)
class _ConnectionLimit:
    """How many sessions a server allows for an account, and until when we believe that."""

    sessions: int
    until: float


class SessionPool:
    """Sessions by account. The key of an account begins with its server's name and a blank."""

    def __init__(
        self,
        *,
        max_idle_seconds: float = MAX_IDLE_SECONDS,
        max_sessions: int = MAX_IDLE_SESSIONS,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._max_idle_seconds, self._max_sessions = max_idle_seconds, max_sessions
        self._clock, self._wait = clock, wait
        self._timer: threading.Timer | None = None
        self._parent_sessions: list[PooledSession] = []
        self._reset()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._idle: deque[PooledSession] = deque()  # the session used last is at the end
        self._used: list[PooledSession] = []
        self._logins: Counter[str] = Counter()
        self._limits: dict[str, _ConnectionLimit] = {}
        self._closed: dict[str, float] = {}
        """When a session of each server was closed last."""

    def acquire(self, key: str, log_in: Callable[[], SftpSession]) -> SftpSession:
        """Return a living session of that account: an idle one, a new one, or a used one if there are no others."""
        self.close_idle()
        while (pooled := self._pop(key)) is not None:
            if not pooled.session.is_lost and (
                self._clock() - pooled.since < _TRUSTED_SECONDS or pooled.session.is_alive()
            ):
                return self._use(pooled)
            self._end([pooled])
        shared = self._at_limit(key)
        return shared if shared is not None else self._log_in(key, log_in)

    def release(self, key: str, session: SftpSession, *, in_use: bool = False) -> None:
        """Keep a session for the next user; one that is lost or still busy is closed.

        With `in_use` its user stops in the middle of something: the session is closed for its other users too.
        """
        with self._changed:
            pooled = next((pooled for pooled in self._used if pooled.session is session), None)
            pooled = pooled or PooledSession(key, session)
            pooled.users -= 1
            if pooled.users > 0 and not in_use and not session.is_lost:
                return
            if pooled in self._used:
                self._used.remove(pooled)
            if session.is_lost and (living := self._living(key)):  # the server may end one when it is asked for another
                self._limits[key] = _ConnectionLimit(len(living), self._clock() + LIMIT_VALID_SECONDS)
        if in_use or session.is_lost or session.is_busy or self._limit(key) is not None:
            self._end([pooled])
            return
        pooled.users, pooled.since = 0, self._clock()
        with self._changed:
            self._idle.append(pooled)
            closing = [self._idle.popleft() for _ in range(len(self._idle) - self._max_sessions)]
            self._schedule_close()
        self._end(closing)

    def close_idle(self) -> None:
        """Close the sessions that have been idle for too long."""
        with self._changed:
            closing = []
            while self._idle and self._clock() - self._idle[0].since >= self._max_idle_seconds:
                closing.append(self._idle.popleft())
        self._end(closing)

    def clear(self) -> None:
        """Close all idle sessions, and forget what servers allow."""
        with self._changed:
            closing = [*self._idle]
            self._idle.clear()
            self._limits.clear()
        self._end(closing)

    def after_fork(self) -> None:
        """Leave the sessions to the parent process: a child neither uses nor closes them, which would end them."""
        self._parent_sessions += [*self._idle, *self._used]
        self._timer = None
        self._reset()

    # Logins

    def _log_in(self, key: str, log_in: Callable[[], SftpSession]) -> SftpSession:
        with self._changed:
            self._logins[key] += 1
        try:
            session = log_in()
        except ExternalError as error:
            refusal = error
        else:
            return self._use(PooledSession(key, session, users=0))
        finally:
            with self._changed:
                self._logins[key] -= 1
                self._changed.notify_all()
        if refusal.reason in _FINAL_REASONS:
            raise refusal
        shared = self._share(key)
        if shared is None and refusal.reason == "login_failed":  # a wrong password is not tried again and again
            raise refusal
        return shared or self._log_in_again(key, log_in, refusal)

    def _share(self, key: str) -> SftpSession | None:
        """Return a session that has a user already, and remember that the server allows no more; None without one.

        Another login of the same account that is under way is waited for.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._logins[key] or self._living(key), _LOGIN_WAIT_SECONDS)
            living = self._living(key)
            if not living:
                return None
            self._limits[key] = _ConnectionLimit(len(living), self._clock() + LIMIT_VALID_SECONDS)
            return _least_used(living)

    def _log_in_again(self, key: str, log_in: Callable[[], SftpSession], refusal: ExternalError) -> SftpSession:
        """Give back the idle sessions of this server, which it may count, and try again; else raise the refusal."""
        with self._changed:
            closing = [pooled for pooled in self._idle if _server(pooled.key) == _server(key)]
            for pooled in closing:
                self._idle.remove(pooled)
        self._end(closing)
        if self._clock() - self._closed.get(_server(key), -_CLOSED_RECENTLY_SECONDS) >= _CLOSED_RECENTLY_SECONDS:
            raise refusal
        began = self._clock()
        for seconds in _RETRY_SECONDS:
            if self._clock() - began > _CLOSED_RECENTLY_SECONDS:
                break
            self._wait(seconds)
            try:
                return self._use(PooledSession(key, log_in(), users=0))
            except ExternalError as error:
                refusal = error
        raise refusal

    def _at_limit(self, key: str) -> SftpSession | None:
        """Return a session to be shared if the server is known to allow no more of them."""
        limit = self._limit(key)
        with self._changed:
            living = self._living(key)
            return _least_used(living) if limit is not None and len(living) >= limit.sessions else None

    def _limit(self, key: str) -> _ConnectionLimit | None:
        limit = self._limits.get(key)
        return limit if limit is not None and self._clock() < limit.until else None

    def _living(self, key: str) -> list[PooledSession]:
        return [pooled for pooled in self._used if pooled.key == key and not pooled.session.is_lost]

    def _use(self, pooled: PooledSession) -> SftpSession:
        with self._changed:
            pooled.users += 1
            self._used.append(pooled)
            self._changed.notify_all()
        return pooled.session

    def _end(self, closing: Iterable[PooledSession]) -> None:
        for pooled in closing:
            pooled.session.end()
            self._closed[_server(pooled.key)] = self._clock()

    def _pop(self, key: str) -> PooledSession | None:
        with self._changed:
            for pooled in reversed(self._idle):
                if pooled.key == key:
                    self._idle.remove(pooled)
                    return pooled
        return None

    def _schedule_close(self) -> None:
        """Schedule a timer that closes idle sessions even when the pool is not used any more."""
        if self._timer is None and self._idle:
            self._timer = threading.Timer(self._max_idle_seconds, self._close_on_time)
            self._timer.daemon = True
            self._timer.start()

    def _close_on_time(self) -> None:
        self.close_idle()
        with self._changed:
            self._timer = None
            self._schedule_close()


def _least_used(living: list[PooledSession]) -> SftpSession:
    pooled = min(living, key=lambda candidate: candidate.users)
    pooled.users += 1
    return pooled.session


def _server(key: str) -> str:
    return key.partition(" ")[0]


SESSIONS = SessionPool()
os.register_at_fork(after_in_child=SESSIONS.after_fork)
