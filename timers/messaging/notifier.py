"""Notifiers: let a process wait until another one has committed something, instead of polling.

In PostgreSQL a notifier listens on a connection of its own; beside an SQLite file it reads from a named pipe.
`timers.messaging.queue` sends the notifications. One may come without a cause, and one may get lost: callers bound
their waits.
"""

from __future__ import annotations

import contextlib
import os
import select
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from django.db import connection, connections

from timers.messaging import queue


class Notifier(ABC):
    """One subscription of this process to one channel."""

    def __init__(self) -> None:
        self._interrupted, self._interrupt = os.pipe()
        os.set_blocking(self._interrupted, False)
        os.set_blocking(self._interrupt, False)

    def wait(self, seconds: float) -> bool:
        """Wait for a notification; return whether one came before the time was over or the wait was interrupted."""
        poll = select.poll()
        poll.register(self._interrupted, select.POLLIN)
        source = self._descriptor()
        if source is not None:
            poll.register(source, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(max(0.0, seconds) * 1000)}
        if self._interrupted in ready:
            _empty(self._interrupted)
        if source in ready:
            self._drain()
        return source in ready

    def interrupt(self) -> None:
        """End the present wait, or the next one; may be called by a signal handler or another thread."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._interrupt, b".")

    def close(self) -> None:
        os.close(self._interrupted)
        os.close(self._interrupt)

    @abstractmethod
    def _descriptor(self) -> int | None: ...

    @abstractmethod
    def _drain(self) -> None: ...


class PostgresNotifier(Notifier):
    """LISTEN on a connection that does nothing else."""

    def __init__(self, channel: str) -> None:
        super().__init__()
        self._wrapper: Any = connections.create_connection("default")
        self._wrapper.ensure_connection()
        self._wrapper.connection.execute(f"listen {channel}")

    def close(self) -> None:
        super().close()
        self._wrapper.close()

    def _descriptor(self) -> int:
        return self._wrapper.connection.fileno()

    def _drain(self) -> None:
        for _ in self._wrapper.connection.notifies(timeout=0):
            pass


class PipeNotifier(Notifier):
    """A named pipe in a folder that all processes on one SQLite file know."""

    def __init__(self, folder: Path, channel: str) -> None:
        super().__init__()
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / f"{channel}.{os.getpid()}.{id(self):x}"
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        os.mkfifo(self._path, 0o660)
        # opened for writing too: else the pipe is at its end whenever nobody writes
        self._pipe = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)

    def close(self) -> None:
        super().close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        os.close(self._pipe)

    def _descriptor(self) -> int:
        return self._pipe

    def _drain(self) -> None:
        _empty(self._pipe)


class NullNotifier(Notifier):
    """Notifier for a database in memory, which no other process can see."""

    def _descriptor(self) -> None:
        return None

    def _drain(self) -> None: ...


def subscribe(channel: str) -> Notifier:
    """Return a notifier of this process for the channel; it hears what is committed from now on."""
    if connection.vendor == "postgresql":
        return PostgresNotifier(channel)
    folder = queue.pipe_folder(connection.settings_dict["NAME"])
    return NullNotifier() if folder is None else PipeNotifier(folder, channel)


def _empty(descriptor: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(descriptor, 4096):
            pass
