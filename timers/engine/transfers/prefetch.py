"""Listing the next folders while the present one is looked through, where the stores know how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from timers.copying.plan import What
from timers.engine.transfers.slice_context import SliceContext
from timers.services.transfers.progress import Todo
from timers.storages.base import Listed

Answer = Callable[[], Listed | None] | None


def listings(work: SliceContext, folders: Sequence[Todo]) -> Iterator[tuple[Todo, Listed | None]]:
    """Yield each folder with what it holds, or None where it is to be listed by who asks.

    Every second folder is listed beside the one before it.
    """
    beside: Answer = None
    for number, folder in enumerate(folders):
        if number % 2 == 0:
            beside = _begin(work, folders[number + 1]) if number + 1 < len(folders) else None
            try:
                yield folder, None
            except GeneratorExit:
                _forget(beside)
                raise
        else:
            yield folder, beside() if beside is not None else None


def _begin(work: SliceContext, folder: Todo) -> Answer:
    if folder.step == What.DELETE:
        return None
    here = folder.destination_path if folder.state == "skipped" else None
    return work.destination.list_ahead(work.source, folder.source_path, here=here)


def _forget(beside: Answer) -> None:
    """Let the helper finish, so that it can be asked again."""
    if beside is not None:
        beside()
