"""The names of kinds, reasons, triggers, policies and places on pages."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django import template

from timers.actions.base import ACTIONS, icon_of
from timers.copying.plan import Kind
from timers.lifecycle import SkipReason
from timers.models import Collection
from timers.services.collections import commands as collections
from timers.storages.base import STORAGES

register = template.Library()

SKIP_REASONS: Mapping[str, str] = {
    "overlap": "The previous run was still running (overlap: skip)",
    "paused": "The timer was paused",
    "snoozed": "The timer was paused for a while",
    "maintenance": "A maintenance window",
    "excluded_date": "Outside its hours and weekdays",
    "catchup_none": "Missed while the service was down (catch-up: none)",
    "catchup_coalesced": "Missed while the service was down; only the last one was caught up (catch-up: latest)",
    "catchup_window": "Missed longer ago than the catch-up window",
    "catchup_limit": "Too many were missed to catch up on all of them",
    "dst_gap": "Skipped by a clock change",
    "quota": "The quota was used up",
    "ended": "The timer had ended",
    "scheduler_error": "Scheduler error",
    "skip_if": "Its condition (skip_if) said no",
    "cluster_gone": "The cluster that it was for was gone",
    "unknown_function": "The cluster that it was for does not know the function",
}

TRIGGERS: Mapping[str, str] = {
    "schedule": "schedule",
    "manual": "manual",
    "catch_up": "catch-up",
    "rerun": "run again",
}

EVENTS: Mapping[str, str] = {
    "created": "Created",
    "changed": "Changed",
    "updated": "Changed",
    "paused": "Paused",
    "resumed": "Resumed",
    "deleted": "Deleted",
    "ended": "Ended",
    "ran": "Run now",
    "reran": "Run again",
    "cancelled": "Cancelled",
    "signing_secret_rotated": "New signing secret",
}


@register.filter
def action_label(kind: str) -> str:
    """Return the name of an action for people."""
    return ACTIONS.get(kind).label if kind in ACTIONS else kind.title()


register.filter("action_icon", icon_of)


@register.filter
def skip_words(execution: Any) -> str:
    """Return why an occurrence was left out, with what its condition said."""
    reason: str = SKIP_REASONS[execution.skip_reason]
    said = execution.error_message if execution.skip_reason == SkipReason.SKIP_IF else None
    return f"{reason}: {said}" if said else reason


@register.filter
def trigger_words(trigger: str) -> str:
    return TRIGGERS.get(trigger, trigger)


@register.filter
def event_words(verb: str) -> str:
    return EVENTS.get(verb, verb.replace("_", " ").capitalize())


@register.filter
def storage_label(kind: str) -> str:
    """Return the name of a kind of storage for people."""
    return STORAGES.get(kind).label if kind in STORAGES else kind


@register.filter
def storage_place(collection: Collection) -> str:
    """Return where a collection is, in a few words."""
    return STORAGES.get(collection.kind).place(collection.storage) if collection.kind in STORAGES else ""


OVERLAPS: Mapping[str, str] = {
    "skip": "skipped while the last one runs",
    "queue_one": "one is queued while the last one runs",
    "queue_all": "all are queued while the last one runs",
    "cancel_previous": "the last one is cancelled",
    "allow": "runs alongside the last one",
}

CATCH_UPS: Mapping[str, str] = {
    "none": "missed runs are skipped",
    "latest": "the last missed run is caught up",
    "all": "all missed runs are caught up",
}


@register.filter
def overlap_words(policy: str) -> str:
    """Return what becomes of a run while the last one still runs."""
    return OVERLAPS.get(policy, policy)


@register.filter
def catch_up_words(policy: str) -> str:
    """Return what becomes of missed runs."""
    return CATCH_UPS.get(policy, policy)


KINDS: Mapping[str, str] = {Kind.SYMLINK: "link", Kind.OTHER: "special", Kind.UNKNOWN: "kind unknown"}


@register.inclusion_tag("timers/_collection_abilities.html")
def ability_tags(collection: Collection) -> dict[str, Any]:
    """Show what the collection's storage can do, and what of the usual it cannot."""
    able = collections.abilities(collection)
    if not able["write"]:
        return {"usual": [], "more": ["read only"]}
    usual = [("checksum", able["checksums"]), ("rename", able["rename"]), ("modified time", able["times"])]
    return {"usual": [(word, bool(can)) for word, can in usual], "more": ["links"] if able["links"] else []}


@register.filter
def ability_words(collection: Collection) -> list[str]:
    """Return in sentences what the collection's storage can do, and what it cannot."""
    able = collections.abilities(collection)
    if not able["write"]:
        return ["Read only: nothing can be written, moved or deleted.", _verified_by(able)]
    return [
        _verified_by(able),
        "Renames in place." if able["rename"] else "Cannot rename: nothing can be kept aside when it is replaced.",
        "Keeps the times that files are given." if able["times"] else "Sets the times of files itself.",
        "Keeps the permissions of files and folders." if able["permissions"] else "Has no permissions of files.",
        *(["Keeps types, metadata and storage classes of files."] if able["properties"] else []),
        "Keeps symbolic links." if able["links"] else "Knows no symbolic links.",
        *([] if able["folders"] else ["Knows no empty folders."]),
        *(["Holds a file and a folder of the same name."] if able["both_kinds"] else []),
        "Tells all names apart." if able["exact_names"] else "May take names for the same that differ in case or form.",
        "Goes on with unfinished files." if able["resume"] else "Begins unfinished files anew.",
    ]


def _verified_by(able: Mapping[str, Any]) -> str:
    stated = ", ".join({"md5": "MD5", "sha256": "SHA-256"}.get(name, name) for name in able["checksums"])
    return f"States {stated} itself." if stated else "States no checksums: files are read back to verify them."


@register.filter
def entry_word(kind: str) -> str:
    """Return what an entry is when it is neither file nor folder."""
    return KINDS.get(kind, "")


@register.filter
def reason_words(reason: str) -> str:
    """Return a storage's reason for failing as people write it."""
    return reason.replace("_", " ")


@register.filter
def status_words(code: Any) -> str:
    """Return an HTTP status with its phrase: "503 Service Unavailable"."""
    try:
        return f"{code} {HTTPStatus(int(code)).phrase}"
    except (ValueError, TypeError):
        return str(code)
