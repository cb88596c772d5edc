"""Reading a transfer's document (TransferData): every field checked and named when it cannot work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from timers.copying import checksums, filters, paths
from timers.copying.plan import SyncLevel
from timers.errors import Invalid
from timers.models import Collection
from timers.scheduling.fields import known_keys, read_instant, read_whole
from timers.services import collections

MAX_ITEMS = 10_000
MAX_LABEL = 128
MAX_DELETIONS = 1_000_000_000

SWITCHES = {
    "verify_checksum": True,
    "preserve_timestamp": False,
    "encrypt_data": False,
    "skip_source_errors": False,
    "fail_on_quota_errors": False,
    "delete_destination_extra": False,
    "store_base_path_info": False,
    "notify_on_succeeded": True,
    "notify_on_failed": True,
    "notify_on_inactive": True,
}
"""Options that are on or off, and what they are when absent. Copies are verified unless somebody says otherwise;
Globus clients always say."""

_TEXTS = ("source_local_user", "destination_local_user")
_KNOWN = {
    "DATA_TYPE",
    "DATA",
    "source_endpoint",
    "destination_endpoint",
    "submission_id",
    "label",
    "deadline",
    "sync_level",
    "filter_rules",
    "recursive_symlinks",
    "max_delete",
    "additional_fields",
    *SWITCHES,
    *_TEXTS,
}
_ITEM_KNOWN = {
    "DATA_TYPE",
    "source_path",
    "destination_path",
    "recursive",
    "external_checksum",
    "checksum_algorithm",
    "additional_fields",
}


@dataclass(frozen=True)
class Item:
    """One pair of paths, normalised. `into` says that the destination was written as a folder ("/x/")."""

    source_path: str
    destination_path: str
    recursive: bool | None
    into: bool
    external_checksum: str | None = None
    checksum_algorithm: str | None = None

    @property
    def target(self) -> str:
        """Where the item ends up if it is a file: inside a destination that was written as a folder."""
        if self.into and self.recursive is not True and self.source_path != paths.ROOT:
            return paths.join(self.destination_path, paths.name_of(self.source_path))
        return self.destination_path


@dataclass(frozen=True)
class Submission:
    """A transfer that can be stored: collections found, paths normalised, options complete."""

    source: Collection
    destination: Collection
    items: tuple[Item, ...]
    options: dict[str, Any]
    label: str = ""
    deadline: datetime | None = None
    submission_id: UUID | None = None
    written: dict[str, Any] = field(default_factory=dict)
    """The document as it is kept in a timer's body."""


def read(body: object, *, owner: Any) -> Submission:
    """Return the transfer that a document asks for; raises Invalid with the names of the document."""
    if not isinstance(body, Mapping):
        raise Invalid({"body": "Give an object with source_endpoint, destination_endpoint and DATA."})
    known_keys(body, _KNOWN)
    source = _collection(body, "source_endpoint", owner)
    destination = _collection(body, "destination_endpoint", owner)
    deadline = None if body.get("deadline") is None else read_instant(body["deadline"], "deadline")
    options = {**_options(body), "deadline": deadline and deadline.isoformat()}
    items = _items(body.get("DATA"), source, destination)
    _check_options(options, items)
    _check_overlaps(items, source, destination, options)
    return Submission(
        source=source,
        destination=destination,
        items=items,
        options=options,
        label=_label(body.get("label")),
        deadline=deadline,
        submission_id=_id(body.get("submission_id")),
        written=_written(body, options),
    )


def _collection(body: Mapping[str, Any], name: str, owner: Any) -> Collection:
    if body.get(name) is None:
        raise Invalid({name: "This field is required."})
    found = collections.find(owner, body[name])
    if found is None:
        raise Invalid({name: f"There is no collection {body[name]!s:.100}."})
    return found


def _id(value: object) -> UUID | None:
    if value is None:
        return None
    try:
        return UUID(str(value))
    except ValueError:
        raise Invalid({"submission_id": "Must be a UUID."}) from None


