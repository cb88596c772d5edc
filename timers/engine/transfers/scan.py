"""The phase `scan`: lists both sides, folder by folder, and records what is to be done. It changes neither side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fnmatch import fnmatchcase
from typing import Any

from timers.clock import to_us
from timers.copying import paths
from timers.copying.plan import (
    Entry,
    FileVerdict,
    Kind,
    PlannedEntry,
    StepKind,
    extras,
    file_step,
    folder_step,
    folder_steps,
    link_step,
)
from timers.engine.transfers import prefetch, symlinks
from timers.engine.transfers.bundling import Bundler
from timers.engine.transfers.rows import with_fault
from timers.engine.transfers.slice_context import SliceContext, TransferFailed
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import Fault, FileRow, NewFile
from timers.services.transfers.submissions import overlap
from timers.storages.base import Lookup, PrefetchedListing, SourceFault, Storage, fault, is_partial

FLUSH_ROWS = 100
"""Number of rows that are written together; most of them are bundles."""


def scan(context: SliceContext) -> bool:
    """List until the slice's time is used; return whether everything is listed."""
    if context.transfer_slice.taken_over:
        progress.delete_half_listed(context.transfer_slice)
    protected = _protected_paths(context)
    while True:
        items = [*progress.items_to_expand(context.transfer_slice, context.batch)]
        for item in items:
            context.monitor.check()
            _expand(context, item)
            _flush_when_full(context)
        folders = [] if items else progress.folders_to_list(context.transfer_slice, context.batch)
        for folder, listed in prefetch.listings(context, folders):
            context.monitor.check()
            if context.monitor.is_spent() and len(context.changes):
                break
            _list_folder(context, folder, listed, protected)
        context.flush()
        if not items and not folders:
            return True
        if context.monitor.is_spent():
            return False


def _flush_when_full(context: SliceContext) -> None:
    if len(context.changes.new) >= FLUSH_ROWS:
        context.monitor.check()
        context.flush()


# Items


def _expand(context: SliceContext, item: Any) -> None:
    """Turn one item into rows: a file, or a folder to be listed; all matches, where a delete task has patterns."""
    try:
        if context.transfer_slice.kind == "delete":
            _expand_deletion(context, item)
        else:
            _expand_copy(context, item)
    except SourceFault as error:
        _record_source_fault(context, _item_row(item), error.error)
    context.changes.expanded.append(item.pk)


def _item_row(item: Any) -> NewFile:
    return NewFile(item.number, None, "copy", item.source_path, item.destination_path)


def _expand_copy(context: SliceContext, item: Any) -> None:
    source, entry = _resolve_item(context, item)
    target = _target(item, entry.kind)
    existing = _stat(context.destination, target)
    if item.external_checksum is not None:  # always copied: only a file that is read can prove its digest
        step = file_step(entry, existing, None)
    elif entry.kind is Kind.DIR:
        _refuse_overlap(context, source, target)
        step = folder_step(entry, existing)
    elif entry.kind is Kind.SYMLINK:
        step = link_step(entry, existing, context.options.links)
    else:
        step = file_step(entry, existing, context.options.level)
    _add(context, step, source, target, item=item.number)


def _resolve_item(context: SliceContext, item: Any) -> tuple[str, Entry]:
    """Return the resolved path of an item, and its entry; raises SourceFault."""
    try:
        path, entry = item.source_path, context.source.stat(item.source_path)
        if entry.kind is Kind.SYMLINK:
            path, entry = symlinks.resolve_item(context, path, entry)
        _check_kind(item, entry)
    except ExternalError as error:
        raise SourceFault(error) from error
    return path, entry


