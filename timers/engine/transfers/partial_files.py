"""Unfinished parts that lie at the destination: of slices that died, and of files that nobody will go on with."""

from __future__ import annotations

from collections.abc import Container
from contextlib import suppress

from timers.copying import bundles, paths
from timers.engine.transfers.slice_context import SliceContext
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import Todo
from timers.services.transfers.slices import Slice
from timers.storages.base import part_prefix


def sweep(work: SliceContext) -> None:
    """Remove the parts that a slice which died left behind: they lie beside the next files to be copied."""
    rows = progress.to_do(work.held, "copy", work.batch, now=work.watch.now())
    work.destination.sweep(
        [_path(row) for row in rows], prefix=part_prefix(work.held.transfer_id), keep=_BegunFiles(work.held)
    )


class _BegunFiles(Container[str]):
    """The names of all parts of files that are to be gone on with: a slice that died may have renamed one."""

    def __init__(self, held: Slice) -> None:
        begun = progress.parts_kept(held)
        self._beginnings = tuple(part_prefix(held.transfer_id, str(id)) for id, _, _ in begun)
        self._names = {part for _, _, part in begun}

    def __contains__(self, name: object) -> bool:
        return name in self._names or (isinstance(name, str) and name.startswith(self._beginnings))


def _path(row: Todo) -> str:
    if row.members is None:
        return row.destination_path
    return paths.join(row.destination_path, next(bundles.decode(row.members)).name)


def remove_kept(work: SliceContext) -> None:
    """Remove the parts of files that nobody will go on with."""
    for _, path, part in progress.parts_kept(work.held):
        with suppress(ExternalError):
            work.destination.remove_part(path, part)
