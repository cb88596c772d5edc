"""Threads that carry out actions, and how one is stopped whose action takes too long."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class ActionTimedOut(BaseException):
    """Raised inside an action whose time is over. The attempt is recorded already, whatever becomes of the thread."""


class ThreadGroup:
    """Daemon threads that carry out one target; `number` counts them until they end or are given up."""

    def __init__(self, target: Callable[[], object], *, name: str) -> None:
        self.number = 0
        self._target = target
        self._name = name
        self._lock = threading.Lock()
        self._members: set[int] = set()

    def __contains__(self, thread: int) -> bool:
        return thread in self._members

    def start(self) -> None:
        """Start one more thread."""
        with self._lock:
            self.number += 1
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def give_up(self, thread: int) -> None:
        """Count this thread as gone, if it is one of these, and have it stopped as soon as it runs Python."""
        with self._lock:
            if thread in self._members:  # else it has left, and its number may be another thread's by now
                self._leave(thread)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(ActionTimedOut))

    def _run(self) -> None:
        me = threading.get_ident()
        with self._lock:
            self._members.add(me)
        try:
            self._target()
        except ActionTimedOut:
            pass
        except BaseException:
            log.exception("The thread %s died.", self._name)
        finally:
            with self._lock:
                if me in self._members:
                    self._leave(me)

    def _leave(self, thread: int) -> None:
        self._members.discard(thread)
        self.number -= 1
