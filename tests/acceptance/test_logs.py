"""What a running installation writes for operators."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.running import Installation, until

pytestmark = pytest.mark.acceptance

FUNCTION = "acceptance.fails"


def test_every_line_after_ready_is_an_object_with_an_event(install: Callable[..., Installation]) -> None:
    site = install(options=("--workers", "1"), TIMERS_LOG_FORMAT="json", TIMERS_CODE_MODULES="tests.acceptance.failing")
    site.start()
    timer_id = _timer(site)
    execution = site.call("POST", f"/timers/{timer_id}/run")["execution"]["id"]
    until(lambda: _named(site, "execution.failed"), seconds=20, what="the line of a failed execution")
    until(lambda: _named(site, "claim"), seconds=20, what="the line of a claim")
    site.part("dispatch").send_signal(signal.SIGKILL)
    until(lambda: _named(site, "process.lost"), seconds=10, what="the line of a lost process")
    until(lambda: "dispatcher" in _roles(site, "service.start"), seconds=10, what="the line of a new dispatcher")
    site.part("gunicorn").children()[0].send_signal(signal.SIGKILL)
    until(lambda: _of(site, "gunicorn.error"), seconds=10, what="a line of the web server")
    site.stop()

    failed = next(each for each in _named(site, "execution.failed") if each["execution_id"] == execution)
    (lost,) = _named(site, "process.lost")
    assert (failed["timer_id"], failed["attempt"], failed["level"]) == (timer_id, 1, "INFO")
    assert sum(each["executions"] for each in _named(site, "claim")) >= 1
    assert (lost["role"], lost["status"]) == ("dispatch", -9)
    assert {"up", "dispatcher", "worker"} <= _roles(site, "service.stop")
    assert ("printed", "It fails.") in {(each["event"], each["message"]) for each in _lines(site)}
    assert all({"time", "level", "event", "message"} <= each.keys() for each in _lines(site))


def _timer(site: Installation) -> str:
    """Make a timer whose runs fail, every second; return its id."""
    document = {
        "name": "fails",
        "timer_type": "code",
        "schedule": {"type": "recurring", "interval_seconds": 1},
        "body": {"function": FUNCTION},
        "policies": {"max_attempts": 1},
    }
    return str(site.call("POST", "/timers", {"timer": document})["timer"]["id"])


def _lines(site: Installation) -> list[dict[str, Any]]:
    """Return the objects of all whole lines after the ready line."""
    _, _, after = site.output.partition("Ready: ")
    whole = after.rpartition("\n")[0].splitlines()[1:]
    return [json.loads(line) for line in whole]


def _named(site: Installation, event: str) -> list[dict[str, Any]]:
    return [each for each in _lines(site) if each["event"] == event]


def _roles(site: Installation, event: str) -> set[str]:
    return {each["role"] for each in _named(site, event)}


def _of(site: Installation, logger: str) -> list[dict[str, Any]]:
    return [each for each in _lines(site) if each.get("logger") == logger]
