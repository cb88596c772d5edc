"""Finding what the destination holds and the source does not.

Never extra is what any source entry leads to by the destination's own idea of names: it may list "readme" where the
source has "README".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from timers.copying import paths
from timers.copying.plan import Entry, Kind, extras
from timers.engine.transfers.scanning.bundling import Bundler
from timers.engine.transfers.scanning.planned_rows import FolderPlace, add_row, deletion, odd_extra
from timers.engine.transfers.slice_context import SliceContext
from timers.services.transfers import progress
from timers.services.transfers.progress import FileRow
from timers.storages.base import Lookup, is_partial, source_faults

Flush = Callable[[SliceContext], None]


def protected_paths(context: SliceContext) -> frozenset[str]:
    """Return the folded paths that items fill, the folders above them, and the folder of kept files.

    They are never extra, whatever the source holds.
    """
    if not context.options.delete_extra:
        return frozenset()
    protected: set[str] = set()
    kept = [context.options.kept_folder or "", context.options.keep_replaced or ""]
    for path in [*progress.destinations(context.transfer_slice), *filter(None, kept)]:
        folder_path = path.rstrip("/") or paths.ROOT
        while folder_path != paths.ROOT and (key := _key(context, folder_path)) not in protected:
            protected.add(key)
            folder_path = paths.parent(folder_path)
    return frozenset(protected)


def list_extras(context: SliceContext, folder: FileRow, protected: frozenset[str], flush: Flush) -> None:
    """Record what a folder holds beyond its source folder."""
    with ExitStack() as stack:
        with source_faults():
            in_source: Lookup = stack.enter_context(context.source.lookup(folder.source_path))
        aliases = _Aliases(context, folder)
        _add_extras(
            context, folder, lambda name: _asked(in_source, name), protected=protected, flush=flush, aliases=aliases
        )


def list_extra_folder(context: SliceContext, folder: FileRow, protected: frozenset[str], flush: Flush) -> None:
    """Record everything that a folder to be deleted holds."""
    _add_extras(context, folder, lambda name: None, protected=protected, flush=flush)


def _asked(in_source: Lookup, name: str) -> Entry | None:
    with source_faults():
        return in_source(name)


def _add_extras(
    context: SliceContext,
    folder: FileRow,
    in_source: Lookup,
    *,
    protected: frozenset[str],
    flush: Flush,
    aliases: _Aliases | None = None,
) -> None:
    bundler = Bundler(context, folder._replace(source_path=""))
    mirrors = context.transfer_slice.kind != "delete"
    found = extras(
        _destination_listing(context, folder, in_source),
        in_source=in_source,
        selection=context.options.selection if mirrors else None,
        below=FolderPlace.of(context, folder).below,
        source_has_both_kinds=context.source.abilities.both_kinds,
        both_kinds=mirrors and context.destination.abilities.both_kinds,
    )
    for entry in found:
        path = paths.join(folder.destination_path, entry.name)
        if _key(context, path) in protected or (aliases is not None and aliases.include(entry)):
            continue
        if entry.kind is Kind.DIR:
            add_row(context, deletion(folder.item, folder.id, path, entry))
        else:
            bundler.add_deletion(entry)
        flush(context)
    bundler.finish()


def _destination_listing(context: SliceContext, folder: FileRow, in_source: Lookup) -> Iterator[Entry]:
    for entry in context.destination.list(folder.destination_path):
        if not paths.is_carriable(entry.name):
            _add_odd(context, folder, entry, in_source)
        elif not is_partial(entry.name):
            yield entry


def _add_odd(context: SliceContext, folder: FileRow, entry: Entry, in_source: Lookup) -> None:
    """Record an entry whose name no path expresses: it is deleted where the store takes any spelling, else a fault."""
    if in_source(entry.name) is not None:
        return
    if context.destination.abilities.both_kinds and paths.is_storable(entry.name):
        path = f"{folder.destination_path.rstrip('/')}/{entry.name}"
        add_row(context, deletion(folder.item, folder.id, path, entry._replace(kind=Kind.FILE)))
    else:
        context.new_row_failed(*odd_extra(folder, entry.name))


def _key(context: SliceContext, path: str) -> str:
    return path if context.destination.abilities.exact_names else paths.fold_path(path)


class _Aliases:
    """Source entries that a folder of the destination has under another spelling, found when the first is asked for."""

    def __init__(self, context: SliceContext, folder: FileRow) -> None:
        self._context, self._folder = context, folder
        self._names: set[str] | None = None
        self._entries: list[Entry] = []

    def include(self, extra: Entry) -> bool:
        """Return whether an entry of the destination is, or may be, what a source entry leads to."""
        if self._context.destination.abilities.exact_names:
            return False
        if self._names is None:
            self._find()
        if paths.fold(extra.name) in (self._names or ()):
            return True
        # a spelling of a kind that is not known here: the same size and time mean that it may be this one
        return any(_look_alike(extra, entry) for entry in self._entries)

    def _find(self) -> None:
        self._names, folder = set(), self._folder
        names = [entry.name for entry in self._context.destination.list(folder.destination_path)]
        present, spellings = {*map(hash, names)}, {hash(paths.fold(name)) for name in names}
        del names
        with self._context.destination.lookup(folder.destination_path) as find:
            for entry in self._source_entries():
                if hash(entry.name) in present or not paths.is_carriable(entry.name):
                    continue
                found = find(entry.name)
                if found is not None:
                    self._names.add(paths.fold(entry.name))
                    if hash(paths.fold(entry.name)) not in spellings:
                        self._entries.append(found)

    def _source_entries(self) -> Iterator[Entry]:
        with source_faults():
            yield from self._context.source.list(self._folder.source_path)


def _look_alike(extra: Entry, entry: Entry) -> bool:
    return (extra.kind, extra.size, extra.modified_ns) == (entry.kind, entry.size, entry.modified_ns)