def _check_kind(item: Any, entry: Entry) -> None:
    if entry.kind is Kind.OTHER:
        raise fault("not_a_file", f"{item.source_path} is neither a file nor a folder.")
    if entry.kind is not Kind.FILE and item.external_checksum is not None:
        raise fault("not_a_file", f"{item.source_path} is not a file, and a checksum was given for one.")
    if entry.kind is not Kind.DIR and item.recursive is True:
        raise fault("not_a_folder", f"{item.source_path} is a file, but the item is recursive.")
    if entry.kind is Kind.DIR and item.recursive is False:
        raise fault("not_a_file", f"{item.source_path} is a folder, but the item is not recursive.")


def _target(item: Any, kind: Kind | None) -> str:
    """Return the target path of an item.

    A file goes into a destination that was written as a folder, everything else to that very path.
    """
    into = item.destination_path.endswith("/")
    folder = item.destination_path.rstrip("/") or paths.ROOT
    return paths.join(folder, paths.name_of(item.source_path)) if into and kind is not Kind.DIR else folder


def _refuse_overlap(context: SliceContext, source: str, target: str) -> None:
    complaint = overlap(
        (*context.source.address(), *paths.parts(source)), (*context.destination.address(), *paths.parts(target))
    )
    if complaint:
        raise TransferFailed(fault("unsupported", f"{source} to {target}: {complaint[1][0].lower()}{complaint[1][1:]}"))


def _stat(storage: Storage, path: str) -> Entry | None:
    try:
        return storage.stat(path)
    except ExternalError as error:
        if error.reason == "not_found":
            return None
        raise


# Items of a delete task


def _expand_deletion(context: SliceContext, item: Any) -> None:
    folders = (
        {path.rstrip("/") for path in progress.destinations(context.transfer_slice)}
        if context.options.recursive
        else set()
    )
    if any(above in folders for above in paths.above(item.source_path)):
        return  # deleted together with its folder
    candidates = list(_matching(context, item.source_path)) if context.options.globs else [item.source_path]
    entries = [(path, entry) for path in candidates if (entry := _stat(context.destination, path)) is not None]
    if not entries and not context.options.ignore_missing:
        raise TransferFailed(fault("not_found", f"{item.source_path} does not exist."))
    for path, entry in entries:
        _add_deletion(context, item.number, path, entry)


def _matching(context: SliceContext, path: str) -> Iterator[str]:
    """Yield the paths that match a path whose last name may be a pattern."""
    name = paths.name_of(path)
    if not set(name) & set("*?["):
        yield path
        return
    folder = paths.parent(path)
    try:
        for entry in context.destination.list(folder):
            if fnmatchcase(entry.name, name) and paths.is_storable(entry.name) and not is_partial(entry.name):
                yield paths.join(folder, entry.name)
    except ExternalError as error:
        if error.reason != "not_found":
            raise


def _add_deletion(context: SliceContext, item: int, path: str, entry: Entry) -> None:
    is_folder = entry.kind is Kind.DIR
    if is_folder and not context.options.recursive:
        raise TransferFailed(fault("unsupported", f"{path} is a folder, and the task is not recursive."))
    _add_row(context, _deletion(item, None, path, entry))


def _add_row(context: SliceContext, row: NewFile) -> None:
    context.changes.counts.update(progress.counts_of(row.step, row.state, row.size, kind=context.transfer_slice.kind))
    context.changes.new.append(row)


def _deletion(item: int, parent: int | None, path: str, entry: Entry) -> NewFile:
    return NewFile(
        item=item,
        parent=parent,
        step="delete",
        source_path="",
        destination_path=path,
        size=0 if entry.kind is Kind.DIR else entry.size,
        unlisted=entry.kind is Kind.DIR,
        verdict=FileVerdict.DELETE,
        there_size=None if entry.kind is Kind.DIR else entry.size,  # distinguishes folders from files
        there_modified_us=_modified_us(entry),
    )


# Folders


