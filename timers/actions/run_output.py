"""What a function says while it runs: its log records and what it prints, kept with the attempt.

Each thread has its own; what is said outside a run goes where it always went, and so does all the rest as well.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any, TextIO

from timers import clock

MAX_LINES = 200
MAX_CHARACTERS = 32 * 1024
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
        while len(kept) > MAX_LINES or self._size > MAX_CHARACTERS:
            self._size -= len(kept.pop(0)["text"])
            self._notes["log_truncated"] = True

    def write(self, level: str, text: str) -> None:
        """Take what is printed, which ends a line now or later."""
        *lines, rest = (self.unfinished.pop(level, "") + text).split("\n")
        for line in lines:
            self.add(level, line)
        if rest:
            self.unfinished[level] = rest[:MAX_CHARACTERS]


class KeptOutput:
    """Keeps in `notes` what this thread says: `log`, a list of lines, and `log_truncated` when there were more."""

    def __init__(self, notes: dict[str, Any]) -> None:
        self._lines = _LastLines(notes)

    def __enter__(self) -> None:
        _listen()
        self._before = getattr(_local, "lines", None)
        _local.lines = self._lines

    def __exit__(self, *_: object) -> None:
        _local.lines = self._before
        for level, rest in list(self._lines.unfinished.items()):
            self._lines.add(level, rest)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        lines: _LastLines | None = getattr(_local, "lines", None)
        if lines is not None:
            try:
                lines.add(record.levelname, self.format(record))
            except Exception:
                self.handleError(record)


class _AsBefore(logging.Filter):
    """Lets the other handlers show what they showed before the root logger was opened for what runs say."""

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
    """A standard stream whose lines are kept with the run that writes them."""

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
_listening = threading.Lock()


def _listen() -> None:
    """See to it that log records and both streams come by here; cheap when they do already."""
    root = logging.getLogger()
    if type(sys.stdout) is _Tee and type(sys.stderr) is _Tee and _handler in root.handlers:
        return
    with _listening:
        if type(sys.stdout) is not _Tee:
            sys.stdout = _Tee(sys.stdout, "INFO")  # type: ignore[assignment]
        if type(sys.stderr) is not _Tee:
            sys.stderr = _Tee(sys.stderr, "WARNING")  # type: ignore[assignment]
        if _handler not in root.handlers:
            if root.level > logging.INFO:
                for handler in root.handlers:
                    handler.addFilter(_AsBefore(root.level))
                root.setLevel(logging.INFO)
            root.addHandler(_handler)
