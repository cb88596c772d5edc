"""The phase `settle`: decides about sources that had to wait.

They waited for another source with a name like theirs, or for what stood in their place.
"""

from __future__ import annotations

from timers.copying import paths
from timers.copying.plan import PlannedEntry, entry_step
from timers.engine.transfers.scanning import twins
from timers.engine.transfers.scanning.planned_rows import WAITS_FOR_DELETE, FolderPlace, add_step
from timers.engine.transfers.slice_context import SliceContext
from timers.engine.transfers.slice_faults import error_of
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import FileRow
from timers.storages.base import SourceFault, source_faults


def settle(context: SliceContext) -> bool:
    """Decide until the slice's time is used; return whether nothing waits any more."""
    while rows := progress.deferred_rows(context.transfer_slice, context.batch):
        for row, waits_for in rows:
            context.checkpoint()
            try:
                _settle(context, row, waits_for)
            except (SourceFault, ExternalError) as problem:
                error = error_of(problem)
                if context.can_heal(error, faults=context.transfer_slice.failures):
                    raise error from problem
                context.count(files=1)
                context.give_up(row, problem)
        context.flush()
        if context.monitor.is_spent():
            return False
    return True


def _settle(context: SliceContext, row: FileRow, waits_for: str) -> None:
    """Replace a row that waited by what is to be done about its source now; raises its fault."""
    path = row.destination_path
    if waits_for != WAITS_FOR_DELETE and twins.are_one(context.destination, path, waits_for):
        raise twins.collision(row.source_path, path, waits_for)
    folder = None if row.parent is None else progress.row(row.parent)
    place = FolderPlace(row.item, folder, paths.parent(path), is_settled=True)
    add_step(context, place, _plan(context, row), row.source_path, path)
    context.changes.emptied.append(row.id)


def _plan(context: SliceContext, row: FileRow) -> PlannedEntry:
    with source_faults():
        entry = context.source.stat(row.source_path)
    return entry_step(entry, context.destination.find(row.destination_path), context.copy_rules)
