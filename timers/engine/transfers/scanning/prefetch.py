"""Listing the next folder in the background while the present one is processed, where the stores can."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from timers.copying.plan import StepKind
from timers.engine.transfers.slice_context import SliceContext
from timers.services.transfers.progress import FileRow
from timers.storages.base import PrefetchedListing

PendingListing = Callable[[], PrefetchedListing | None] | None


def listings(context: SliceContext, folders: Sequence[FileRow]) -> Iterator[tuple[FileRow, PrefetchedListing | None]]:
    """Yield each folder with its listing, or with None where the caller has to list it.

    Every second folder is listed in the background of the one before it.
    """
    pending: PendingListing = None
    for number, folder in enumerate(folders):
        if number % 2 == 0:
            pending = _begin(context, folders[number + 1]) if number + 1 < len(folders) else None
            try:
                yield folder, None
            except GeneratorExit:
                _wait_for(pending)
                raise
        else:
            yield folder, pending() if pending is not None else None


def _begin(context: SliceContext, folder: FileRow) -> PendingListing:
    if folder.step == StepKind.DELETE:
        return None
    destination_folder = folder.destination_path if folder.state == "skipped" else None
    return context.destination.prefetch_listing(
        context.source, folder.source_path, destination_folder=destination_folder
    )


def _wait_for(pending: PendingListing) -> None:
    """Wait until the helper has finished, so that it can be used again."""
    if pending is not None:
        pending()
