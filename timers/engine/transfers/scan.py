"""The phase `scan`: lists both sides, folder by folder, and writes down what is to be done. It changes neither."""

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
    What,
    extras,
    file_step,
    folder_step,
    folder_steps,
    link_step,
)
from timers.engine.transfers import prefetch, symlinks
from timers.engine.transfers.bundling import Packing
from timers.engine.transfers.rows import with_fault
from timers.engine.transfers.slice_context import Final, SliceContext
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import Fault, NewFile, Todo
from timers.services.transfers.submissions import overlap
from timers.storages.base import Listed, Lookup, SourceFault, Storage, fault, is_part

FLUSH_AT = 100
"""Rows that are written together; most of them are packs."""


def scan(work: SliceContext) -> bool:
    """List until the slice's time is used; return whether everything is listed."""
    if work.held.taken_over:
        progress.forget_half_listed(work.held)
    protected = _protected(work)
    while True:
        todo = [*progress.items_to_expand(work.held, work.batch)]
        for item in todo:
            work.watch.check()
            _expand(work, item)
            _flush_when_full(work)
        folders = [] if todo else progress.folders_to_list(work.held, work.batch)
        for folder, listed in prefetch.listings(work, folders):
            work.watch.check()
            if work.watch.spent() and len(work.changes):
                break
            _list(work, folder, listed, protected)
        work.flush()
        if not todo and not folders:
            return True
        if work.watch.spent():
            return False


def _flush_when_full(work: SliceContext) -> None:
    if len(work.changes.new) >= FLUSH_AT:
        work.watch.check()
        work.flush()


# Items


def _expand(work: SliceContext, item: Any) -> None:
    """Turn one item into rows: a file, or a folder to be listed; all that match, where a delete task has patterns."""
    try:
        if work.held.kind == "delete":
            _expand_deletion(work, item)
        else:
            _expand_copy(work, item)
    except SourceFault as error:
        _source_failed(work, _item_row(item), error.error)
    work.changes.expanded.append(item.pk)


def _item_row(item: Any) -> NewFile:
    return NewFile(item.number, None, "copy", item.source_path, item.destination_path)


def _expand_copy(work: SliceContext, item: Any) -> None:
    source, found = _found(work, item)
    target = _target(item, found.kind)
    there = _stat(work.destination, target)
    if item.external_checksum is not None:  # whatever stands there: only what was read can have the given digest
        step = file_step(found, there, None)
    elif found.kind is Kind.DIR:
        _refuse_overlap(work, source, target)
        step = folder_step(found, there)
    elif found.kind is Kind.SYMLINK:
        step = link_step(found, there, work.options.links)
    else:
        step = file_step(found, there, work.options.level)
    _add(work, step, source, target, item=item.number)


def _found(work: SliceContext, item: Any) -> tuple[str, Entry]:
    """Return what an item asks for, and where it really is; raises SourceFault."""
    try:
        path, found = item.source_path, work.source.stat(item.source_path)
        if found.kind is Kind.SYMLINK:
            path, found = symlinks.item(work, path, found)
        _check_kind(item, found)
    except ExternalError as error:
        raise SourceFault(error) from error
    return path, found


def _check_kind(item: Any, found: Entry) -> None:
    if found.kind is Kind.OTHER:
        raise fault("not_a_file", f"{item.source_path} is neither a file nor a folder.")
    if found.kind is not Kind.FILE and item.external_checksum is not None:
        raise fault("not_a_file", f"{item.source_path} is not a file, and a checksum was given for one.")
    if found.kind is not Kind.DIR and item.recursive is True:
        raise fault("not_a_folder", f"{item.source_path} is a file, but the item is recursive.")
    if found.kind is Kind.DIR and item.recursive is False:
        raise fault("not_a_file", f"{item.source_path} is a folder, but the item is not recursive.")


def _target(item: Any, kind: Kind | None) -> str:
    """Return where an item goes: a file into a destination that was written as a folder, all else to its very path."""
    into = item.destination_path.endswith("/")
    folder = item.destination_path.rstrip("/") or paths.ROOT
    return paths.join(folder, paths.name_of(item.source_path)) if into and kind is not Kind.DIR else folder


def _refuse_overlap(work: SliceContext, source: str, target: str) -> None:
    complaint = overlap(
        (*work.source.address(), *paths.parts(source)), (*work.destination.address(), *paths.parts(target))
    )
    if complaint:
        raise Final(fault("unsupported", f"{source} to {target}: {complaint[1][0].lower()}{complaint[1][1:]}"))


def _stat(storage: Storage, path: str) -> Entry | None:
    try:
        return storage.stat(path)
    except ExternalError as error:
        if error.reason == "not_found":
            return None
        raise


