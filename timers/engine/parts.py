"""Unfinished parts that lie at the destination: of slices that died, and of files that nobody will go on with."""

from __future__ import annotations

from contextlib import suppress

from timers.copying import packs, paths
from timers.engine.work import Work
from timers.errors import ExternalError
from timers.services import transfer_progress as progress
from timers.services.transfer_progress import Todo
from timers.storages.base import part_prefix


def sweep(work: Work) -> None:
    """Remove the parts that a slice which died left behind: they lie beside the next files to be copied."""
    rows = progress.to_do(work.held, "copy", work.batch, now=work.watch.now())
    kept = {part for _, part in progress.parts_kept(work.held)}
    work.destination.sweep([_path(row) for row in rows], prefix=part_prefix(work.held.transfer_id), keep=kept)


def _path(row: Todo) -> str:
    if row.members is None:
        return row.destination_path
    return paths.join(row.destination_path, next(packs.decode(row.members)).name)


def remove_kept(work: Work) -> None:
    """Remove the parts of files that nobody will go on with."""
    for path, part in progress.parts_kept(work.held):
        with suppress(ExternalError):
            work.destination.remove_part(path, part)
