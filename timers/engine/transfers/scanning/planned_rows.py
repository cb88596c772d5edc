"""Rows of what the plan says about an entry: to be copied, left out, waiting, or given up."""

from __future__ import annotations

from typing import NamedTuple

from timers.copying import paths
from timers.copying.plan import Entry, FileVerdict, Kind, PlannedEntry, StepKind, entry_step
from timers.engine.transfers.scanning import symlinks
from timers.engine.transfers.slice_context import SliceContext
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import FileRow, NewFile
from timers.storages.base import SourceFault, fault

WAITS_FOR_DELETE = "delete"


class FolderPlace(NamedTuple):
    """A folder that is listed, or the place of an item.

    `below` leads from the item's root to it: "" or "logs/". `folder` is None for an item itself.
    """

    item: int
    folder: FileRow | None
    target: str
    below: str = ""
    is_settled: bool = False
    """True for an entry that has waited already, and does not wait once more."""

    @classmethod
    def of(cls, context: SliceContext, folder: FileRow) -> FolderPlace:
        """Return the place of a folder; its path from the item's root is looked up only if a filter needs it."""
        if context.options.selection is None:
            return cls(folder.item, folder, folder.destination_path)
        inside = folder.destination_path.removeprefix(context.item_root(folder.item)).strip("/")
        return cls(folder.item, folder, folder.destination_path, f"{inside}/" if inside else "")

    @property
    def parent(self) -> int | None:
        return None if self.folder is None else self.folder.id


def add_step(
    context: SliceContext, place: FolderPlace, step: PlannedEntry, source: str, target: str | None = None
) -> None:
    """Record what is to be done about one entry; `target` is its path, where it does not lie in the place's folder."""
    target = paths.join(place.target, step.entry.name) if target is None else target
    new = NewFile(place.item, place.parent, "copy", source, target)
    match step.kind:
        case StepKind.IGNORE:
            return
        case StepKind.LEAVE:
            context.left_out(new, "not_a_file", f"{source} is neither a file nor a folder: it was left out.")
        case StepKind.UNKNOWN:
            error = fault("unknown_kind", f"The server does not say what {source} is, a file or a folder.")
            context.new_row_failed(new, SourceFault(error))
        case StepKind.FOLLOW:
            _follow(context, place, step, new)
        case StepKind.CLASH:
            _add_clash(context, place, step, new)
        case _:
            add_row(context, _row(step, new))


def add_row(context: SliceContext, row: NewFile) -> None:
    """Add a row, and count it."""
    context.changes.counts.update(progress.counts_of(row.step, row.state, row.size, kind=context.transfer_slice.kind))
    context.changes.new.append(row)


def deletion(item: int, parent: int | None, path: str, entry: Entry) -> NewFile:
    """Return the row of an entry that is to be deleted, a folder with all that it holds."""
    is_folder = entry.kind is Kind.DIR
    return NewFile(
        item=item,
        parent=parent,
        step="delete",
        source_path="",
        destination_path=path,
        size=0 if is_folder else entry.size,
        unlisted=is_folder,
        verdict=FileVerdict.DELETE,
        there_size=None if is_folder else entry.size,  # distinguishes folders from files
        there_modified_us=entry.modified_us,
    )


def odd_name(folder: FileRow, name: str) -> tuple[NewFile, SourceFault]:
    """Return the row and the fault of a source whose name cannot be carried elsewhere, with its name made readable."""
    shown = paths.readable(name)
    source, target = _prefix(folder.source_path) + shown, _prefix(folder.destination_path) + shown
    error = fault("bad_name", f"The name of {source} cannot be carried over.")
    return NewFile(folder.item, folder.id, "copy", source, target), SourceFault(error)


def odd_extra(folder: FileRow, name: str) -> tuple[NewFile, ExternalError]:
    """Return the row and the fault of an entry that should be deleted, and whose name no path can express."""
    path = _prefix(folder.destination_path) + paths.readable(name)
    error = fault("bad_name", f"{path} cannot be deleted: no path can express its name.")
    return NewFile(folder.item, folder.id, "delete", "", path, verdict=FileVerdict.DELETE), error


def _follow(context: SliceContext, place: FolderPlace, step: PlannedEntry, new: NewFile) -> None:
    try:
        source, entry = symlinks.resolve_in_folder(context, place.folder, new.source_path)
    except ExternalError as error:
        context.new_row_failed(new, SourceFault(error))
        return
    add_step(context, place, entry_step(entry, step.there, context.copy_rules), source, new.destination_path)


def _add_clash(context: SliceContext, place: FolderPlace, step: PlannedEntry, new: NewFile) -> None:
    """Record an entry whose place is taken by one of another kind, which goes first where deleting is allowed."""
    if not context.options.delete_extra or place.folder is None or place.is_settled or step.there is None:
        error = fault("clash", f"{new.source_path} to {new.destination_path}: {_explanation(context, step, new)}.")
        context.new_row_failed(new, error)
        return
    add_row(context, deletion(place.item, place.parent, new.destination_path, step.there))
    if context.options.dry_run:
        kind = StepKind.MKDIR if step.entry.kind is Kind.DIR else StepKind.COPY
        add_row(context, _row(PlannedEntry(kind, step.entry, None, FileVerdict.CHANGE), new))
    else:
        context.changes.new.append(new._replace(state="deferred", waits_for=WAITS_FOR_DELETE))


def _explanation(context: SliceContext, step: PlannedEntry, new: NewFile) -> str:
    if step.there is None or step.there.kind is not Kind.SYMLINK:
        return step.explanation
    try:
        return f"{step.explanation}, to {paths.readable(context.destination.read_link(new.destination_path))}"
    except ExternalError:
        return step.explanation


def _row(step: PlannedEntry, new: NewFile) -> NewFile:
    entry, existing = step.entry, step.there
    is_folder, skipped = entry.kind is Kind.DIR, step.kind is StepKind.SKIP
    return new._replace(
        step="mkdir" if is_folder else "copy" if skipped else step.kind.value,
        size=entry.size if entry.kind is Kind.FILE else 0,
        modified_us=entry.modified_us,
        state="skipped" if skipped else "pending",
        unlisted=is_folder,
        level=step.level,
        verdict=step.verdict,
        there_size=None if existing is None or is_folder else existing.size,
        there_modified_us=None if existing is None else existing.modified_us,
        mode=entry.mode if is_folder else None,
    )


def _prefix(path: str) -> str:
    return path if path == paths.ROOT else f"{path}/"
