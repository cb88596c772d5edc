"""Where symbolic links of the source lead: followed by us, step by step, and never out of the collection."""

from __future__ import annotations

from timers.copying import paths
from timers.copying.plan import Entry, Kind, Links
from timers.engine.transfers.slice_context import SliceContext
from timers.services.transfers import progress
from timers.services.transfers.progress import Todo
from timers.storages.base import Storage, fault

MAX_LINKS = 40
"""Links that lead to links, as many as the system itself follows."""


def item(work: SliceContext, path: str, link: Entry) -> tuple[str, Entry]:
    """Return what an item that is a link means: the link itself where links are kept, else what it leads to."""
    if work.options.links is Links.KEEP:
        return path, link
    if work.options.links is Links.IGNORE:
        raise fault("path_outside", f"{path} is a symbolic link, and links are not to be followed.")
    return _followed(work.source, path)


def in_folder(work: SliceContext, folder: Todo, path: str) -> tuple[str, Entry]:
    """Return where a link in a folder leads, and what is there; refuses one that leads to a folder above itself."""
    place, found = _followed(work.source, path)
    if found.kind is Kind.DIR:
        above = [folder.source_path, *progress.folders_above(folder.parent)]
        if any(paths.is_inside(each, place) for each in above):
            raise fault("path_outside", f"{path} is a symbolic link to a folder that it lies in.")
    return place, found


def _followed(storage: Storage, path: str) -> tuple[str, Entry]:
    """Return the path without links that a path means, and what is there."""
    todo, place, links = paths.parts(path), paths.ROOT, 0
    found = storage.stat(paths.ROOT)
    while todo:
        name = todo.pop(0)
        if name == "..":
            if place == paths.ROOT:
                raise fault("path_outside", f"{path} is a symbolic link that leads out of the collection.")
            place = paths.parent(place)
            found = storage.stat(place)
            continue
        step = paths.join(place, name)
        found = storage.stat(step)
        if found.kind is not Kind.SYMLINK:
            place = step
            continue
        links += 1
        text = storage.read_link(step)
        if text.startswith("/"):
            raise fault("path_outside", f"{path} is a symbolic link that leads to an absolute path.")
        if links > MAX_LINKS:
            raise fault("path_outside", f"{path} is a symbolic link that leads in a circle.")
        todo = [part for part in text.split("/") if part not in {"", "."}] + todo
    return place, found
