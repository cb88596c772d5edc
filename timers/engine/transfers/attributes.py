"""The phase `attributes`: times and modes of folders, which change as long as something is written into them.

With `preserve_permissions`, files that were not copied get the modes of their sources here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from timers.clock import to_us
from timers.copying import bundles, paths
from timers.copying.plan import Entry, Kind
from timers.engine.transfers.folder_lookup import FolderLookup
from timers.engine.transfers.slice_context import SliceContext
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import FileRow
from timers.storages.base import Permissions

_TEXTS = {
    "times": ("times_not_kept", "Modification times cannot be kept here as they are, first met at {path}."),
    "mode": ("modes_not_kept", "Permissions cannot be kept here, first met at {path}."),
}


def warn_not_kept(context: SliceContext, path: str, not_kept: Sequence[str]) -> None:
    """Warn, once in a transfer, of what the destination does not keep of a file or folder."""
    for what in not_kept:
        code, text = _TEXTS[what]
        context.warn_once(code, path, text.format(path=path))


def are_needed(context: SliceContext) -> bool:
    """Return whether there may be something to set."""
    options, abilities = context.options, context.destination.abilities
    if (options.times and abilities.times) or (options.exact_modes and abilities.permissions):
        return True
    return abilities.permissions and progress.has_folder_without_owner_rights(context.transfer_slice)


def set_attributes(context: SliceContext) -> bool:
    """Set what is left to be set, until the slice's time is used; return whether all is set."""
    if context.options.exact_modes and not _set_modes_of_files(context):
        return False
    return _set_folders(context)


def _set_modes_of_files(context: SliceContext) -> bool:
    after = context.transfer_slice.cursor
    with ExitStack() as stack:
        source = stack.enter_context(FolderLookup(context.source))
        target = stack.enter_context(FolderLookup(context.destination))
        while rows := progress.unchanged_rows(context.transfer_slice, after=after, limit=context.batch):
            for row in rows:
                context.checkpoint()
                for source_path, target_path in _pairs(row):
                    _set_mode(context, source.entry(source_path), target.entry(target_path), target_path)
                after = context.changes.progress["cursor"] = row.id
            context.flush()
            if context.monitor.is_spent():
                return False
    return True


def _pairs(row: FileRow) -> list[tuple[str, str]]:
    if row.members is None:
        return [(row.source_path, row.destination_path)]
    names = [member.name for member in bundles.decode(row.members)]
    return [(paths.join(row.source_path, name), paths.join(row.destination_path, name)) for name in names]


def _set_mode(context: SliceContext, source: Entry | None, there: Entry | None, path: str) -> None:
    if source is None or there is None or source.mode is None or source.mode == there.mode:
        return
    if there.kind is Kind.FILE and source.kind is Kind.FILE:
        _set(context, path, None, Permissions(source.mode, exact=True))


def _set_folders(context: SliceContext) -> bool:
    """Set the folders, the deepest first: to write into one changes its time.

    They are set once more from the start where a slice does not suffice, which changes nothing.
    """
    before: int | None = None
    options, abilities = context.options, context.destination.abilities
    times = options.times and abilities.times
    everything = times or options.exact_modes
    while rows := progress.folder_rows(
        context.transfer_slice, before=before, limit=context.batch, everything=everything
    ):
        for row in rows:
            context.checkpoint()
            before = row.id
            modified_at = row.modified_at if times else None
            permissions = None if row.mode is None or not abilities.permissions else _permissions(context, row)
            if modified_at is not None or permissions is not None:
                modified_ns = None if modified_at is None else to_us(modified_at) * 1000
                _set(context, row.destination_path, modified_ns, permissions)
        context.flush()
    return True


def _permissions(context: SliceContext, row: FileRow) -> Permissions | None:
    """Return the mode of a folder that we made; that of any folder where modes are kept exactly."""
    assert row.mode is not None
    if row.state != "done" and not context.options.exact_modes:
        return None
    return Permissions(row.mode, context.options.exact_modes)


def _set(context: SliceContext, path: str, modified_ns: int | None, permissions: Permissions | None) -> None:
    try:
        not_kept = context.destination.set_attributes(path, modified_ns=modified_ns, permissions=permissions)
    except ExternalError as error:
        if context.can_heal(error, faults=context.transfer_slice.failures):
            raise
        context.warn_once(f"{error.reason}_attributes", path, f"Times and modes: {error.message}")
    else:
        warn_not_kept(context, path, not_kept)
