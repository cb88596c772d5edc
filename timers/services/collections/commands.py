"""Collections: create, change, delete, browse. And the way from a collection to its storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.db import transaction

from timers import validation
from timers.copying import paths
from timers.errors import REQUIRED, ExternalError, Forbidden, Invalid, NotFound, UnknownKind
from timers.models import Collection
from timers.services import events
from timers.storages.base import STORAGES, Entry, Storage, is_part

ENTITY_TYPES = (
    "GCP_mapped_collection",
    "GCP_guest_collection",
    "GCSv5_endpoint",
    "GCSv5_mapped_collection",
    "GCSv5_guest_collection",
    "GCSv4_host",
    "GCSv4_share",
)
MASK = "***"
MAX_LISTED = 100_000

_STORAGE = {"kind", "storage", "secrets"}
_OF_THE_PATH = {
    "not_a_folder",
    "not_a_file",
    "already_exists",
    "not_empty",
    "clash",
    "name_too_long",
    "bad_name",
    "unsupported",
}


@dataclass(frozen=True)
class Folder:
    """What a folder holds, by name. `path` is the collection path that was meant; `truncated` when there is more."""

    path: str
    entries: tuple[Entry, ...]
    truncated: bool = False


def create(
    *, owner: Any, fields: Mapping[str, Any], now: datetime, by: Any = None, id: UUID | None = None
) -> Collection:
    """Store a new collection; raises Invalid naming the fields, and Forbidden where only administrators may."""
    by = by or owner
    for name in ("display_name", "storage"):
        if name not in fields:
            raise Invalid({name: REQUIRED})
    collection = Collection(owner=owner, created_at=now, updated_at=now, **({"id": id} if id else {}))
    _apply(collection, fields, by=by)
    with transaction.atomic():
        collection.save(force_insert=True)
        _record("collection_created", collection, by=by, now=now)
    return collection


def update(collection: Collection, *, changes: Mapping[str, Any], by: Any, now: datetime) -> Collection:
    """Change any subset of the fields; `storage` is replaced as a whole, secrets given as *** stay as they are.

    Whoever names another host has to give the secrets again. What an earlier test found of another place is forgotten.
    """
    before = _tested(collection)
    _apply(collection, changes, by=by)
    collection.updated_at = now
    changed = {"updated_at", *changes.keys() - {"storage"}} | (_STORAGE if "storage" in changes else set())
    if _tested(collection) != before:
        collection.health = {}
        changed.add("health")
    with transaction.atomic():
        collection.save(update_fields=changed)
        _record("collection_updated", collection, by=by, now=now, fields=sorted(changes))
    return collection


def delete(collection: Collection, *, by: Any, now: datetime) -> Collection:
    """Take a collection away; its files, its finished transfers and those that go on are left alone."""
    if collection.deleted_at is None:
        collection.deleted_at = now
        with transaction.atomic():
            collection.save(update_fields=["deleted_at"])
            _record("collection_deleted", collection, by=by, now=now)
    return collection


def get_for(user: Any, id: UUID | str) -> Collection:
    """Return a collection that the user may know of; raises NotFound."""
    collection = find(user, id)
    if collection is None:
        raise NotFound(f"There is no collection {id}.")
    return collection


def find(user: Any, id: object) -> Collection | None:
    """Return a collection that the user may know of, None for anything else, also for what is no id."""
    key = validation.uuid(id)
    return Collection.objects.visible_to(user).filter(pk=key).first() if key else None


def storage_for(collection: Collection) -> Storage:
    """Return the collection's storage; close it after use (it is a context manager)."""
    parameters, secrets = cast(tuple[Any, Any], (collection.storage, collection.secrets))
    return STORAGES.get(collection.kind)(parameters, secrets)


def storage_document(collection: Collection) -> dict[str, Any]:
    """Return what may be shown of where the collection is: kind and parameters, secrets as ***."""
    return {"kind": collection.kind, **collection.storage, **dict.fromkeys(collection.secrets, MASK)}


def abilities(collection: Collection) -> dict[str, Any]:
    """Return what the collection's storage is able to do."""
    return STORAGES.get(collection.kind).abilities.document()


# Browsing: what a storage says is answered with the service's own errors, which interfaces know


def list_directory(collection: Collection, path: str | None = None, *, limit: int = MAX_LISTED) -> Folder:
    """Return what a folder of the collection holds, by name; without `path` its default directory."""
    place = _place(collection, path)
    entries: list[Entry] = []
    with _browsing(), storage_for(collection) as storage:
        for entry in storage.list(place):
            if is_part(entry.name) or not paths.is_storable(entry.name):
                continue
            if len(entries) == limit:
                return Folder(place, tuple(sorted(entries)), truncated=True)
            entries.append(entry)
    return Folder(place, tuple(sorted(entries)))


def stat(collection: Collection, path: str | None = None) -> Entry:
    """Return what stands at a path; raises NotFound."""
    with _browsing(), storage_for(collection) as storage:
        return storage.stat(_place(collection, path))


