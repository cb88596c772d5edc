"""Partial files at the destination: of slices that died, and of files that will not be resumed."""

from __future__ import annotations

from collections.abc import Container
from contextlib import suppress

from timers.copying import bundles, paths
from timers.engine.transfers.slice_context import SliceContext
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import FileRow
from timers.services.transfers.slices import Slice
from timers.storages.base import partial_prefix


def sweep(context: SliceContext) -> None:
    """Remove the partial files that a slice which died left beside the next files to be copied."""
    rows = progress.pending_rows(context.transfer_slice, "copy", context.batch, now=context.monitor.now())
    context.destination.sweep(
        [_path(row) for row in rows],
        prefix=partial_prefix(context.transfer_slice.transfer_id),
        keep=_KeptPartials(context.transfer_slice),
    )


class _KeptPartials(Container[str]):
    """The names of all partial files to be resumed, including one that a slice which died may have renamed."""

    def __init__(self, transfer_slice: Slice) -> None:
        kept = progress.kept_partials(transfer_slice)
        self._prefixes = tuple(partial_prefix(transfer_slice.transfer_id, str(id)) for id, _, _ in kept)
        self._names = {part for _, _, part in kept}

    def __contains__(self, name: object) -> bool:
        return name in self._names or (isinstance(name, str) and name.startswith(self._prefixes))


def _path(row: FileRow) -> str:
    if row.members is None:
        return row.destination_path
    return paths.join(row.destination_path, next(bundles.decode(row.members)).name)


def remove_all_kept(context: SliceContext) -> None:
    """Remove the partial files of files that will not be resumed."""
    for _, path, part in progress.kept_partials(context.transfer_slice):
        with suppress(ExternalError):
            context.destination.remove_partial(path, part)
