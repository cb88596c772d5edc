"""Output of a function while it runs: its log records and everything it prints, kept with the attempt.

Each thread has its own output. All output also goes where it went before, as does everything written outside a run.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any, TextIO

from timers import clock

MAX_LINES = 200
MAX_LOG_CHARACTERS = 32 * 1024
MAX_LINE_LENGTH = 4 * 1024

_local = threading.local()


class _LastLines:
    """The last lines of one run, in the notes of its attempt."""

    def __init__(self, notes: dict[str, Any]) -> None:
        self._notes = notes
        self._size = 0
        self.unfinished: dict[str, str] = {}

    def add(self, level: str, text: str) -> None:
        kept: list[dict[str, str]] = self._notes.setdefault("log", [])
        text = text.replace("\x00", "")
        kept.append({"at": clock.now().isoformat(), "level": level, "text": text[:MAX_LINE_LENGTH]})
        self._size += len(kept[-1]["text"])
        while len(kept) > MAX_LINES or self._size > MAX_LOG_CHARACTERS:
            self._size -= len(kept.pop(0)["text"])
            self._notes["log_truncated"] = True

    def write(self, level: str, text: str) -> None:
        """Add printed text, which may end in the middle of a line."""
        *lines, remainder = (self.unfinished.pop(level, "") + text).split("\n")
        for line in lines:
            self.add(level, line)
        if remainder:
            self.unfinished[level] = remainder[:MAX_LOG_CHARACTERS]


class KeptOutput:
    """Keeps this thread's output in `notes`: `log`, a list of lines, and `log_truncated` when there were more."""

    def __init__(self, notes: dict[str, Any]) -> None:
        self._lines = _LastLines(notes)

    def __enter__(self) -> None:
        _install()
        self._before = getattr(_local, "lines", None)
        _local.lines = self._lines

    def __exit__(self, *_: object) -> None:
        _local.lines = self._before
        for level, remainder in list(self._lines.unfinished.items()):
            self._lines.add(level, remainder)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        lines: _LastLines | None = getattr(_local, "lines", None)
        if lines is not None:
            try:
                lines.add(record.levelname, self.format(record))
            except Exception:
                self.handleError(record)


class _FormerLevel(logging.Filter):
    """Filter that keeps the other handlers at the root logger's former level.

    The root logger itself is opened for the output of runs.
    """

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level

    def filter(self, record: logging.LogRecord) -> bool:
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None and logger.parent is not None:
            if logger.level:
                return True
            logger = logger.parent
        return record.levelno >= self._level


class _Tee:
    """A standard stream whose lines are also kept with the run that writes them."""

    def __init__(self, stream: TextIO, level: str) -> None:
        self._stream, self._level = stream, level

    def write(self, text: str) -> int:
        lines: _LastLines | None = getattr(_local, "lines", None)
        if lines is not None:
            lines.write(self._level, text)
        return self._stream.write(text)

    def writelines(self, texts: Any) -> None:
        for text in texts:
            self.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


_handler = _Handler()
_install_lock = threading.Lock()


def _install() -> None:
    """Install the log handler and both stream wrappers; cheap when they are installed already."""
    root = logging.getLogger()
    if type(sys.stdout) is _Tee and type(sys.stderr) is _Tee and _handler in root.handlers:
        return
    with _install_lock:
        if type(sys.stdout) is not _Tee:
            sys.stdout = _Tee(sys.stdout, "INFO")  # type: ignore[assignment]
        if type(sys.stderr) is not _Tee:
            sys.stderr = _Tee(sys.stderr, "WARNING")  # type: ignore[assignment]
        if _handler not in root.handlers:
            if root.level > logging.INFO:
                for handler in root.handlers:
                    handler.addFilter(_FormerLevel(root.level))
                root.setLevel(logging.INFO)
            root.addHandler(_handler)
