"""Reading the options of a transfer or a deletion. Every option is checked, and the result has all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from timers import validation
from timers.copying import filters
from timers.copying.plan import SyncLevel
from timers.errors import Invalid
from timers.models import Collection
from timers.services.transfers.items import ItemPaths
from timers.storages.base import STORAGES

MAX_DELETIONS = 1_000_000_000
MAX_BYTES_PER_SECOND = 1_000_000_000_000
MAX_CONCURRENCY = 64
LINKS = ("ignore", "keep", "copy")
"""Handling of symbolic links: left out, made again as links, or replaced by their target."""

_NOTIFICATIONS = {"notify_on_succeeded": True, "notify_on_failed": True, "notify_on_inactive": True}
SWITCHES = {
    "verify_checksum": True,
    "preserve_timestamp": False,
    "preserve_permissions": False,
    "encrypt_data": False,
    "skip_source_errors": False,
    "skip_destination_errors": False,
    "fail_on_quota_errors": False,
    "delete_destination_extra": False,
    "delete_source": False,
    "store_base_path_info": False,
    "dry_run": False,
    **_NOTIFICATIONS,
}
"""Options that are on or off, and their defaults.

Copies are verified by default; Globus clients always send the option.
"""
SWITCHES_OF_DELETION = {"recursive": False, "ignore_missing": False, "interpret_globs": False, **_NOTIFICATIONS}

_TEXTS = ("source_local_user", "destination_local_user")
NAMES = {
    *SWITCHES,
    *_TEXTS,
    "sync_level",
    "filter_rules",
    "recursive_symlinks",
    "max_delete",
    "max_bytes_per_second",
    "max_concurrency",
}
NAMES_OF_DELETION = {*SWITCHES_OF_DELETION, "local_user"}


def read(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of a transfer; raises Invalid naming the option."""
    rules = filters.parse_rules(body.get("filter_rules"))
    return {
        **{name: validation.flag(body.get(name), name, default=default) for name, default in SWITCHES.items()},
        **{name: _optional_line(body, name) for name in _TEXTS},
        "sync_level": sync_level(body.get("sync_level")),
        "filter_rules": [rule.document() for rule in rules] or None,
        "recursive_symlinks": _links(body.get("recursive_symlinks")),
        "max_delete": _optional_whole(body, "max_delete", minimum=0, maximum=MAX_DELETIONS),
        "max_bytes_per_second": _optional_whole(
            body, "max_bytes_per_second", minimum=1024, maximum=MAX_BYTES_PER_SECOND
        ),
        "max_concurrency": _optional_whole(body, "max_concurrency", minimum=1, maximum=MAX_CONCURRENCY),
    }


def read_of_deletion(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of a deletion; raises Invalid naming the option."""
    return {
        **{
            name: validation.flag(body.get(name), name, default=default)
            for name, default in SWITCHES_OF_DELETION.items()
        },
        "local_user": _optional_line(body, "local_user"),
    }


def check(options: Mapping[str, Any], *, items: Iterable[ItemPaths], destination: Collection) -> None:
    """Raise Invalid for options that contradict each other, the items or the capabilities of the destination."""
    if options["delete_destination_extra"] and all(item.recursive is False for item in items):
        raise Invalid({"delete_destination_extra": "Only recursive items can have extra files at the destination."})
    if options["max_delete"] is not None and not options["delete_destination_extra"]:
        raise Invalid({"max_delete": "This limits delete_destination_extra, which is not set."})
    if options["recursive_symlinks"] == "keep" and not STORAGES.get(destination.kind).abilities.links:
        raise Invalid({"recursive_symlinks": "The destination cannot hold symbolic links; choose ignore or copy."})


def sync_level(value: object, *, name: str = "sync_level") -> int | None:
    """Return the number of a level given by number or by name, None for None, which copies always.

    Raises Invalid naming `name`.
    """
    words = {level.word: level.value for level in SyncLevel}
    if value is None:
        return None
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if isinstance(value, int) and not isinstance(value, bool) and value in words.values():
        return int(value)
    raise Invalid({name: "Must be 0 (exists), 1 (size), 2 (mtime), 3 (checksum), or null to copy always."})


def _optional_line(body: Mapping[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else validation.line(body[name], name)


def _links(value: object) -> str:
    return LINKS[0] if value is None else validation.one_of(value, "recursive_symlinks", LINKS)


def _optional_whole(body: Mapping[str, Any], name: str, *, minimum: int, maximum: int) -> int | None:
    return None if body.get(name) is None else validation.whole(body[name], name, minimum=minimum, maximum=maximum)