def make_directory(collection: Collection, path: str) -> str:
    """Make one folder, parents included, and return its path; raises Invalid when it exists."""
    place = _place(collection, path)
    with _browsing(), storage_for(collection) as storage:
        if not storage.mkdir(place):
            raise Invalid({"path": f"{place} exists already."})
    return place


def rename(collection: Collection, source: str, target: str) -> None:
    """Move a file or folder inside the collection; raises Invalid when the new name is taken."""
    here, there = _place(collection, source, field="old_path"), _place(collection, target, field="new_path")
    if paths.is_inside(there, here):
        raise Invalid({"new_path": "A folder cannot be moved into itself."})
    with _browsing(), storage_for(collection) as storage:
        storage.rename(here, there)


@contextmanager
def _browsing() -> Iterator[None]:
    try:
        yield
    except ExternalError as error:
        if error.reason == "not_found":
            raise NotFound(error.message) from error
        if error.reason in {"permission_denied", "path_outside"}:
            raise Forbidden(error.message) from error
        if error.reason in _OF_THE_PATH:
            raise Invalid({"path": error.message}) from error
        raise


def _place(collection: Collection, path: str | None, *, field: str = "path") -> str:
    home = paths.normalise(collection.default_directory)
    return home if path is None or path == "" else paths.normalise(path, default_directory=home, field=field)


# Reading the fields


def _apply(collection: Collection, fields: Mapping[str, Any], *, by: Any) -> None:
    """Set the fields; raises one Invalid that names every field that cannot work."""
    validation.only_known(fields, _FIELDS)
    problems: dict[str, Any] = {}
    for name in _FIELDS.keys() & fields.keys():
        try:
            if name == "storage":
                _apply_storage(collection, fields["storage"], by=by)
            else:
                setattr(collection, name, _FIELDS[name](fields[name]))
        except UnknownKind:
            raise
        except Invalid as error:
            problems |= error.fields
    if problems:
        raise Invalid(problems)


def _apply_storage(collection: Collection, document: object, *, by: Any) -> None:
    if not isinstance(document, Mapping):
        raise Invalid({"storage": 'Give an object with a kind, such as {"kind": "local", "root": "/data"}.'})
    given = dict(document)
    kind = given.pop("kind", None)
    if not isinstance(kind, str) or kind not in STORAGES:
        raise UnknownKind("storage.kind", kind, STORAGES)
    try:
        kept = _kept(given, collection.secrets if kind == collection.kind else {})
        public, secrets = STORAGES.get(kind).clean({**given, **kept}, owner=by)
        _refuse_elsewhere(STORAGES.get(kind), kept, old=collection.storage, new=public)
    except Invalid as error:
        raise error.under("storage") from error
    collection.kind = kind
    collection.storage = public
    collection.secrets = secrets  # type: ignore[assignment]  # the field holds objects, as text


def _kept(given: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored secrets for which a mask was given."""
    masked = [name for name, value in given.items() if value == MASK]
    unknown = [name for name in masked if name not in stored]
    if unknown:
        raise Invalid(dict.fromkeys(unknown, f"{MASK} stands for a stored secret, and there is none yet."))
    return {name: stored[name] for name in masked}


def _refuse_elsewhere(
    kind: type[Storage], kept: Mapping[str, Any], *, old: Mapping[str, Any], new: Mapping[str, Any]
) -> None:
    """Refuse to send a stored secret to another host than the one that it was given for."""
    moved = [word for name, word in kind.recipients().items() if old.get(name) != new.get(name)]
    if kept and moved:
        raise Invalid(dict.fromkeys(kept, f"Give it again: the {moved[0]} changed."))


def _tested(collection: Collection) -> tuple[Any, ...]:
    """Return what a test is about."""
    return collection.kind, collection.storage, collection.secrets, collection.default_directory


def _directory(value: object) -> str:
    if isinstance(value, str) and (value.startswith("~") or value.startswith("/~")):
        raise Invalid({"default_directory": "This is what ~ means: name the folder itself, such as /home."})
    place = paths.normalise(value, field="default_directory")
    if len(place) > 1000:
        raise Invalid({"default_directory": "At most 1,000 characters."})
    return place if place == paths.ROOT else f"{place}/"


_FIELDS: dict[str, Any] = {
    "display_name": lambda value: validation.name(value, "display_name"),
    "description": lambda value: validation.paragraph(value, "description"),
    "storage": None,
    "default_directory": _directory,
    "entity_type": lambda value: validation.one_of(value, "entity_type", ENTITY_TYPES),
    "high_assurance": lambda value: validation.flag(value, "high_assurance"),
}


def _record(verb: str, collection: Collection, *, by: Any, now: datetime, **data: Any) -> None:
    events.record(
        verb, now=now, by=by, owner=collection.owner, object_id=collection.pk, text=collection.display_name, **data
    )
