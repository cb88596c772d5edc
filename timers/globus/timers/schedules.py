"""Readers and writers of this dialect's schedules: the newer form, and the form of jobs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from timers import validation
from timers.errors import Invalid
from timers.globus.errors import MISSING

MIN_INTERVAL_SECONDS = 60
MAX_INTERVAL_SECONDS = 365 * 86_400
MAX_START_AHEAD = timedelta(days=366)
MAX_RUNS = 2**31 - 1

_RUNS = ("count", "iterations", "n")


def read_schedule(document: object, *, now: datetime) -> dict[str, Any]:
    """Return a schedule in our form; raises Invalid naming the fields of the document."""
    if not isinstance(document, Mapping):
        raise Invalid({"": MISSING if document is None else "A schedule must be an object with a type."})
    kind = document.get("type")
    if kind == "once":
        validation.only_known(document, {"type", "datetime"})
        return _once(document.get("datetime"), "datetime", now=now)
    if kind == "recurring":
        validation.only_known(document, {"type", "interval_seconds", "start", "end"})
        end = _read_end(document.get("end"))
        interval = _interval(document.get("interval_seconds"), "interval_seconds")
        return _recurring(interval, document.get("start"), end, now=now)
    raise Invalid({"type": MISSING if kind is None else "Must be once or recurring."})


def _read_end(value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise Invalid({"end": "An end must be an object with a condition."})
    try:
        validation.only_known(value, {"condition", "datetime", *_RUNS})
        runs = [
            validation.whole(value[name], name, minimum=1, maximum=MAX_RUNS)
            for name in _RUNS
            if value.get(name) is not None
        ]
        condition = value.get("condition")
        if condition == "time":
            return {"condition": "time", "datetime": _instant(value.get("datetime"), "datetime")}
        if condition != "iterations":
            raise Invalid({"condition": MISSING if condition is None else "Must be time or iterations."})
        if not runs:
            raise Invalid({"count": MISSING})
        if len(set(runs)) > 1:
            raise Invalid({"count": "Give one number of runs."})
        return {"condition": "iterations", "n": runs[0]}
    except Invalid as error:
        raise error.under("end") from None


def read_job_schedule(job: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return the schedule of a job: `start`, `interval` in seconds or null for once, `stop_after`, `stop_after_n`."""
    end = _read_stop(job.get("stop_after"), job.get("stop_after_n"))
    if job.get("interval") is None:
        if end is not None and end.get("n", 1) > 1:
            raise Invalid({"stop_after.n_runs": "Without an interval a job runs once."})
        return _once(job.get("start"), "start", now=now)
    return _recurring(_interval(job["interval"], "interval"), job.get("start"), end, now=now)


def _read_stop(value: object, runs: object) -> dict[str, Any] | None:
    date: object = value
    if isinstance(value, Mapping):
        try:
            validation.only_known(value, {"date", "n_runs"})
        except Invalid as error:
            raise error.under("stop_after") from None
        date = value.get("date")
        runs = runs if value.get("n_runs") is None else value["n_runs"]
    end: dict[str, Any] = {}
    if date is not None:
        end |= {"condition": "time", "datetime": _instant(date, "stop_after")}
    if runs is not None:
        counted = validation.whole(runs, "stop_after_n", minimum=1, maximum=MAX_RUNS)
        end = {"condition": "iterations", **end, "n": counted}
    return end or None


def _once(value: object, name: str, *, now: datetime) -> dict[str, Any]:
    return {"type": "once"} if value is None else {"type": "once", "datetime": _start(value, name, now=now)}


def _recurring(interval: int, start: object, end: Mapping[str, Any] | None, *, now: datetime) -> dict[str, Any]:
    return {
        "type": "recurring",
        "interval_seconds": interval,
        **({} if start is None else {"start": _start(start, "start", now=now)}),
        **({} if end is None else {"end": end}),
    }


def _interval(value: object, name: str) -> int:
    """Return whole seconds; fractions are dropped."""
    if value is None:
        raise Invalid({name: MISSING})
    whole = math.floor(value) if isinstance(value, float) and math.isfinite(value) else value
    return validation.whole(whole, name, minimum=MIN_INTERVAL_SECONDS, maximum=MAX_INTERVAL_SECONDS)


def _start(value: object, name: str, *, now: datetime) -> str:
    instant = validation.instant(value, name)
    if instant > now + MAX_START_AHEAD:
        raise Invalid({name: "This lies more than a year ahead."})
    return instant.isoformat()


def _instant(value: object, name: str) -> str:
    if value is None:
        raise Invalid({name: MISSING})
    return validation.instant(value, name).isoformat()


# Writing


def write_schedule(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored schedule in the newer form."""
    if schedule["type"] == "once":
        return {"type": "once", "datetime": schedule["datetime"]}
    document = {name: schedule[name] for name in ("type", "interval_seconds", "start")}
    end = schedule.get("end")
    if end is None:
        return document
    count = {"count": end["n"]} if "n" in end else {}
    until = {"datetime": end["datetime"]} if "datetime" in end else {}
    return {**document, "end": {"condition": end["condition"], **until, **count}}


def start_of(schedule: Mapping[str, Any]) -> str:
    """Return the first instant of a stored schedule, as ISO text."""
    return str(schedule["datetime"] if schedule["type"] == "once" else schedule["start"])


def write_stop(schedule: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the end of a stored schedule in the form of jobs, None if it has no end."""
    if schedule["type"] == "once":
        return {"date": None, "n_runs": 1}
    end = schedule.get("end")
    return None if end is None else {"date": end.get("datetime"), "n_runs": end.get("n")}