def _list_folder(
    context: SliceContext, folder: FileRow, listed: PrefetchedListing | None, protected: frozenset[str]
) -> None:
    """Record the entries of one folder. Its row stays `unlisted` until all of them are written."""
    try:
        if folder.step == StepKind.DELETE:
            _list_extra_folder(context, folder, protected)
        else:
            _list_source_folder(context, folder, listed, protected)
    except SourceFault as error:
        _discard_listing(context)
        _record_folder_fault(context, folder, error.error)
    except ExternalError:
        _discard_listing(context)
        raise
    context.changes.listed.append(folder.id)


def _discard_listing(context: SliceContext) -> None:
    """Remove the recorded entries of a folder whose listing failed."""
    context.flush()
    progress.delete_half_listed(context.transfer_slice)


def _list_source_folder(
    context: SliceContext, folder: FileRow, listed: PrefetchedListing | None, protected: frozenset[str]
) -> None:
    exists = folder.state == "skipped"
    with ExitStack() as stack:
        existing: Lookup | None = None
        if exists:
            lookup = context.destination.lookup(folder.destination_path)
            existing = stack.enter_context(lookup) if listed is None else listed.there.get
        options = context.options
        listing = _source_listing(context, folder, listed)
        steps = folder_steps(listing, there=existing, rules=options.rules, level=options.level, links=options.links)
        bundler = Bundler(context, folder)
        for step in steps:
            if bundler.add(step):
                continue
            _add_folder_step(context, folder, step)
            _flush_when_full(context)
        bundler.finish()
    if context.options.delete_extra and exists:
        _list_extras(context, folder, protected)


def _add_folder_step(context: SliceContext, folder: FileRow, step: PlannedEntry) -> None:
    if step.kind is StepKind.IGNORE:
        return
    name = step.entry.name
    source, target = paths.join(folder.source_path, name), paths.join(folder.destination_path, name)
    if step.kind is StepKind.FOLLOW:
        try:
            source, entry = symlinks.resolve_in_folder(context, folder, source)
        except ExternalError as error:
            _record_source_fault(context, NewFile(folder.item, folder.id, "copy", source, target), error)
            return
        is_folder = entry.kind is Kind.DIR
        step = folder_step(entry, step.there) if is_folder else file_step(entry, step.there, context.options.level)
    _add(context, step, source, target, item=folder.item, parent=folder.id)


def _source_listing(context: SliceContext, folder: FileRow, listed: PrefetchedListing | None) -> Iterator[Entry]:
    try:
        for entry in context.source.list(folder.source_path) if listed is None else listed.entries:
            # true for nearly all names: such a name is valid text and not that of a partial file
            if entry.name.isascii() and entry.name[0] != ".":
                yield entry
            elif not paths.is_storable(entry.name):
                _record_bad_name(context, folder, entry.name)
            elif not is_partial(entry.name):
                yield entry
    except ExternalError as error:
        raise SourceFault(error) from error


def _list_extras(context: SliceContext, folder: FileRow, protected: frozenset[str]) -> None:
    with ExitStack() as stack:
        try:
            in_source: Lookup = stack.enter_context(context.source.lookup(folder.source_path))
        except ExternalError as error:
            raise SourceFault(error) from error
        _add_extras(context, folder, in_source, protected)


def _list_extra_folder(context: SliceContext, folder: FileRow, protected: frozenset[str]) -> None:
    _add_extras(context, folder, lambda name: None, protected)


def _add_extras(context: SliceContext, folder: FileRow, in_source: Lookup, protected: frozenset[str]) -> None:
    bundler = Bundler(context, folder._replace(source_path=""))
    rules = None if context.transfer_slice.kind == "delete" else context.options.rules
    for entry in extras(_destination_listing(context, folder), in_source=in_source, rules=rules):
        path = paths.join(folder.destination_path, entry.name)
        if path in protected:
            continue
        if entry.kind is Kind.DIR:
            _add_row(context, _deletion(folder.item, folder.id, path, entry))
        else:
            bundler.add_deletion(entry)
        _flush_when_full(context)
    bundler.finish()


