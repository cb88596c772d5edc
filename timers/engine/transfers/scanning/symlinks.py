"""Symbolic links of the source: resolved here, step by step, and never out of the collection."""

from __future__ import annotations

from timers.copying import paths
from timers.copying.plan import Entry, Kind
from timers.engine.transfers.slice_context import SliceContext
from timers.services.transfers import progress
from timers.services.transfers.progress import FileRow
from timers.storages.base import Storage, fault

MAX_LINKS = 40
"""Largest number of links followed for one path, the same as in the operating system."""


def resolve_item(source: Storage, path: str) -> tuple[str, Entry]:
    """Return the target path and entry of an item that is a link: what it leads to is what was asked for."""
    return _resolve(source, path)


def resolve_in_folder(context: SliceContext, folder: FileRow | None, path: str) -> tuple[str, Entry]:
    """Return the target path and entry of a link in a folder.

    Raises `path_outside` for a link to a folder above itself.
    """
    resolved, entry = _resolve(context.source, path)
    if entry.kind is Kind.DIR and folder is not None:
        above = [folder.source_path, *progress.folders_above(folder.parent)]
        if any(paths.is_inside(folder_path, resolved) for folder_path in above):
            raise fault("path_outside", f"{path} is a symbolic link to a folder that it lies in.")
    return resolved, entry


def _resolve(storage: Storage, path: str) -> tuple[str, Entry]:
    """Return the path without links for a path, and its entry."""
    names, resolved, links = paths.parts(path), paths.ROOT, 0
    entry = storage.stat(paths.ROOT)
    while names:
        name = names.pop(0)
        if name == "..":
            if resolved == paths.ROOT:
                raise fault("path_outside", f"{path} is a symbolic link that leads out of the collection.")
            resolved = paths.parent(resolved)
            entry = storage.stat(resolved)
            continue
        step = paths.join(resolved, name)
        entry = storage.stat(step)
        if entry.kind is not Kind.SYMLINK:
            resolved = step
            continue
        links += 1
        target = storage.read_link(step)
        if target.startswith("/"):
            raise fault("path_outside", f"{path} is a symbolic link that leads to an absolute path.")
        if links > MAX_LINKS:
            raise fault("path_outside", f"{path} is a symbolic link that leads in a circle.")
        names = [part for part in target.split("/") if part not in {"", "."}] + names
    return resolved, entry
