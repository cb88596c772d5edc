"""Keeping what a transfer replaces or deletes: it is moved to a folder of the destination instead."""

from __future__ import annotations

from timers.copying import paths
from timers.engine.transfers.slice_context import SliceContext
from timers.errors import ExternalError
from timers.services.transfers.progress import FileRow
from timers.storages.base import Storage

MAX_NAMES = 10_000


def keep(context: SliceContext, storage: Storage, row: FileRow) -> str | None:
    """Put what stands at a row's destination into the folder of kept files; return its path there.

    It may still stand in its place too. Return None where nothing is to be kept, or nothing stands there. A name that
    is kept twice gets a number at its end.
    """
    base = context.options.keep_replaced
    if base is None:
        return None
    kept = _path_in(base, context.item_root(row.item), row.destination_path)
    for number in range(MAX_NAMES):
        target = kept if number == 0 else f"{kept}.{number}"
        try:
            storage.mkdir(paths.parent(target))
            storage.set_aside(row.destination_path, target)
            return target
        except ExternalError as error:
            if error.reason == "not_found":
                return None
            if error.reason != "already_exists":
                raise
    raise AssertionError(f"{kept} was kept {MAX_NAMES} times")


def _path_in(base: str, root: str, path: str) -> str:
    """Return the path of an entry in the folder of kept files: the same as below the item's folder."""
    inside = path.removeprefix(root).strip("/") if paths.is_inside(path, root) else ""
    return f"{base.rstrip('/')}/{inside or paths.name_of(path)}"


def put_back(storage: Storage, path: str, kept: str) -> None:
    """Undo `keep` after the new file could not take its place."""
    try:
        storage.rename(kept, path)
    except ExternalError as error:
        if error.reason != "already_exists":
            raise
        storage.delete(kept)  # it was never gone
