"""Between the fields of a timer's form and the documents that the services understand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.datastructures import MultiValueDict

from timers.errors import Invalid
from timers.models import Timer

POLICIES = (
    "overlap",
    "catch_up",
    "catch_up_window_seconds",
    "max_attempts",
    "backoff_seconds",
    "timeout_seconds",
    "jitter_seconds",
    "pause_after_failures",
    "notify",
)


@dataclass(frozen=True)
class PathRow:
    """One line of the table of paths."""

    number: int
    source: str
    destination: str


def read_pairs(data: MultiValueDict[str, str]) -> list[tuple[str, str]]:
    sources, destinations = data.getlist("source_path"), data.getlist("destination_path")
    pairs = [(one.strip(), other.strip()) for one, other in zip(sources, destinations, strict=False)]
    return [pair for pair in pairs if any(pair)]


def read_instant(text: str | None, zone: ZoneInfo, field: str) -> str | None:
    """Return the instant of a local time without zone, None for an empty field."""
    if not text or text.strip().lower() == "now":
        return None
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Invalid({field: "Give a date and a time, like 2026-12-15 14:30."}) from None
    return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).isoformat()


def read_end(data: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    if data.get("ends") == "time":
        instant = read_instant(data.get("end_at"), zone, "schedule.end.datetime")
        if instant is None:
            raise Invalid({"schedule.end.datetime": "Say when it ends."})
        return {"end": {"condition": "time", "datetime": instant}}
    if data.get("ends") == "iterations":
        if data.get("runs") is None:
            raise Invalid({"schedule.end.n": "Say after how many runs it ends."})
        return {"end": {"condition": "iterations", "n": data["runs"]}}
    return {}


def webhook_body(data: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"url": data["url"], "method": data["method"] or "POST"}
    if headers := _headers(data["headers"]):
        body["headers"] = headers
    if data["content"].strip():
        as_json = data["content_kind"] != "text"
        body["json" if as_json else "text"] = read_json(data["content"], "json") if as_json else data["content"]
    return {**body, **({"expect": old["expect"]} if old.get("expect") else {})}


def _headers(text: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon:
            raise Invalid({"body.headers": f"Write {line[:40]!r} as a name, a colon and a value."})
        headers[name.strip()] = value.strip()
    return headers


def transfer_body(data: Mapping[str, Any], pairs: list[tuple[str, str]], old: Mapping[str, Any]) -> dict[str, Any]:
    known = {item.get("source_path"): item for item in old.get("DATA", []) if isinstance(item, dict)}
    items = [
        {
            **known.get(source, {"DATA_TYPE": "transfer_item"}),
            "source_path": source,
            "destination_path": destination,
            "recursive": source.endswith("/"),
        }
        for source, destination in pairs
    ]
    wrong = {
        **({} if items else {"body.DATA": "Give at least one path to copy and where it goes."}),
        **({} if data["source"] else {"body.source_endpoint": "Choose where to copy from."}),
        **({} if data["destination"] else {"body.destination_endpoint": "Choose where to copy to."}),
    }
    if wrong:
        raise Invalid(wrong)
    kept = {name: value for name, value in old.items() if name != "sync_level"}
    return {
        **kept,
        "source_endpoint": data["source"],
        "destination_endpoint": data["destination"],
        "DATA": items,
        **({"sync_level": int(data["sync_level"])} if data["sync_level"] else {}),
        "verify_checksum": data["verify_checksum"],
        "delete_destination_extra": data["delete_destination_extra"],
    }


def read_json(text: str, field: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Invalid({f"body.{field}": f"This is not JSON: {error}."}) from None


# Back: from a timer to fields


def initial(timer: Timer, tags: Mapping[str, Any], zone: str) -> dict[str, Any]:
    """Return what the fields hold when the timer is edited or duplicated."""
    definition = timer.definition
    if definition is None:
        return {"name": timer.name}
    zone = definition.schedule.get("timezone", zone)
    return {
        "action": timer.action,
        "name": timer.name,
        "description": timer.description,
        "tags": ", ".join(_tag_words(tags)),
        "timezone": zone,
        **_initial_schedule(definition.schedule, ZoneInfo(zone)),
        **_initial_body(timer.action, definition.body),
        **{name: definition.policies.get(name) for name in POLICIES},
        "notify": "\n".join(definition.policies.get("notify") or []),
    }


def _tag_words(tags: Mapping[str, Any]) -> Iterable[str]:
    for key, value in tags.items():
        for each in value if isinstance(value, list) else [value]:
            yield f"{key}:{each}" if each else key


def _initial_schedule(schedule: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    end = schedule.get("end") or {}
    fields: dict[str, Any] = {
        "when": schedule.get("type"),
        "start": _local(schedule.get("start") or schedule.get("datetime"), zone),
        "ends": end.get("condition", ""),
        "end_at": _local(end.get("datetime"), zone),
        "runs": end.get("n") or end.get("count") or end.get("iterations"),
        **{name: schedule[name] for name in ("expression", "dst_gap", "dst_overlap") if name in schedule},
    }
    if seconds := schedule.get("interval_seconds"):
        unit = next(size for size in (604800, 86400, 3600, 60, 1) if seconds % size == 0 or size == 1)
        fields |= {"interval": seconds / unit if seconds % unit else int(seconds // unit), "unit": str(unit)}
    return fields


def _local(text: str | None, zone: ZoneInfo) -> str:
    return (
        datetime.fromisoformat(text).astimezone(zone).replace(tzinfo=None).isoformat(timespec="seconds") if text else ""
    )


def _initial_body(action: str, body: Mapping[str, Any]) -> dict[str, Any]:
    if action == "webhook":
        text = body.get("text")
        return {
            "url": body.get("url"),
            "method": body.get("method"),
            "headers": "\n".join(f"{name}: {value}" for name, value in (body.get("headers") or {}).items()),
            "content_kind": "json" if text is None else "text",
            "content": text if text is not None else json.dumps(body["json"], indent=2) if "json" in body else "",
        }
    if action == "transfer":
        return {
            "source": str(body.get("source_endpoint", "")),
            "destination": str(body.get("destination_endpoint", "")),
            "pairs": [(item.get("source_path", ""), item.get("destination_path", "")) for item in body.get("DATA", [])],
            "sync_level": "" if body.get("sync_level") is None else str(body["sync_level"]),
            "verify_checksum": body.get("verify_checksum", True),
            "delete_destination_extra": body.get("delete_destination_extra", False),
        }
    return {
        "function": body.get("function"),
        "kwargs": json.dumps(body["kwargs"], indent=2) if body.get("kwargs") else "",
    }