def _label(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_LABEL or not value.isprintable():
        raise Invalid({"label": f"Give text of at most {MAX_LABEL} characters, without control characters."})
    return value


# Options


def _options(body: Mapping[str, Any]) -> dict[str, Any]:
    rules = filters.parse_rules(body.get("filter_rules"))
    return {
        **{name: _switch(body.get(name), name, absent) for name, absent in SWITCHES.items()},
        **{name: _text(body.get(name), name) for name in _TEXTS},
        "sync_level": sync_level(body.get("sync_level")),
        "filter_rules": [rule.document() for rule in rules] or None,
        "recursive_symlinks": _symlinks(body.get("recursive_symlinks")),
        "max_delete": _max_delete(body.get("max_delete")),
    }


def _switch(value: object, name: str, absent: bool) -> bool:
    if value is None:
        return absent
    if not isinstance(value, bool):
        raise Invalid({name: "Must be true or false."})
    return value


def _text(value: object, name: str) -> str | None:
    if value is None or (isinstance(value, str) and len(value) <= 255 and value.isprintable()):
        return value
    raise Invalid({name: "Give text of at most 255 characters."})


def sync_level(value: object, *, name: str = "sync_level") -> int | None:
    """Return the number of a level given by number or by name; None always copies."""
    words = {level.word: level.value for level in SyncLevel}
    if value is None:
        return None
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if isinstance(value, int) and not isinstance(value, bool) and value in words.values():
        return int(value)
    raise Invalid({name: "Must be 0 (exists), 1 (size), 2 (mtime), 3 (checksum), or null to copy always."})


def _symlinks(value: object) -> str:
    if value in (None, "ignore"):
        return "ignore"
    raise Invalid({"recursive_symlinks": "Links are never followed; the only way known here is ignore."})


def _max_delete(value: object) -> int | None:
    return None if value is None else read_whole(value, "max_delete", least=0, most=MAX_DELETIONS)


# Items


def _items(data: object, source: Collection, destination: Collection) -> tuple[Item, ...]:
    if not isinstance(data, list) or not data:
        raise Invalid({"DATA": "Give a list of at least one item with source_path and destination_path."})
    if len(data) > MAX_ITEMS:
        raise Invalid({"DATA": f"At most {MAX_ITEMS:,} items."})
    return tuple(_item(each, f"DATA.{number}", source, destination) for number, each in enumerate(data))


def _item(document: object, name: str, source: Collection, destination: Collection) -> Item:
    if not isinstance(document, Mapping):
        raise Invalid({name: "An item is an object with source_path and destination_path."})
    try:
        known_keys(document, _ITEM_KNOWN)
    except Invalid as error:
        raise error.under(name) from error
    recursive = document.get("recursive")
    if recursive is not None and not isinstance(recursive, bool):
        raise Invalid({f"{name}.recursive": "Must be true, false or absent."})
    checksum, algorithm = _checksum(document, name, recursive)
    return Item(
        source_path=_path(document, "source_path", name, source),
        destination_path=_path(document, "destination_path", name, destination),
        recursive=recursive,
        into=paths.means_folder(str(document.get("destination_path"))),
        external_checksum=checksum,
        checksum_algorithm=algorithm,
    )


def _path(document: Mapping[str, Any], key: str, name: str, collection: Collection) -> str:
    home = paths.normalise(collection.default_directory)
    return paths.normalise(document.get(key), default_directory=home, field=f"{name}.{key}")


def _checksum(document: Mapping[str, Any], name: str, recursive: bool | None) -> tuple[str | None, str | None]:
    if document.get("external_checksum") is None:
        return None, None
    if recursive:
        raise Invalid({f"{name}.external_checksum": "A checksum belongs to one file, not to a recursive item."})
    return checksums.expected(
        document["external_checksum"], document.get("checksum_algorithm"), field=f"{name}.external_checksum"
    )


# What contradicts itself


def _check_options(options: Mapping[str, Any], items: Iterable[Item]) -> None:
    if options["delete_destination_extra"] and all(item.recursive is False for item in items):
        raise Invalid({"delete_destination_extra": "Only recursive items have something extra at the destination."})
    if options["max_delete"] is not None and not options["delete_destination_extra"]:
        raise Invalid({"max_delete": "Says how much delete_destination_extra may delete, which is not asked for."})


def _check_overlaps(
    items: tuple[Item, ...], source: Collection, destination: Collection, options: Mapping[str, Any]
) -> None:
    here, there = _address(source), _address(destination)
    pairs: dict[tuple[str, str], int] = {}
    targets: dict[str, int] = {}
    for number, item in enumerate(items):
        name = f"DATA.{number}"
        if (item.source_path, item.target) in pairs:
            raise Invalid({name: f"The same item is given twice: see DATA.{pairs[item.source_path, item.target]}."})
        if item.target in targets:
            raise Invalid({f"{name}.destination_path": f"DATA.{targets[item.target]} has the same destination."})
        pairs[item.source_path, item.target] = targets[item.target] = number
        _check_overlap(item, name, here, there)


def _check_overlap(item: Item, name: str, here: tuple[str, ...], there: tuple[str, ...]) -> None:
    source = (*here, *paths.parts(item.source_path))
    target = (*there, *paths.parts(item.target))
    if source == target:
        raise Invalid({f"{name}.destination_path": "Source and destination are the same."})
    if item.recursive is not False:
        complaint = overlap(source, target)
        if complaint:
            raise Invalid({f"{name}.{complaint[0]}": complaint[1]})


def overlap(source: tuple[str, ...], target: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the field and the sentence if one of two folders, given by their addresses, lies in the other."""
    if target[: len(source)] == source:
        return "destination_path", "The destination lies inside the source."
    if source[: len(target)] == target:
        return "source_path", "The source lies inside the destination."
    return None


def _address(collection: Collection) -> tuple[str, ...]:
    with collections.storage_for(collection) as storage:
        return storage.address()


def _written(body: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document as given, the same thing written one way: levels as numbers, ids in lower case."""
    written = dict(body)
    if "sync_level" in written:
        written["sync_level"] = options["sync_level"]
    for name in ("source_endpoint", "destination_endpoint"):
        written[name] = str(UUID(str(body[name])))
    written["DATA"] = [dict(item) for item in body["DATA"]]
    return written
