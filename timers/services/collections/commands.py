"""Collections: create, change, delete, browse; and the storage of a collection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.db import transaction

from timers import validation
from timers.copying import paths
from timers.errors import REQUIRED, ExternalError, Forbidden, Invalid, NotFound, UnknownKind
from timers.models import Collection
from timers.services import events
from timers.storages.base import STORAGES, Entry, Kind, Storage, is_partial

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
_PATH_REASONS = {
    "not_a_folder",
    "not_a_file",
    "already_exists",
    "not_empty",
    "clash",
    "name_too_long",
    "bad_name",
    "unsupported",
}


class FolderEntry(NamedTuple):
    """One entry of a folder, as it can be shown.

    One whose name cannot stand in a path (`addressable` is False) has it in readable form, and cannot be opened.
    """

    name: str
    kind: Kind
    size: int
    modified_at: datetime | None
    addressable: bool = True


@dataclass(frozen=True)
class Folder:
    """A folder's entries, by name.

    `path` is the resolved collection path; `truncated` is True when there are more entries.
    """

    path: str
    entries: tuple[FolderEntry, ...]
    truncated: bool = False


def create(
    *, owner: Any, fields: Mapping[str, Any], now: datetime, by: Any = None, id: UUID | None = None
) -> Collection:
    """Store a new collection and return it.

    Raises Invalid naming the fields, and Forbidden where only administrators may.
    """
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
    """Change any subset of the fields and return the collection.

    `storage` is replaced as a whole; secrets given as *** stay as they are.

    A change of the host requires the secrets again. The result of an earlier test is forgotten when it was about
    another place.
    """
    before = _test_subject(collection)
    _apply(collection, changes, by=by)
    collection.updated_at = now
    changed = {"updated_at", *changes.keys() - {"storage"}} | (_STORAGE if "storage" in changes else set())
    if _test_subject(collection) != before:
        collection.health = {}
        changed.add("health")
    with transaction.atomic():
        collection.save(update_fields=changed)
        _record("collection_updated", collection, by=by, now=now, fields=sorted(changes))
    return collection


def delete(collection: Collection, *, by: Any, now: datetime) -> Collection:
    """Mark a collection as deleted and return it; its files, its finished and its running transfers are left alone."""
    if collection.deleted_at is None:
        collection.deleted_at = now
        with transaction.atomic():
            collection.save(update_fields=["deleted_at"])
            _record("collection_deleted", collection, by=by, now=now)
    return collection


def get_for(user: Any, id: UUID | str) -> Collection:
    """Return a collection that the user may see; raises NotFound."""
    collection = find(user, id)
    if collection is None:
        raise NotFound(f"There is no collection {id}.")
    return collection


def find(user: Any, id: object) -> Collection | None:
    """Return a collection that the user may see, None for anything else, including an invalid id."""
    key = validation.uuid(id)
    return Collection.objects.visible_to(user).filter(pk=key).first() if key else None


def storage_for(collection: Collection) -> Storage:
    """Return the collection's storage; close it after use (it is a context manager)."""
    parameters, secrets = cast(tuple[Any, Any], (collection.storage, collection.secrets))
    return STORAGES.get(collection.kind)(parameters, secrets)


def storage_document(collection: Collection) -> dict[str, Any]:
    """Return the visible description of the storage: kind and parameters, secrets as ***."""
    return {"kind": collection.kind, **collection.storage, **dict.fromkeys(collection.secrets, MASK)}


def abilities(collection: Collection) -> dict[str, Any]:
    """Return the capabilities of the collection's storage."""
    return STORAGES.get(collection.kind).abilities.document()


# Browsing: faults of a storage are raised as the service's own errors, which interfaces know


def list_directory(collection: Collection, path: str | None = None, *, limit: int = MAX_LISTED) -> Folder:
    """Return the entries of a folder of the collection, by name; without `path` those of its default directory."""
    full_path = _full_path(collection, path)
    with _translated_faults(), storage_for(collection) as storage:
        visible = (entry for entry in storage.list(full_path) if not is_partial(entry.name))
        entries = [_folder_entry(entry) for entry in islice(visible, limit)]
        truncated = next(visible, None) is not None
    entries.sort(key=lambda entry: (entry.name, entry.kind))
    return Folder(full_path, tuple(entries), truncated=truncated)


