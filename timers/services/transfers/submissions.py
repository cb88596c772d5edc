"""Reading the document of a transfer or a deletion: every field is checked, and an error names its field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from timers import validation
from timers.copying import paths
from timers.copying.filters import Filter, parse_rules
from timers.errors import REQUIRED, Invalid
from timers.models import Collection
from timers.services.collections import commands as collections
from timers.services.transfers import items as transfer_items
from timers.services.transfers import kept_files, requirements
from timers.services.transfers import options as transfer_options
from timers.services.transfers.items import ItemPaths, overlap
from timers.services.transfers.options import sync_level
from timers.services.transfers.run_values import RunValues

__all__ = [
    "ItemPaths",
    "RunValues",
    "Submission",
    "overlap",
    "read",
    "read_deadline",
    "read_for_timer",
    "read_label",
    "sync_level",
]

MAX_LABEL_LENGTH = 128
TRANSFER, DELETE = "transfer", "delete"

_SHARED = {"DATA_TYPE", "DATA", "submission_id", "label", "deadline", "additional_fields"}
_KNOWN = {*_SHARED, "source_endpoint", "destination_endpoint", *transfer_options.NAMES}
_KNOWN_OF_DELETION = {*_SHARED, "endpoint", *transfer_options.NAMES_OF_DELETION}


@dataclass(frozen=True)
class Submission:
    """A checked document: collections found, paths normalised, options complete. A deletion has no destination."""

    source: Collection
    destination: Collection | None
    items: tuple[ItemPaths, ...]
    options: dict[str, Any]
    kind: str = TRANSFER
    label: str = ""
    deadline: datetime | None = None
    submission_id: UUID | None = None
    written: dict[str, Any] = field(default_factory=dict)
    """The document as it is kept in a timer's body."""


def read(body: object, *, owner: Any, values: RunValues) -> Submission:
    """Return the submission of a document, its texts with the values of a run; raises Invalid with its own names."""
    if not isinstance(body, Mapping):
        raise Invalid({"body": "Give an object with source_endpoint, destination_endpoint and DATA."})
    return _deletion(body, owner, values) if _kind(body) == DELETE else _transfer(body, owner, values)


def read_for_timer(body: object, *, owner: Any) -> Submission:
    """Return the transfer that a timer is to repeat, with the values of an example.

    Raises Invalid for deletions and dry runs too.
    """
    submission = read(body, owner=owner, values=RunValues())
    if submission.kind != TRANSFER:
        raise Invalid({"DATA_TYPE": "A timer runs transfers only; submit a deletion by itself."})
    if submission.options["dry_run"]:
        raise Invalid({"dry_run": "A timer cannot repeat a dry run; submit it by itself."})
    return submission


def _kind(body: Mapping[str, Any]) -> str:
    data_type = body.get("DATA_TYPE")
    if data_type is not None and data_type not in (TRANSFER, DELETE):
        raise Invalid({"DATA_TYPE": "Must be transfer or delete."})
    if data_type is None and body.get("endpoint") is not None and body.get("source_endpoint") is None:
        return DELETE
    return data_type or TRANSFER


def _transfer(body: Mapping[str, Any], owner: Any, values: RunValues) -> Submission:
    validation.only_known(body, _KNOWN)
    source = _collection(body, "source_endpoint", owner)
    destination = _collection(body, "destination_endpoint", owner)
    deadline = read_deadline(body)
    home = paths.normalise(destination.default_directory)
    options = {
        **transfer_options.read(body),
        "keep_replaced": kept_files.read(body.get("keep_replaced"), home=home, values=values),
        "deadline": deadline and deadline.isoformat(),
    }
    items = transfer_items.read(body.get("DATA"), source=source, destination=destination, values=values)
    transfer_options.check(options, items=items)
    requirements.check(options, items=items, source=source, destination=destination)
    _check_addresses(items, options, source=source, destination=destination)
    return Submission(
        source=source,
        destination=destination,
        items=items,
        options=options,
        label=read_label(values.render(body.get("label"), "label")),
        deadline=deadline,
        submission_id=_id(body.get("submission_id")),
        written=_written(body, options),
    )


def _check_addresses(
    items: tuple[ItemPaths, ...], options: Mapping[str, Any], *, source: Collection, destination: Collection
) -> None:
    """Raise Invalid for paths of which one would be copied, kept or deleted by another."""
    addresses = {
        "source_address": transfer_items.address_of(source),
        "destination_address": transfer_items.address_of(destination),
    }
    rules = Filter(parse_rules(options["filter_rules"]))
    transfer_items.check_overlaps(items, rules=rules, **addresses)
    kept_files.check(options["keep_replaced"], items=items, **addresses)


def _deletion(body: Mapping[str, Any], owner: Any, values: RunValues) -> Submission:
    unknown = sorted((_KNOWN - _KNOWN_OF_DELETION) & body.keys())
    if unknown:
        raise Invalid(dict.fromkeys(unknown, "This belongs to a transfer; a deletion has no such field."))
    validation.only_known(body, _KNOWN_OF_DELETION)
    collection = _collection(body, "endpoint", owner)
    requirements.check_deletion(collection)
    deadline = read_deadline(body)
    return Submission(
        kind=DELETE,
        source=collection,
        destination=None,
        items=transfer_items.read_deletions(body.get("DATA"), collection=collection),
        options={**transfer_options.read_of_deletion(body), "deadline": deadline and deadline.isoformat()},
        label=read_label(values.render(body.get("label"), "label")),
        deadline=deadline,
        submission_id=_id(body.get("submission_id")),
    )


def _collection(body: Mapping[str, Any], name: str, owner: Any) -> Collection:
    if body.get(name) is None:
        raise Invalid({name: REQUIRED})
    collection = collections.find(owner, body[name])
    if collection is None:
        raise Invalid({name: f"There is no collection {body[name]!s:.100}."})
    return collection


def read_deadline(body: Mapping[str, Any]) -> datetime | None:
    """Return the deadline of a document, None without one; raises Invalid naming deadline."""
    return None if body.get("deadline") is None else validation.instant(body["deadline"], "deadline")


def _id(value: object) -> UUID | None:
    identifier = validation.uuid(value)
    if value is not None and identifier is None:
        raise Invalid({"submission_id": "Must be a UUID."})
    return identifier


def read_label(value: object) -> str:
    """Return the label as it is stored, empty for none; raises Invalid naming label."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_LABEL_LENGTH or not value.isprintable():
        raise Invalid({"label": f"Give text of at most {MAX_LABEL_LENGTH} characters, without control characters."})
    return value


def _written(body: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given document in one canonical form: levels as numbers, ids in lower case."""
    document = dict(body)
    if "sync_level" in document:
        document["sync_level"] = options["sync_level"]
    for name in ("source_endpoint", "destination_endpoint"):
        document[name] = str(UUID(str(body[name])))
    document["DATA"] = [dict(item) for item in body["DATA"]]
    return document
