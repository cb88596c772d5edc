"""Formats of log lines: text for people, or one JSON object a line for programs.

Every record may carry `event`, a fixed name, and ids in `extra`; docs/operations.md lists the events.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import Any, BinaryIO, TextIO
from uuid import UUID

from timersite import env

FORMATS = ("text", "json")
NO_EVENT = "log"
"""The event of records without one."""

PRINTED = "printed"
"""The event of lines written to a standard stream without a logger."""

MAX_LINE_CHARACTERS = 32 * 1024

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Fields that every record has; all others come from `extra`."""

_SHOWN = (str, int, float, UUID, datetime, list, tuple, type(None))


def chosen_format() -> str:
    """Return the format named by TIMERS_LOG_FORMAT."""
    return env.choice("TIMERS_LOG_FORMAT", "text", among=FORMATS)


def formatter() -> logging.Formatter:
    """Return the formatter for TIMERS_LOG_FORMAT."""
    return JsonFormatter() if chosen_format() == "json" else TextFormatter()


class TextFormatter(logging.Formatter):
    """Formatter of text lines: instant in UTC, level, logger, message, and the fields of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        extra = "".join(f" {name}={_plain(value)}" for name, value in _extra(record).items())
        line = f"{_instant(record)} {record.levelname} {record.name}: {record.getMessage()}{extra}"
        return "\n".join([line, *filter(None, [_traceback(self, record)])])


class JsonFormatter(logging.Formatter):
    """Formatter of JSON lines: time, level, event, logger, message, and the fields of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        extra = _extra(record)
        document: dict[str, Any] = {
            "time": _instant(record),
            "level": record.levelname,
            "event": extra.pop("event", NO_EVENT),
            "logger": record.name,
            "message": record.getMessage(),
            **extra,
        }
        if traceback := _traceback(self, record):
            document["traceback"] = traceback
        return _json(document)


def keep_printed_lines() -> None:
    """Turn each line that this process prints from now on into a JSON object, if the format is JSON."""
    if chosen_format() == "json":
        sys.stdout = _PrintedLines(sys.stdout, "INFO")  # type: ignore[assignment]
        sys.stderr = _PrintedLines(sys.stderr, "WARNING")  # type: ignore[assignment]


class _PrintedLines(io.TextIOBase):
    """A standard stream that writes its lines as JSON objects. Each thread has its own line buffer."""

    def __init__(self, stream: TextIO, level: str) -> None:
        self._stream, self._level = stream, level
        self._begun = threading.local()

    def write(self, text: str) -> int:
        *lines, rest = (getattr(self._begun, "line", "") + text).split("\n")
        if len(rest) > MAX_LINE_CHARACTERS:
            lines, rest = [*lines, rest], ""
        self._begun.line = rest
        for line in lines:
            self._write_line(line)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return False

    @property
    def buffer(self) -> BinaryIO:
        """The stream of bytes below. Bytes written to it are passed on unchanged."""
        return self._stream.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def _write_line(self, line: str) -> None:
        if line.strip():
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            document = {"time": now, "level": self._level, "event": PRINTED, "message": line}
            self._stream.write(f"{_json(document)}\n")
            self._stream.flush()


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of `extra`, without objects: a request, for example, would show its URL with secrets."""
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {name: value for name, value in extra.items() if isinstance(value, _SHOWN)}


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Return the traceback and stack of a record, empty text when there are none."""
    raised = formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
    return "\n".join(filter(None, [raised, formatter.formatStack(record.stack_info) if record.stack_info else ""]))


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, default=str)


def _plain(value: Any) -> str:
    """Return a value of `extra` for a line of text, quoted if it contains blanks or is empty."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(character.isspace() for character in text) or not text else text