def _folder_entry(entry: Entry) -> FolderEntry:
    addressable = paths.is_carriable(entry.name)
    name = entry.name if addressable else paths.readable(entry.name)
    return FolderEntry(name, entry.kind, entry.size, entry.modified_at, addressable)


def stat(collection: Collection, path: str | None = None) -> Entry:
    """Return the entry at a path; raises NotFound."""
    with _translated_faults(), storage_for(collection) as storage:
        return storage.stat(_full_path(collection, path))


def make_directory(collection: Collection, path: str) -> str:
    """Make one folder, parents included, and return its path; raises Invalid when it exists."""
    full_path = _full_path(collection, path)
    with _translated_faults(), storage_for(collection) as storage:
        if not storage.mkdir(full_path):
            raise Invalid({"path": f"{full_path} exists already."})
    return full_path


def rename(collection: Collection, source: str, target: str) -> None:
    """Move a file or folder inside the collection; raises Invalid when the new name exists."""
    source_path, target_path = (
        _full_path(collection, source, field="old_path"),
        _full_path(collection, target, field="new_path"),
    )
    if paths.is_inside(target_path, source_path):
        raise Invalid({"new_path": "A folder cannot be moved into itself."})
    with _translated_faults(), storage_for(collection) as storage:
        storage.rename(source_path, target_path)


@contextmanager
def _translated_faults() -> Iterator[None]:
    try:
        yield
    except ExternalError as error:
        if error.reason == "not_found":
            raise NotFound(error.message) from error
        if error.reason in {"permission_denied", "path_outside"}:
            raise Forbidden(error.message) from error
        if error.reason in _PATH_REASONS:
            raise Invalid({"path": error.message}) from error
        raise


def _full_path(collection: Collection, path: str | None, *, field: str = "path") -> str:
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
    parameters = dict(document)
    kind = parameters.pop("kind", None)
    if not isinstance(kind, str) or kind not in STORAGES:
        raise UnknownKind("storage.kind", kind, STORAGES)
    try:
        unmasked = _unmasked_secrets(parameters, collection.secrets if kind == collection.kind else {})
        public, secrets = STORAGES.get(kind).clean({**parameters, **unmasked}, owner=by)
        _refuse_moved_secrets(STORAGES.get(kind), unmasked, old=collection.storage, new=public)
    except Invalid as error:
        raise error.under("storage") from error
    collection.kind = kind
    collection.storage = public
    collection.secrets = secrets  # type: ignore[assignment]  # the field holds objects, as text


def _unmasked_secrets(parameters: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored secrets for which a mask was given."""
    masked = [name for name, value in parameters.items() if value == MASK]
    unknown = [name for name in masked if name not in stored]
    if unknown:
        raise Invalid(dict.fromkeys(unknown, f"{MASK} stands for a stored secret, and there is none yet."))
    return {name: stored[name] for name in masked}


def _refuse_moved_secrets(
    kind: type[Storage], unmasked: Mapping[str, Any], *, old: Mapping[str, Any], new: Mapping[str, Any]
) -> None:
    """Refuse to send a stored secret to another host than the one that it was given for."""
    moved = [label for name, label in kind.recipients().items() if old.get(name) != new.get(name)]
    if unmasked and moved:
        raise Invalid(dict.fromkeys(unmasked, f"Give it again: the {moved[0]} changed."))


def _test_subject(collection: Collection) -> tuple[Any, ...]:
    """Return the values that a test result depends on."""
    return collection.kind, collection.storage, collection.secrets, collection.default_directory


def _directory(value: object) -> str:
    if isinstance(value, str) and (value.startswith("~") or value.startswith("/~")):
        raise Invalid({"default_directory": "~ stands for this very directory: give a path such as /home."})
    full_path = paths.normalise(value, field="default_directory")
    if len(full_path) > 1000:
        raise Invalid({"default_directory": "At most 1,000 characters."})
    return full_path if full_path == paths.ROOT else f"{full_path}/"


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
