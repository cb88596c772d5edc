"""How log lines look: text for people, or one JSON object a line for programs.

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
"""The event of records that carry none."""

PRINTED = "printed"
"""The event of lines that reach a standard stream past the loggers."""

MAX_LINE_CHARACTERS = 32 * 1024

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""The fields that every record has; the others were given in `extra`."""

_SHOWN = (str, int, float, UUID, datetime, list, tuple, type(None))


def chosen_format() -> str:
    """Return which format TIMERS_LOG_FORMAT asks for."""
    return env.choice("TIMERS_LOG_FORMAT", "text", among=FORMATS)


def formatter() -> logging.Formatter:
    """Return the formatter that TIMERS_LOG_FORMAT asks for."""
    return JsonFormatter() if chosen_format() == "json" else TextFormatter()


class TextFormatter(logging.Formatter):
    """One line of text: instant in UTC, level, logger, message, and what `extra` holds."""

    def format(self, record: logging.LogRecord) -> str:
        extra = "".join(f" {name}={_plain(value)}" for name, value in _extra(record).items())
        line = f"{_instant(record)} {record.levelname} {record.name}: {record.getMessage()}{extra}"
        return "\n".join([line, *filter(None, [_traceback(self, record)])])


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, event, logger, message, and what `extra` holds."""

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
    """Make a JSON object of each line that this process prints from now on, where JSON is asked for."""
    if chosen_format() == "json":
        sys.stdout = _PrintedLines(sys.stdout, "INFO")  # type: ignore[assignment]
        sys.stderr = _PrintedLines(sys.stderr, "WARNING")  # type: ignore[assignment]


class _PrintedLines(io.TextIOBase):
    """A standard stream whose lines become JSON objects; each thread writes its own lines."""

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
        """Return the stream of bytes below, for whoever writes to that: it is passed on as it is."""
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
    """Return what `extra` holds. Objects are left out: a request, for one, shows its address with the secrets in it."""
    given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {name: value for name, value in given.items() if isinstance(value, _SHOWN)}


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Return the traceback and the stack that belong to a record, empty text when there are none."""
    raised = formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
    return "\n".join(filter(None, [raised, formatter.formatStack(record.stack_info) if record.stack_info else ""]))


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, default=str)


def _plain(value: Any) -> str:
    """Return a value of `extra` as it stands in a line of text: quoted where blanks would make it two."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(each.isspace() for each in text) or not text else text
