"""A folder of a collection, opened to be shown: on the collection's page and where paths are picked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator

from timers.copying import paths
from timers.copying.plan import Kind
from timers.errors import TimersError
from timers.models import Collection
from timers.services.collections import commands as service

MAX_ENTRIES = 10_000
"""So many entries of a folder are read and put in order; what a store has beyond them is not shown."""


@dataclass(frozen=True)
class Crumb:
    """One folder on the way to the one that is open."""

    name: str
    path: str


@dataclass(frozen=True)
class FolderRow:
    """One thing in a folder."""

    name: str
    kind: str
    path: str
    size: int
    modified: datetime | None
    addressable: bool
    """False when its name cannot stand in a path: it is shown, and cannot be opened or chosen."""

    @property
    def folder(self) -> bool:
        return self.kind == Kind.DIR

    @property
    def file(self) -> bool:
        return self.kind == Kind.FILE

    @property
    def choosable(self) -> bool:
        """Return whether it can be chosen to be copied."""
        return self.addressable and self.kind in (Kind.FILE, Kind.DIR)


@dataclass(frozen=True)
class Opened:
    """A folder that was opened, and the page of it to show; `problem` says why it cannot be shown."""

    path: str
    page: Page[FolderRow]
    """Of all that was read, folders first."""
    truncated: bool = False
    """True when the folder holds more entries than were read."""
    problem: str = ""

    @property
    def crumbs(self) -> list[Crumb]:
        names = paths.parts(self.path)
        return [Crumb(name, "/" + "/".join(names[: i + 1]) + "/") for i, name in enumerate(names)]

    @property
    def above(self) -> str:
        """The folder around this one; empty at the root."""
        return paths.parent(self.path.rstrip("/")) if self.path.strip("/") else ""

    @property
    def bytes(self) -> int:
        """Of all the files in it that were read."""
        return sum(item.size for item in self.page.paginator.object_list if item.file)


def open_folder(collection: Collection, path: str | None, *, limit: int, page: int = 1) -> Opened:
    """Return a page of `limit` entries of the folder that was meant, its default one without a path.

    Or why it cannot be shown. A page that it does not have is its nearest one.
    """
    try:
        listing = service.list_directory(collection, path, limit=MAX_ENTRIES)
    except TimersError as error:
        nothing: Page[FolderRow] = Paginator([], limit).page(1)
        return Opened(path or collection.default_directory, nothing, problem=error.message.removeprefix("path: "))
    base = listing.path.rstrip("/")
    items = [
        FolderRow(
            name=entry.name,
            kind=entry.kind,
            path=f"{base}/{entry.name}",
            size=entry.size,
            modified=entry.modified_at,
            addressable=entry.addressable,
        )
        for entry in listing.entries
    ]
    items.sort(key=lambda item: (not item.folder, item.name.casefold()))
    paginator = Paginator(items, limit)
    return Opened(listing.path, paginator.page(min(max(page, 1), paginator.num_pages)), listing.truncated)
