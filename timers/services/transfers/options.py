"""Reading the options of a transfer or a deletion. Every option is checked, and the result has all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from timers import validation
from timers.copying import bandwidth, filters
from timers.copying.plan import SyncLevel
from timers.errors import Invalid
from timers.services.transfers.items import ItemPaths

MAX_DELETIONS = 1_000_000_000
MAX_CONCURRENCY = 64
MAX_AGE_SECONDS = 10_000_000_000
MAX_SIZE_BYTES = 2**63 - 1
MAX_METADATA_BYTES = 2048
"""Largest size of all names and values together that object stores keep."""

_METADATA_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_STORAGE_CLASS = re.compile(r"[A-Za-z0-9_-]{1,64}")
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
BOUNDS = {"age_seconds": MAX_AGE_SECONDS, "size": MAX_SIZE_BYTES}
"""Subjects of the filters min_... and max_..., and their largest value."""

NAMES = {
    *SWITCHES,
    *_TEXTS,
    *(f"{end}_{subject}" for subject in BOUNDS for end in ("min", "max")),
    "sync_level",
    "filter_rules",
    "recursive_symlinks",
    "keep_replaced",
    "max_delete",
    "max_bytes_per_second",
    "bandwidth",
    "max_concurrency",
    "metadata",
    "storage_class",
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
            body,
            "max_bytes_per_second",
            minimum=bandwidth.MIN_BYTES_PER_SECOND,
            maximum=bandwidth.MAX_BYTES_PER_SECOND,
        ),
        "bandwidth": [limit.document() for limit in bandwidth.parse_limits(body.get("bandwidth"))] or None,
        "max_concurrency": _optional_whole(body, "max_concurrency", minimum=1, maximum=MAX_CONCURRENCY),
        **_bounds(body),
        "metadata": _metadata(body.get("metadata")),
        "storage_class": _storage_class(body.get("storage_class")),
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


def check(options: Mapping[str, Any], *, items: Sequence[ItemPaths]) -> None:
    """Raise Invalid for options that contradict each other or the items."""
    if options["delete_destination_extra"] and all(item.recursive is False for item in items):
        raise Invalid({"delete_destination_extra": "Only recursive items can have extra files at the destination."})
    if options["max_delete"] is not None and not options["delete_destination_extra"]:
        raise Invalid({"max_delete": "This limits delete_destination_extra, which is not set."})
    if options["delete_source"] and options["delete_destination_extra"]:
        sentence = "Leave out delete_destination_extra: the next run would delete what this one has moved."
        raise Invalid({"delete_source": sentence})
    for subject in BOUNDS:
        least, most = options[f"min_{subject}"], options[f"max_{subject}"]
        if least is not None and most is not None and least > most:
            raise Invalid({f"min_{subject}": f"This is more than max_{subject}, so that no file would be copied."})


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


def _bounds(body: Mapping[str, Any]) -> dict[str, int | None]:
    return {
        f"{end}_{subject}": _optional_whole(body, f"{end}_{subject}", minimum=0, maximum=maximum)
        for subject, maximum in BOUNDS.items()
        for end in ("min", "max")
    }


def _metadata(value: object) -> dict[str, str] | None:
    """Return the metadata of the new files, by name; raises Invalid naming metadata, or metadata and the name."""
    if value is None:
        return None
    given = validation.mapping(value, "metadata")
    for name, text in given.items():
        field = f"metadata.{name}"[:200]
        if not _METADATA_NAME.fullmatch(name):
            raise Invalid({field: "A name has letters, digits, dots, hyphens and underscores, at most 128."})
        if not isinstance(text, str) or not text.isascii() or not text.isprintable():
            raise Invalid({field: "Give text of ASCII characters, without control characters."})
    if len({name.lower() for name in given}) < len(given):
        raise Invalid({"metadata": "Two names differ in upper and lower case only."})
    if sum(len(name) + len(text) for name, text in given.items()) > MAX_METADATA_BYTES:
        raise Invalid({"metadata": f"At most {MAX_METADATA_BYTES:,} characters of names and values together."})
    return dict(given)


def _storage_class(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _STORAGE_CLASS.fullmatch(value):
        raise Invalid({"storage_class": "Give the name of a storage class, such as STANDARD_IA."})
    return value


def _optional_line(body: Mapping[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else validation.line(body[name], name)


def _links(value: object) -> str:
    return LINKS[0] if value is None else validation.one_of(value, "recursive_symlinks", LINKS)


def _optional_whole(body: Mapping[str, Any], name: str, *, minimum: int, maximum: int) -> int | None:
    return None if body.get(name) is None else validation.whole(body[name], name, minimum=minimum, maximum=maximum)
