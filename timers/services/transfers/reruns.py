"""The document of what failed in a transfer: its files and folders, as items of a new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import QuerySet, Sum

from timers.copying import bundles, paths
from timers.errors import Conflict, Invalid
from timers.lifecycle import UNFINISHED_TRANSFER
from timers.models import Transfer, TransferFile, TransferItem
from timers.services.transfers.documents import item_document
from timers.services.transfers.items import DELETE_ITEM, MAX_ITEMS
from timers.services.transfers.submissions import DELETE

_DROPPED = ("delete_destination_extra", "max_delete")
"""Options about all of a folder, which the failed files alone are not."""


def failed_only(transfer: Transfer, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a transfer with just what failed in it, folders with all that is in them.

    Raises Conflict when the transfer has not finished or nothing failed that can be named, Invalid naming `only` when
    there is too much of it.
    """
    if transfer.status in UNFINISHED_TRANSFER:
        raise Conflict("The transfer has not finished: what failed is known at its end.")
    failed = TransferFile.objects.filter(transfer=transfer, state="failed")
    number = failed.aggregate(number=Sum("count"))["number"] or 0
    if number > MAX_ITEMS:
        sentence = f"{number:,} files failed; at most {MAX_ITEMS:,} can be retried by themselves. Run all of it again."
        raise Invalid({"only": sentence})
    data = list(_deletions(failed) if transfer.kind == DELETE else _items(transfer, failed))
    if not data:
        raise Conflict("Nothing failed in this transfer that could be tried again by itself.")
    return {name: value for name, value in body.items() if name not in _DROPPED} | {"DATA": data}


def _deletions(failed: QuerySet[TransferFile]) -> Iterator[dict[str, Any]]:
    deepest_last = sorted(
        {row.source_path or row.destination_path for row in failed}, key=lambda path: (len(path), path)
    )
    for path in _topmost(deepest_last):
        yield {"DATA_TYPE": DELETE_ITEM, "path": path}


def _topmost(ordered: list[str]) -> Iterator[str]:
    """Yield the paths that lie below no other one."""
    yielded: set[str] = set()
    for path in ordered:
        if not yielded.intersection(paths.above(path)):
            yielded.add(path)
            yield path


def _items(transfer: Transfer, failed: QuerySet[TransferFile]) -> Iterator[dict[str, Any]]:
    rows = [row for row in failed.exclude(step="delete").order_by("pk") if row.source_path]
    folders = {row.source_path for row in rows if row.step == "mkdir"}
    given = {item.number: item for item in TransferItem.objects.filter(transfer=transfer)} if rows else {}
    seen: set[tuple[str, str]] = set()
    for row in rows:
        for pair in _pairs(row):
            if pair not in seen and _is_path(pair[0]) and not folders.intersection(paths.above(pair[0])):
                seen.add(pair)
                yield item_document(_item(row, given.get(row.item), *pair))


_RECURSIVE = {"copy": False, "compare": False, "link": False, "mkdir": True}
"""Whether the item of a failed step is a folder with all that is in it; of other steps it is whatever stands there."""


def _item(row: TransferFile, given: TransferItem | None, source: str, destination: str) -> TransferItem:
    """Return the item of a failed file; one that was asked for by itself is the same item again."""
    if given is not None and given.source_path == source:
        return given
    return TransferItem(
        source_path=source,
        destination_path=destination,
        recursive=_RECURSIVE.get(row.step),
        is_link=row.step == "link",
    )


def _pairs(row: TransferFile) -> Iterator[tuple[str, str]]:
    """Yield the paths of a row: of the file itself, or of the members of a bundle."""
    if row.members is None:
        yield row.source_path, row.destination_path
        return
    for member in bundles.decode(row.members):
        yield paths.join(row.source_path, member.name), paths.join(row.destination_path, member.name)


def _is_path(path: str) -> bool:
    """Return whether a path names what it says: that of an odd name is only shown."""
    try:
        return paths.normalise(path) == path
    except Invalid:
        return False
