"""The document of a transfer as this dialect has it: what was left out means what it means there; older spellings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timers.errors import Invalid

OFF = (
    "verify_checksum",
    "preserve_timestamp",
    "encrypt_data",
    "skip_source_errors",
    "fail_on_quota_errors",
    "delete_destination_extra",
    "store_base_path_info",
)
ON = ("notify_on_succeeded", "notify_on_failed", "notify_on_inactive")
SWITCHES = {**dict.fromkeys(OFF, False), **dict.fromkeys(ON, True)}
"""What switches are when nobody names them. Clients of this dialect that want copies verified say so."""

_CLIENT_ONLY = ("submission_id", "skip_activation_check")
_OLDER = {
    "source_endpoint_id": "source_endpoint",
    "destination_endpoint_id": "destination_endpoint",
    "transfer_items": "DATA",
}


def read_transfer(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a transfer document with every switch set and nothing that is null."""
    given = {name: value for name, value in document.items() if value is not None}
    return {**SWITCHES, **given}


def read_timer_body(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the transfer that a timer is to repeat, without what belongs to one submission."""
    return read_transfer({name: value for name, value in document.items() if name not in _CLIENT_ONLY})


def read_action_body(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the transfer of an action's body in either spelling. Raises Invalid for one that is given twice."""
    twice = [
        name for name, newer in _OLDER.items() if document.get(name) is not None and document.get(newer) is not None
    ]
    if twice:
        raise Invalid({name: f"This is given as {_OLDER[name]} too." for name in twice})
    known = {
        _OLDER.get(name, name): value for name, value in document.items() if name not in _OLDER or value is not None
    }
    return read_timer_body(known)


def spelled_as(document: Mapping[str, Any], field: str) -> str:
    """Return the name of a field of a transfer as an action's body spells it."""
    first, dot, rest = field.partition(".")
    if first not in document and any(old in document for old in _OLDER):
        first = next((old for old, new in _OLDER.items() if new == first), first)
    return first + dot + rest


def write_transfer(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a stored transfer, complete."""
    shown = {name: value for name, value in body.items() if name not in _CLIENT_ONLY}
    items = [{"DATA_TYPE": "transfer_item", **item} for item in body.get("DATA") or []]
    return {"DATA_TYPE": "transfer", **SWITCHES, **shown, "DATA": items}
