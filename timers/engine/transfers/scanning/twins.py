"""Sources whose names may be one name at the destination: disks ignore case, Unicode form, or dots at the end.

Only the destination knows. So the first of such sources is copied as usual. The others are deferred until it is in
place; then the destination is asked what it holds under their names (phase `settle`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from timers.copying import paths
from timers.copying.plan import Entry, PlannedEntry
from timers.engine.transfers.scanning.planned_rows import FolderPlace, add_step
from timers.engine.transfers.slice_context import SliceContext
from timers.errors import ExternalError
from timers.services.transfers.progress import FileRow, NewFile
from timers.storages.base import Storage, fault, source_faults


class NamesSeen:
    """The names of one folder of the source so far; of a million of them only the hashes are kept."""

    def __init__(self, context: SliceContext, folder: FileRow) -> None:
        self._is_exact = context.destination.abilities.exact_names
        self._seen: set[int] = set()
        self.folder, self.seconds = folder, list[PlannedEntry]()

    def is_second(self, step: PlannedEntry) -> bool:
        """Return whether a name was probably seen in another spelling; the step is kept for `add_seconds`."""
        if self._is_exact:
            return False
        key, seen = hash(paths.fold(step.entry.name)), self._seen
        if key not in seen:
            seen.add(key)
            return False
        self.seconds.append(step)
        return True


def add_seconds(context: SliceContext, place: FolderPlace, names: NamesSeen, *, exists: bool) -> None:
    """Record the entries that were seen in another spelling before: those that the destination tells apart at once."""
    if not names.seconds:
        return
    spellings = _spellings(context, names)
    present = _names_at(context.destination, place.target) if exists else set()
    for step in names.seconds:
        name, source = step.entry.name, paths.join(names.folder.source_path, step.entry.name)
        twin = _twin(name, spellings[paths.fold(name)])
        if twin is None or context.options.dry_run or (name != twin and {name, twin} <= present):
            add_step(context, place, step, source)
        else:
            target = paths.join(place.target, name)
            twin_path = paths.join(place.target, twin)
            defer(context, place, step.entry, source=source, target=target, twin=twin_path)


def _spellings(context: SliceContext, names: NamesSeen) -> dict[str, list[str]]:
    """Return the names of the source folder that fold to the same as one of the seconds."""
    spellings: dict[str, list[str]] = {paths.fold(step.entry.name): [] for step in names.seconds}
    with source_faults():
        for entry in context.source.list(names.folder.source_path):
            same = spellings.get(paths.fold(entry.name))
            if same is not None:
                same.append(entry.name)
    return spellings


def _twin(name: str, spellings: Sequence[str]) -> str | None:
    """Return another name with the same spelling, the name itself where a file and a folder have it."""
    others = [other for other in spellings if other != name]
    return others[0] if others else name if len(spellings) > 1 else None


def of_item(context: SliceContext, item: Any, target: str) -> str | None:
    """Return the target of an earlier item that may be the same at the destination; None where there is none."""
    if context.destination.abilities.exact_names:
        return None
    for number, other in context.item_targets.get(paths.fold_path(target), ()):
        if number < item.number and other != target:
            return other
    return None


def defer(context: SliceContext, place: FolderPlace, entry: Entry, *, source: str, target: str, twin: str) -> None:
    """Record a source that waits until another one, `twin`, is in place."""
    row = NewFile(place.item, place.parent, "copy", source, target, size=entry.size, modified_us=entry.modified_us)
    context.changes.new.append(row._replace(state="deferred", waits_for=twin))


def are_one(storage: Storage, path: str, twin: str) -> bool:
    """Return whether two paths of the destination, which differ in their spelling, lead to one entry."""
    if not _exists(storage, path):
        return False
    if path == twin:
        return True
    names, twin_names = _names_at(storage, paths.parent(path)), _names_at(storage, paths.parent(twin))
    if paths.name_of(path) not in names:
        return True
    return paths.name_of(twin) not in twin_names and _exists(storage, twin)


def collision(source: str, path: str, twin: str) -> ExternalError:
    """Return the fault of a source whose name is taken by another source."""
    if path == twin:
        return fault("name_collision", f"{source}: a file and a folder have this name, and {path} can be only one.")
    return fault("name_collision", f"{source}: {path} and {twin} are one name at the destination, which the other has.")


def _names_at(storage: Storage, folder: str) -> set[str]:
    return {entry.name for entry in storage.list(folder)}


def _exists(storage: Storage, path: str) -> bool:
    try:
        storage.stat(path)
    except ExternalError as error:
        if error.reason in {"not_found", "not_a_folder"}:
            return False
        raise
    return True