def _destination_listing(context: SliceContext, folder: FileRow) -> Iterator[Entry]:
    for entry in context.destination.list(folder.destination_path):
        if paths.is_storable(entry.name) and not is_partial(entry.name):
            yield entry


# Rows


def _add(
    context: SliceContext, step: PlannedEntry, source: str, target: str, *, item: int, parent: int | None = None
) -> None:
    if step.kind is StepKind.CLASH:
        error = fault("clash", f"{source} to {target}: {step.explanation}.")
        _record_fault(
            context, NewFile(item, parent, "copy", source, target), Fault(error.reason, source, error.message)
        )
        if not context.options.dry_run:
            raise TransferFailed(error)
        return
    row = _row(step, source, target, item=item, parent=parent)
    context.changes.counts.update(progress.counts_of(row.step, row.state, row.size))
    context.changes.new.append(row)


def _row(step: PlannedEntry, source: str, target: str, *, item: int, parent: int | None) -> NewFile:
    entry, existing = step.entry, step.there
    is_folder, skipped = entry.kind is Kind.DIR, step.kind is StepKind.SKIP
    return NewFile(
        item=item,
        parent=parent,
        step="mkdir" if is_folder else "copy" if skipped else step.kind.value,
        source_path=source,
        destination_path=target,
        size=entry.size if entry.kind is Kind.FILE else 0,
        modified_us=_modified_us(entry),
        state="skipped" if skipped else "pending",
        unlisted=is_folder,
        level=step.level,
        verdict=step.verdict,
        there_size=None if existing is None or is_folder else existing.size,
        there_modified_us=None if existing is None else _modified_us(existing),
    )


def _modified_us(entry: Entry) -> int | None:
    return None if entry.modified_ns is None else entry.modified_ns // 1000


# Entries that could not be read


def _record_bad_name(context: SliceContext, folder: FileRow, name: str) -> None:
    """Leave out an entry whose name is not valid text, if faults of the source may be skipped.

    Its neighbours are copied.
    """
    error = fault("bad_name", f"A name in {folder.source_path} is not valid text: {name!a}.")
    shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    source, target = _prefix(folder.source_path) + shown, _prefix(folder.destination_path) + shown
    _record_source_fault(context, NewFile(folder.item, folder.id, "copy", source, target), error)


def _record_folder_fault(context: SliceContext, folder: FileRow, error: ExternalError) -> None:
    if context.can_heal(error):
        raise error
    context.changes.failed.append((folder.id, Fault(error.reason, folder.source_path, error.message)))
    context.count(files_failed=1, faults=1)
    if not context.options.tolerant:
        raise TransferFailed(error)


def _record_source_fault(context: SliceContext, row: NewFile, error: ExternalError) -> None:
    """Record an entry that cannot be read.

    Raises what ends the slice or the transfer, unless such faults may be skipped.
    """
    if context.can_heal(error):
        raise error
    _record_fault(context, row, Fault(error.reason, row.source_path, error.message))
    if not context.options.tolerant:
        raise TransferFailed(error)


def _record_fault(context: SliceContext, row: NewFile, fault: Fault) -> None:
    context.changes.new.append(
        with_fault(row, fault)._replace(state="failed", finished_us=to_us(context.monitor.now()))
    )
    context.changes.faults.append(fault)
    context.count(files=1, files_failed=1, faults=1)


def _prefix(path: str) -> str:
    return path if path == paths.ROOT else f"{path}/"


def _protected_paths(context: SliceContext) -> frozenset[str]:
    """Return the paths that other items fill, and the folders above them.

    They are never extra, whatever the source holds.
    """
    if not context.options.delete_extra:
        return frozenset()
    protected: set[str] = set()
    for path in progress.destinations(context.transfer_slice):
        folder_path = path.rstrip("/") or paths.ROOT
        while folder_path != paths.ROOT and folder_path not in protected:
            protected.add(folder_path)
            folder_path = paths.parent(folder_path)
    return frozenset(protected)
