"""Turning the items of a transfer or a deletion into rows."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from timers.copying import paths
from timers.copying.plan import Entry, Kind, Links, PlannedEntry, entry_step
from timers.engine.transfers.scanning import symlinks, twins
from timers.engine.transfers.scanning.planned_rows import FolderPlace, add_row, add_step, deletion
from timers.engine.transfers.slice_context import SliceContext
from timers.engine.transfers.slice_faults import TransferFailed
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import NewFile
from timers.services.transfers.submissions import overlap
from timers.storages.base import SourceFault, Storage, fault, is_partial, source_faults


def expand(context: SliceContext, item: Any) -> None:
    """Turn one item into rows: a file, or a folder to be listed; all matches, where a delete task has patterns."""
    try:
        if context.transfer_slice.kind == "delete":
            _expand_deletion(context, item)
        else:
            _expand_copy(context, item)
    except (SourceFault, ExternalError) as problem:
        context.new_row_failed(_item_row(context, item), problem)
    context.changes.expanded.append(item.pk)


def _item_row(context: SliceContext, item: Any) -> NewFile:
    if context.transfer_slice.kind == "delete":
        return NewFile(item.number, None, "delete", "", item.source_path)
    return NewFile(item.number, None, "copy", item.source_path, item.destination_path)


def _expand_copy(context: SliceContext, item: Any) -> None:
    source, entry = _resolve(context, item)
    target = _target(item, entry.kind)
    place = FolderPlace(item.number, None, paths.parent(target))
    twin = twins.of_item(context, item, target)
    if twin is not None:
        twins.defer(context, place, entry, source=source, target=target, twin=twin)
        return
    if entry.kind is Kind.DIR:
        _refuse_overlap(context, source, target)
    existing = context.destination.find(_spelled(context.destination, target, is_folder=entry.kind is Kind.DIR))
    add_step(context, place, plan(context, item, entry, existing), source, target)


def plan(context: SliceContext, item: Any, entry: Entry, existing: Entry | None) -> PlannedEntry:
    """Return the step for the entry of an item."""
    rules = context.copy_rules._replace(links=Links.KEEP)
    # a file with a given checksum is always copied: only a file that is read can prove its digest
    return entry_step(entry, existing, rules if item.external_checksum is None else rules._replace(level=None))


def _resolve(context: SliceContext, item: Any) -> tuple[str, Entry]:
    """Return the resolved path of an item, and its entry; raises SourceFault."""
    with source_faults():
        path = item.source_path
        entry = context.source.stat(_spelled(context.source, path, is_folder=item.recursive is True))
        if item.is_link:
            if entry.kind is not Kind.SYMLINK:
                raise fault("not_a_file", f"{path} is not a symbolic link.")
            return path, entry
        if entry.kind is Kind.SYMLINK:
            path, entry = symlinks.resolve_item(context.source, path)
        _check_kind(item, entry)
    return path, entry


def _check_kind(item: Any, entry: Entry) -> None:
    if entry.kind is Kind.UNKNOWN:
        raise fault("unknown_kind", f"The server does not say what {item.source_path} is, a file or a folder.")
    if entry.kind is Kind.OTHER:
        raise fault("not_a_file", f"{item.source_path} is neither a file nor a folder.")
    if entry.kind is not Kind.FILE and item.external_checksum is not None:
        raise fault("not_a_file", f"{item.source_path} is not a file, and a checksum was given for one.")
    if entry.kind is not Kind.DIR and item.recursive is True:
        raise fault("not_a_folder", f"{item.source_path} is a file, but the item is recursive.")
    if entry.kind is Kind.DIR and item.recursive is False:
        raise fault("not_a_file", f"{item.source_path} is a folder, but the item is not recursive.")


def _target(item: Any, kind: Kind | None) -> str:
    """Return the target path of an item.

    A file goes into a destination that was written as a folder, everything else to that very path.
    """
    if kind is Kind.DIR:
        return item.destination_path.rstrip("/") or paths.ROOT
    return paths.target_of(item.source_path, item.destination_path)


def _refuse_overlap(context: SliceContext, source: str, target: str) -> None:
    complaint = overlap(
        (*context.source.address(), *paths.parts(source)), (*context.destination.address(), *paths.parts(target))
    )
    if complaint:
        raise TransferFailed(fault("unsupported", f"{source} to {target}: {complaint[1][0].lower()}{complaint[1][1:]}"))


def _spelled(storage: Storage, path: str, *, is_folder: bool) -> str:
    """Return a path as the storage is asked for it: a folder with a slash where a file can have its name."""
    return f"{path}/" if is_folder and storage.abilities.both_kinds and path != paths.ROOT else path


# Items of a delete task


def _expand_deletion(context: SliceContext, item: Any) -> None:
    folders = (
        {path.rstrip("/") for path in progress.destinations(context.transfer_slice)}
        if context.options.recursive
        else set()
    )
    if any(above in folders for above in paths.above(item.source_path)):
        return  # deleted together with its folder
    candidates = list(_matching(context, item.source_path)) if context.options.globs else [item.source_path]
    entries = [(path, entry) for path in candidates if (entry := context.destination.find(path)) is not None]
    if not entries and not context.options.ignore_missing:
        raise TransferFailed(fault("not_found", f"{item.source_path} does not exist."))
    for path, entry in entries:
        if entry.kind is Kind.DIR and not context.options.recursive:
            raise TransferFailed(fault("unsupported", f"{path} is a folder, and the task is not recursive."))
    for path, entry in entries:
        add_row(context, deletion(item.number, None, path, entry))


def _matching(context: SliceContext, path: str) -> Iterator[str]:
    """Yield the paths that match a path whose last name may be a pattern."""
    name = paths.name_of(path)
    if not set(name) & set("*?["):
        yield path
        return
    folder = paths.parent(path)
    try:
        for entry in context.destination.list(folder):
            if fnmatchcase(entry.name, name) and paths.is_carriable(entry.name) and not is_partial(entry.name):
                yield paths.join(folder, entry.name)
    except ExternalError as error:
        if error.reason != "not_found":
            raise
