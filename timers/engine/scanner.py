"""The phase `scan`: lists both sides, folder by folder, and writes down what is to be done. It changes neither."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from timers.copying import paths
from timers.copying.plan import Entry, Kind, Step, What, extras, file_step, folder_step, folder_steps
from timers.engine.work import Final, Work
from timers.errors import ExternalError
from timers.services import transfer_progress as progress
from timers.services.transfer_progress import Fault, NewFile, Todo
from timers.services.transfer_submissions import overlap
from timers.storages.base import Lookup, SourceFault, Storage, fault, is_part


def scan(work: Work) -> bool:
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
        for step, folder in folders:
            work.watch.check()
            if work.watch.spent() and len(work.changes):
                break
            _list(work, step, folder, protected)
        work.flush()
        if not todo and not folders:
            return True
        if work.watch.spent():
            return False


def _flush_when_full(work: Work) -> None:
    if len(work.changes.new) >= work.batch:
        work.watch.check()
        work.flush()


# Items


def _expand(work: Work, item: Any) -> None:
    """Turn one item into rows: a file, or a folder to be listed."""
    try:
        found = _found(work.source, item)
    except ExternalError as error:
        _item_failed(work, item, error)
    else:
        target = _target(item, found.kind)
        there = _stat(work.destination, target)
        if found.kind is Kind.DIR:
            _refuse_overlap(work, item.source_path, target)
            step = folder_step(found, there)
        else:
            step = file_step(found, there, work.options.level)
        _add(work, step, item.source_path, target, item=item.number)
    work.changes.expanded.append(item.pk)


def _found(source: Storage, item: Any) -> Entry:
    found = source.stat(item.source_path)
    if found.kind is Kind.SYMLINK:
        raise fault("path_outside", f"{item.source_path} is a symbolic link; links are never followed.")
    if found.kind is Kind.OTHER:
        raise fault("not_a_file", f"{item.source_path} is neither a file nor a folder.")
    if found.kind is Kind.FILE and item.recursive is True:
        raise fault("not_a_folder", f"{item.source_path} is a file, but the item is recursive.")
    if found.kind is Kind.DIR and item.recursive is False:
        raise fault("not_a_file", f"{item.source_path} is a folder, but the item is not recursive.")
    return found


def _target(item: Any, kind: Kind | None) -> str:
    """Return where an item goes: a file into a destination that was written as a folder, all else to its very path."""
    into = item.destination_path.endswith("/")
    folder = item.destination_path.rstrip("/") or paths.ROOT
    return paths.join(folder, paths.name_of(item.source_path)) if into and kind is Kind.FILE else folder


def _refuse_overlap(work: Work, source: str, target: str) -> None:
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


# Folders


def _list(work: Work, step: str, folder: Todo, protected: frozenset[str]) -> None:
    """Write down what one folder holds. Its row stays `unlisted` until all of it is written."""
    try:
        if step == What.DELETE:
            _list_extra_folder(work, folder, protected)
        else:
            _list_source_folder(work, folder, protected)
    except SourceFault as error:
        _forget(work)
        _folder_failed(work, folder, error.error)
    except ExternalError:
        _forget(work)
        raise
    work.changes.listed.append(folder.id)


def _forget(work: Work) -> None:
    """Remove what was written down of a folder whose listing broke off."""
    work.flush()
    progress.forget_half_listed(work.held)


def _list_source_folder(work: Work, folder: Todo, protected: frozenset[str]) -> None:
    there_already = folder.state == "skipped"
    with ExitStack() as stack:
        there = stack.enter_context(work.destination.looking(folder.destination_path)) if there_already else None
        steps = folder_steps(
            _source_listing(work, folder), there=there, rules=work.options.rules, level=work.options.level
        )
        source, target = _prefix(folder.source_path), _prefix(folder.destination_path)
        for step in steps:
            if step.what is not What.IGNORE:
                name = step.entry.name
                _add(work, step, source + name, target + name, item=folder.item, parent=folder.id)
                _flush_when_full(work)
    if work.options.delete_extra and there_already:
        _list_extras(work, folder, protected)


def _source_listing(work: Work, folder: Todo) -> Iterator[Entry]:
    try:
        for entry in work.source.list(folder.source_path):
            if not paths.is_storable(entry.name):
                _name_failed(work, folder, entry.name)
            elif not is_part(entry.name):
                yield entry
    except ExternalError as error:
        raise SourceFault(error) from error


def _list_extras(work: Work, folder: Todo, protected: frozenset[str]) -> None:
    with ExitStack() as stack:
        try:
            in_source: Lookup = stack.enter_context(work.source.looking(folder.source_path))
        except ExternalError as error:
            raise SourceFault(error) from error
        _add_extras(work, folder, in_source, protected)


def _list_extra_folder(work: Work, folder: Todo, protected: frozenset[str]) -> None:
    _add_extras(work, folder, lambda name: None, protected)


def _add_extras(work: Work, folder: Todo, in_source: Lookup, protected: frozenset[str]) -> None:
    target = _prefix(folder.destination_path)
    listing = _destination_listing(work, folder)
    for entry in extras(listing, in_source=in_source, rules=work.options.rules):
        if target + entry.name not in protected:
            is_folder = entry.kind is Kind.DIR
            work.changes.new.append(
                NewFile(folder.item, folder.id, "delete", "", target + entry.name, entry.size, unlisted=is_folder)
            )
            _flush_when_full(work)


def _destination_listing(work: Work, folder: Todo) -> Iterator[Entry]:
    for entry in work.destination.list(folder.destination_path):
        if paths.is_storable(entry.name) and not is_part(entry.name):
            yield entry


# Rows


def _add(work: Work, step: Step, source: str, target: str, *, item: int, parent: int | None = None) -> None:
    entry, what, counts = step.entry, step.what, work.changes.counts
    size, modified_us = entry.size, None if entry.modified_ns is None else entry.modified_ns // 1000
    if what is What.CLASH:
        raise Final(fault("clash", f"{source} to {target}: {step.why}."))
    if entry.kind is Kind.DIR:
        state = "pending" if what is What.MKDIR else "skipped"
        row = NewFile(item, parent, "mkdir", source, target, 0, modified_us, state, True, step.level)
        counts["directories"] += 1
    elif what is What.SKIP:
        row = NewFile(item, parent, "copy", source, target, size, modified_us, "skipped", False, step.level)
        counts["files"] += 1
        counts["files_skipped"] += 1
    else:
        row = NewFile(item, parent, what.value, source, target, size, modified_us, "pending", False, step.level)
        counts["files"] += 1
        counts["bytes_total"] += size
    work.changes.new.append(row)


def _item_failed(work: Work, item: Any, error: ExternalError) -> None:
    found = _warning(work, error, item.source_path)
    row = NewFile(item.number, None, "copy", item.source_path, item.destination_path, state="failed")
    work.changes.new.append(row._replace(error_message=found.text, failure_reason=found.code))
    work.changes.faults.append(found)
    work.count(files=1)


def _name_failed(work: Work, folder: Todo, name: str) -> None:
    """Leave out what has a name that is no text, if the source's errors may be; its neighbours are copied."""
    error = fault("bad_name", f"A name in {folder.source_path} is no valid text: {name!a}.")
    shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    source, target = _prefix(folder.source_path) + shown, _prefix(folder.destination_path) + shown
    found = _warning(work, error, source)
    row = NewFile(folder.item, folder.id, "copy", source, target, state="failed")
    work.changes.new.append(row._replace(error_message=found.text, failure_reason=found.code))
    work.changes.faults.append(found)
    work.count(files=1)


def _folder_failed(work: Work, folder: Todo, error: ExternalError) -> None:
    work.changes.failed.append((folder.id, _warning(work, error, folder.source_path)))


def _warning(work: Work, error: ExternalError, path: str) -> Fault:
    """Return a fault of the source that may be left out; raises what ends the slice or the transfer otherwise."""
    if work.can_heal(error):
        raise error
    if not work.options.skip_source_errors:
        raise Final(error)
    work.count(files_failed=1, faults=1)
    return Fault(error.reason, path, error.message)


def _prefix(path: str) -> str:
    return path if path == paths.ROOT else f"{path}/"


def _protected(work: Work) -> frozenset[str]:
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