# What a delete task names


def _expand_deletion(work: SliceContext, item: Any) -> None:
    others = {path.rstrip("/") for path in progress.destinations(work.held)} if work.options.recursive else set()
    if any(above in others for above in paths.above(item.source_path)):
        return  # goes with the folder that it is in
    matching = list(_matching(work, item.source_path)) if work.options.globs else [item.source_path]
    found = [(path, entry) for path in matching if (entry := _stat(work.destination, path)) is not None]
    if not found and not work.options.ignore_missing:
        raise Final(fault("not_found", f"{item.source_path} does not exist."))
    for path, entry in found:
        _add_deletion(work, item.number, path, entry)


def _matching(work: SliceContext, path: str) -> Iterator[str]:
    """Yield what a path means whose last part may be a pattern."""
    name = paths.name_of(path)
    if not set(name) & set("*?["):
        yield path
        return
    folder = paths.parent(path)
    try:
        for entry in work.destination.list(folder):
            if fnmatchcase(entry.name, name) and paths.is_storable(entry.name) and not is_part(entry.name):
                yield paths.join(folder, entry.name)
    except ExternalError as error:
        if error.reason != "not_found":
            raise


def _add_deletion(work: SliceContext, item: int, path: str, entry: Entry) -> None:
    is_folder = entry.kind is Kind.DIR
    if is_folder and not work.options.recursive:
        raise Final(fault("unsupported", f"{path} is a folder, and the task is not recursive."))
    _delete(work, _deletion(item, None, path, entry))


def _delete(work: SliceContext, row: NewFile) -> None:
    work.changes.counts.update(progress.counts_of(row.step, row.state, row.size, kind=work.held.kind))
    work.changes.new.append(row)


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
        there_size=None if entry.kind is Kind.DIR else entry.size,  # which tells folders from files
        there_modified_us=_us(entry),
    )


# Folders


def _list(work: SliceContext, folder: Todo, listed: Listed | None, protected: frozenset[str]) -> None:
    """Write down what one folder holds. Its row stays `unlisted` until all of it is written."""
    try:
        if folder.step == What.DELETE:
            _list_extra_folder(work, folder, protected)
        else:
            _list_source_folder(work, folder, listed, protected)
    except SourceFault as error:
        _forget(work)
        _folder_failed(work, folder, error.error)
    except ExternalError:
        _forget(work)
        raise
    work.changes.listed.append(folder.id)


def _forget(work: SliceContext) -> None:
    """Remove what was written down of a folder whose listing broke off."""
    work.flush()
    progress.forget_half_listed(work.held)


def _list_source_folder(work: SliceContext, folder: Todo, listed: Listed | None, protected: frozenset[str]) -> None:
    there_already = folder.state == "skipped"
    with ExitStack() as stack:
        there: Lookup | None = None
        if there_already:
            looking = work.destination.looking(folder.destination_path)
            there = stack.enter_context(looking) if listed is None else listed.there.get
        options = work.options
        listing = _source_listing(work, folder, listed)
        steps = folder_steps(listing, there=there, rules=options.rules, level=options.level, links=options.links)
        packing = Packing(work, folder)
        for step in steps:
            if packing.takes(step):
                continue
            _add_of_folder(work, folder, step)
            _flush_when_full(work)
        packing.close()
    if work.options.delete_extra and there_already:
        _list_extras(work, folder, protected)


def _add_of_folder(work: SliceContext, folder: Todo, step: PlannedEntry) -> None:
    if step.what is What.IGNORE:
        return
    name = step.entry.name
    source, target = paths.join(folder.source_path, name), paths.join(folder.destination_path, name)
    if step.what is What.FOLLOW:
        try:
            source, found = symlinks.in_folder(work, folder, source)
        except ExternalError as error:
            _source_failed(work, NewFile(folder.item, folder.id, "copy", source, target), error)
            return
        is_folder = found.kind is Kind.DIR
        step = folder_step(found, step.there) if is_folder else file_step(found, step.there, work.options.level)
    _add(work, step, source, target, item=folder.item, parent=folder.id)


def _source_listing(work: SliceContext, folder: Todo, listed: Listed | None) -> Iterator[Entry]:
    try:
        for entry in work.source.list(folder.source_path) if listed is None else listed.entries:
            if entry.name.isascii() and entry.name[0] != ".":  # nearly all: neither odd nor a part
                yield entry
            elif not paths.is_storable(entry.name):
                _name_failed(work, folder, entry.name)
            elif not is_part(entry.name):
                yield entry
    except ExternalError as error:
        raise SourceFault(error) from error


