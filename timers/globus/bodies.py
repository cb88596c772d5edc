"""Transfer documents of the Globus dialect: its defaults for missing fields, and its older spellings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timers.errors import Invalid

OFF_BY_DEFAULT = (
    "verify_checksum",
    "preserve_timestamp",
    "encrypt_data",
    "skip_source_errors",
    "fail_on_quota_errors",
    "delete_destination_extra",
    "store_base_path_info",
)
ON_BY_DEFAULT = ("notify_on_succeeded", "notify_on_failed", "notify_on_inactive")
SWITCHES = {**dict.fromkeys(OFF_BY_DEFAULT, False), **dict.fromkeys(ON_BY_DEFAULT, True)}
"""Defaults of the switches in this dialect. Clients that want copies verified ask for it."""

_CLIENT_ONLY = ("submission_id", "skip_activation_check")
_OLDER_SPELLINGS = {
    "source_endpoint_id": "source_endpoint",
    "destination_endpoint_id": "destination_endpoint",
    "transfer_items": "DATA",
}


def read_transfer(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a transfer document with every switch set and without nulls."""
    fields = {name: value for name, value in document.items() if value is not None}
    return {**SWITCHES, **fields}


def read_timer_body(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the transfer that a timer repeats, without the fields that belong to a single submission."""
    return read_transfer({name: value for name, value in document.items() if name not in _CLIENT_ONLY})


def read_action_body(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the transfer of an action's body, in either spelling. Raises Invalid for a field given in both."""
    twice = [
        name
        for name, newer in _OLDER_SPELLINGS.items()
        if document.get(name) is not None and document.get(newer) is not None
    ]
    if twice:
        raise Invalid({name: f"This is given as {_OLDER_SPELLINGS[name]} too." for name in twice})
    known = {
        _OLDER_SPELLINGS.get(name, name): value
        for name, value in document.items()
        if name not in _OLDER_SPELLINGS or value is not None
    }
    return read_timer_body(known)


def spelled_as(document: Mapping[str, Any], field: str) -> str:
    """Return the name of a transfer's field in the spelling of an action's body."""
    first, dot, rest = field.partition(".")
    if first not in document and any(old in document for old in _OLDER_SPELLINGS):
        first = next((old for old, new in _OLDER_SPELLINGS.items() if new == first), first)
    return first + dot + rest


def write_transfer(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the complete document of a stored transfer."""
    shown = {name: value for name, value in body.items() if name not in _CLIENT_ONLY}
    items = [{"DATA_TYPE": "transfer_item", **item} for item in body.get("DATA") or []]
    return {"DATA_TYPE": "transfer", **SWITCHES, **shown, "DATA": items}
