"""Log lines in both formats."""

from __future__ import annotations

import io
import json
import logging
import sys
from uuid import UUID

import pytest

from timersite import logs
from timersite.env import SettingError

AN_ID = UUID("6c54cade-bde5-45c1-bdea-f4bd71dba2cc")


def _keep_printed_lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return what standard output receives from now on."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    logs.keep_printed_lines()
    return stream


def _record(message: str = "Took over.", level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    fields = {"msg": message, "levelno": level, "levelname": logging.getLevelName(level), "name": "timers.engine"}
    return logging.makeLogRecord({**fields, "created": 1_700_000_000.25, **extra})


def _document(record: logging.LogRecord) -> dict[str, object]:
    line = logs.JsonFormatter().format(record)
    assert "\n" not in line
    document: dict[str, object] = json.loads(line)
    return document


def test_json_names_event_instant_level_and_ids() -> None:
    assert _document(_record(event="take_over", execution_ids=(AN_ID,), executions=1)) == {
        "time": "2023-11-14T22:13:20.250+00:00",
        "level": "INFO",
        "event": "take_over",
        "logger": "timers.engine",
        "message": "Took over.",
        "execution_ids": [str(AN_ID)],
        "executions": 1,
    }


def test_json_gives_every_line_an_event_and_keeps_tracebacks_on_it() -> None:
    try:
        raise ValueError("wrong")
    except ValueError:
        document = _document(_record("It failed.", logging.ERROR, exc_info=sys.exc_info()))

    assert document["event"] == "log"
    assert "ValueError: wrong" in str(document["traceback"])


def test_text_shows_what_extra_holds_behind_the_message() -> None:
    line = logs.TextFormatter().format(_record(event="claim", executions=3, reason="it was late"))

    assert line == (
        '2023-11-14T22:13:20.250+00:00 INFO timers.engine: Took over. event=claim executions=3 reason="it was late"'
    )


@pytest.mark.parametrize("formatter", [logs.TextFormatter(), logs.JsonFormatter()])
def test_objects_in_extra_are_not_shown(formatter: logging.Formatter) -> None:
    class Request:
        def __repr__(self) -> str:
            return "GET /feed?secret=123"

    assert "secret" not in formatter.format(_record(request=Request()))


def test_printed_lines_become_objects_where_json_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMERS_LOG_FORMAT", "json")
    stream = _keep_printed_lines(monkeypatch)

    print("one", end="")
    print(" line\n\nand another")

    documents = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(each["event"], each["level"], each["message"]) for each in documents] == [
        ("printed", "INFO", "one line"),
        ("printed", "INFO", "and another"),
    ]


def test_printed_lines_stay_as_they_are_in_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIMERS_LOG_FORMAT", raising=False)
    stream = _keep_printed_lines(monkeypatch)

    print("a line")

    assert stream.getvalue() == "a line\n"


def test_another_format_is_refused_by_the_name_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMERS_LOG_FORMAT", "xml")

    with pytest.raises(SettingError, match="TIMERS_LOG_FORMAT must be one of text, json; it is 'xml'"):
        logs.chosen_format()