def _list_extras(work: SliceContext, folder: Todo, protected: frozenset[str]) -> None:
    with ExitStack() as stack:
        try:
            in_source: Lookup = stack.enter_context(work.source.looking(folder.source_path))
        except ExternalError as error:
            raise SourceFault(error) from error
        _add_extras(work, folder, in_source, protected)


def _list_extra_folder(work: SliceContext, folder: Todo, protected: frozenset[str]) -> None:
    _add_extras(work, folder, lambda name: None, protected)


def _add_extras(work: SliceContext, folder: Todo, in_source: Lookup, protected: frozenset[str]) -> None:
    packing = Packing(work, folder._replace(source_path=""))
    rules = None if work.held.kind == "delete" else work.options.rules
    for entry in extras(_destination_listing(work, folder), in_source=in_source, rules=rules):
        path = paths.join(folder.destination_path, entry.name)
        if path in protected:
            continue
        if entry.kind is Kind.DIR:
            _delete(work, _deletion(folder.item, folder.id, path, entry))
        else:
            packing.delete(entry)
        _flush_when_full(work)
    packing.close()


def _destination_listing(work: SliceContext, folder: Todo) -> Iterator[Entry]:
    for entry in work.destination.list(folder.destination_path):
        if paths.is_storable(entry.name) and not is_part(entry.name):
            yield entry


# Rows


def _add(
    work: SliceContext, step: PlannedEntry, source: str, target: str, *, item: int, parent: int | None = None
) -> None:
    if step.what is What.CLASH:
        error = fault("clash", f"{source} to {target}: {step.why}.")
        _failed(work, NewFile(item, parent, "copy", source, target), Fault(error.reason, source, error.message))
        if not work.options.dry_run:
            raise Final(error)
        return
    row = _row(step, source, target, item=item, parent=parent)
    work.changes.counts.update(progress.counts_of(row.step, row.state, row.size))
    work.changes.new.append(row)


def _row(step: PlannedEntry, source: str, target: str, *, item: int, parent: int | None) -> NewFile:
    entry, there = step.entry, step.there
    is_folder, skipped = entry.kind is Kind.DIR, step.what is What.SKIP
    return NewFile(
        item=item,
        parent=parent,
        step="mkdir" if is_folder else "copy" if skipped else step.what.value,
        source_path=source,
        destination_path=target,
        size=entry.size if entry.kind is Kind.FILE else 0,
        modified_us=_us(entry),
        state="skipped" if skipped else "pending",
        unlisted=is_folder,
        level=step.level,
        verdict=step.verdict,
        there_size=None if there is None or is_folder else there.size,
        there_modified_us=None if there is None else _us(there),
    )


def _us(entry: Entry) -> int | None:
    return None if entry.modified_ns is None else entry.modified_ns // 1000


# What could not be read


def _name_failed(work: SliceContext, folder: Todo, name: str) -> None:
    """Leave out what has a name that is no text, if the source's errors may be; its neighbours are copied."""
    error = fault("bad_name", f"A name in {folder.source_path} is no valid text: {name!a}.")
    shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    source, target = _prefix(folder.source_path) + shown, _prefix(folder.destination_path) + shown
    _source_failed(work, NewFile(folder.item, folder.id, "copy", source, target), error)


def _folder_failed(work: SliceContext, folder: Todo, error: ExternalError) -> None:
    if work.can_heal(error):
        raise error
    work.changes.failed.append((folder.id, Fault(error.reason, folder.source_path, error.message)))
    work.count(files_failed=1, faults=1)
    if not work.options.tolerant:
        raise Final(error)


def _source_failed(work: SliceContext, row: NewFile, error: ExternalError) -> None:
    """Write down what cannot be read; raises what ends the slice or the transfer, unless it may be left out."""
    if work.can_heal(error):
        raise error
    _failed(work, row, Fault(error.reason, row.source_path, error.message))
    if not work.options.tolerant:
        raise Final(error)


def _failed(work: SliceContext, row: NewFile, found: Fault) -> None:
    work.changes.new.append(with_fault(row, found)._replace(state="failed", finished_us=to_us(work.watch.now())))
    work.changes.faults.append(found)
    work.count(files=1, files_failed=1, faults=1)


def _prefix(path: str) -> str:
    return path if path == paths.ROOT else f"{path}/"


def _protected(work: SliceContext) -> frozenset[str]:
    """Return the paths that other items fill, and the folders above them: never extra, whatever the source holds."""
    if not work.options.delete_extra:
        return frozenset()
    found: set[str] = set()
    for path in progress.destinations(work.held):
        place = path.rstrip("/") or paths.ROOT
        while place != paths.ROOT and place not in found:
            found.add(place)
            place = paths.parent(place)
    return frozenset(found)
