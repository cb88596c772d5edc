"""The phase `scan`: lists both sides, folder by folder, and records what is to be done. It changes neither side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from timers.copying import paths
from timers.copying.plan import Entry, Kind, StepKind, folder_steps
from timers.engine.transfers.scanning import extras, items, prefetch, twins
from timers.engine.transfers.scanning.bundling import Bundler
from timers.engine.transfers.scanning.planned_rows import FolderPlace, add_step, odd_name
from timers.engine.transfers.slice_context import SliceContext
from timers.engine.transfers.slice_faults import error_of
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import FileRow
from timers.storages.base import Lookup, PrefetchedListing, SourceFault, is_partial, source_faults

FLUSH_ROWS = 100
"""Number of rows that are written together; most of them are bundles."""

MAX_NAMED_LINKS = 5
_NOT_COPIED = {StepKind.IGNORE, StepKind.LEAVE, StepKind.UNKNOWN}


def scan(context: SliceContext) -> bool:
    """List until the slice's time is used; return whether everything is listed."""
    if context.transfer_slice.taken_over:
        progress.delete_half_listed(context.transfer_slice)
    protected = extras.protected_paths(context)
    while True:
        new_items = [*progress.items_to_expand(context.transfer_slice, context.batch)]
        for item in new_items:
            context.monitor.check()
            items.expand(context, item)
            _flush_when_full(context)
        folders = [] if new_items else progress.folders_to_list(context.transfer_slice, context.batch)
        for folder, listed in prefetch.listings(context, folders):
            context.monitor.check()
            if context.monitor.is_spent() and len(context.changes):
                break
            _list_folder(context, folder, listed, protected)
        context.flush()
        if not new_items and not folders:
            return True
        if context.monitor.is_spent():
            return False


def _flush_when_full(context: SliceContext) -> None:
    if len(context.changes.new) >= FLUSH_ROWS:
        context.monitor.check()
        context.flush()


def _list_folder(
    context: SliceContext, folder: FileRow, listed: PrefetchedListing | None, protected: frozenset[str]
) -> None:
    """Record the entries of one folder. Its row stays `unlisted` until all of them are written."""
    try:
        if folder.step == StepKind.DELETE:
            extras.list_extra_folder(context, folder, protected, _flush_when_full)
        else:
            _list_source_folder(context, folder, listed, protected)
    except (SourceFault, ExternalError) as problem:
        _discard_listing(context)
        error = error_of(problem)
        if context.can_heal(error, faults=context.transfer_slice.failures):
            raise error from problem
        context.give_up(folder, problem)
    context.changes.listed.append(folder.id)


def _discard_listing(context: SliceContext) -> None:
    """Remove the recorded entries of a folder whose listing failed."""
    context.flush()
    progress.delete_half_listed(context.transfer_slice)


def _list_source_folder(
    context: SliceContext, folder: FileRow, listed: PrefetchedListing | None, protected: frozenset[str]
) -> None:
    exists = folder.state == "skipped"
    place = FolderPlace.of(context, folder)
    with ExitStack() as stack:
        existing: Lookup | None = None
        if exists:
            lookup = context.destination.lookup(folder.destination_path)
            existing = stack.enter_context(lookup) if listed is None else listed.there.get
        listing = _source_listing(context, folder, listed)
        bundler, names = Bundler(context, folder), twins.NamesSeen(context, folder)
        links: list[str] = []
        for step in folder_steps(listing, there=existing, rules=context.copy_rules, below=place.below):
            if step.kind not in _NOT_COPIED and names.is_second(step):
                continue
            if bundler.add(step):
                continue
            if step.kind is StepKind.IGNORE and step.entry.kind is Kind.SYMLINK:
                links.append(step.entry.name)
            add_step(context, place, step, paths.join(folder.source_path, step.entry.name))
            _flush_when_full(context)
        bundler.finish()
        twins.add_seconds(context, place, names, exists=exists)
    _name_links(context, folder, links)
    if context.options.delete_extra and exists:
        extras.list_extras(context, folder, protected, _flush_when_full)


def _source_listing(context: SliceContext, folder: FileRow, listed: PrefetchedListing | None) -> Iterator[Entry]:
    with source_faults():
        for entry in context.source.list(folder.source_path) if listed is None else listed.entries:
            name = entry.name
            # true for nearly all names: such a name can be carried, and is not that of a partial file
            if name.isascii() and name[:1] > "." and "/" not in name:
                yield entry
            elif not paths.is_carriable(name):
                context.new_row_failed(*odd_name(folder, name))
            elif not is_partial(name):
                yield entry


def _name_links(context: SliceContext, folder: FileRow, names: list[str]) -> None:
    """Note which links were left out because links are not copied."""
    if not names:
        return
    shown = ", ".join(paths.readable(name) for name in names[:MAX_NAMED_LINKS])
    more = f" and {len(names) - MAX_NAMED_LINKS:,} more" if len(names) > MAX_NAMED_LINKS else ""
    text = f"Symbolic links in {folder.source_path} were left out, as recursive_symlinks says: {shown}{more}."
    context.note("links_left_out", folder.source_path, text)
