"""Reading the items of a transfer or a deletion: paths are normalised.

Duplicates, and copies into themselves, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from timers import validation
from timers.copying import checksums, paths
from timers.copying.filters import Filter
from timers.copying.plan import Kind
from timers.errors import Invalid
from timers.models import Collection
from timers.services.collections import commands as collections
from timers.services.transfers.run_values import RunValues

MAX_ITEMS = 10_000

_KNOWN = {
    "DATA_TYPE",
    "source_path",
    "destination_path",
    "recursive",
    "external_checksum",
    "checksum_algorithm",
    "additional_fields",
}
_KNOWN_OF_LINK = {"DATA_TYPE", "source_path", "destination_path", "additional_fields"}
_KNOWN_OF_DELETION = {"DATA_TYPE", "path", "additional_fields"}
ITEM, LINK_ITEM, DELETE_ITEM = "transfer_item", "transfer_symlink_item", "delete_item"


@dataclass(frozen=True)
class ItemPaths:
    """One pair of paths, normalised; both are the same for a deletion.

    `into` is True when the destination was written as a folder ("/x/"), `is_link` when the source is a symbolic link
    that is made again.
    """

    source_path: str
    destination_path: str
    recursive: bool | None = None
    into: bool = False
    external_checksum: str | None = None
    checksum_algorithm: str | None = None
    is_link: bool = False

    @property
    def target(self) -> str:
        """Target path of the item if it is a file: inside a destination that was written as a folder."""
        if self.into and self.recursive is not True and self.source_path != paths.ROOT:
            return paths.join(self.destination_path, paths.name_of(self.source_path))
        return self.destination_path


def read(data: object, *, source: Collection, destination: Collection, values: RunValues) -> tuple[ItemPaths, ...]:
    """Return the items of a transfer; raises Invalid naming the item and its field."""
    documents = _item_list(data, "source_path and destination_path")
    homes = paths.normalise(source.default_directory), paths.normalise(destination.default_directory)
    return tuple(_item(document, f"DATA.{number}", *homes, values) for number, document in enumerate(documents))


def read_deletions(data: object, *, collection: Collection) -> tuple[ItemPaths, ...]:
    """Return the items of a deletion; raises Invalid naming the item for the root, or a path that is given twice."""
    home = paths.normalise(collection.default_directory)
    numbers: dict[str, int] = {}
    for number, document in enumerate(_item_list(data, "path")):
        name = f"DATA.{number}"
        item = _item_document(document, name, _KNOWN_OF_DELETION, (DELETE_ITEM,))
        path = paths.normalise(item.get("path"), default_directory=home, field=f"{name}.path")
        if path == paths.ROOT:
            raise Invalid({f"{name}.path": "This is the whole collection; give the entries in it instead."})
        if path in numbers:
            raise Invalid({name: f"The same item is given twice: see DATA.{numbers[path]}."})
        numbers[path] = number
    return tuple(ItemPaths(path, path) for path in numbers)


def _item_list(data: object, keys: str) -> list[object]:
    if not isinstance(data, list) or not data:
        raise Invalid({"DATA": f"Give a list of at least one item with {keys}."})
    if len(data) > MAX_ITEMS:
        raise Invalid({"DATA": f"At most {MAX_ITEMS:,} items."})
    return data


def _item_document(document: object, name: str, known: set[str], types: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise Invalid({name: f"An item is an object with {' and '.join(sorted(known & _PATHS, reverse=True))}."})
    if document.get("DATA_TYPE") not in (None, *types):
        raise Invalid({f"{name}.DATA_TYPE": f"Every item must be a {' or '.join(types)}."})
    try:
        validation.only_known(document, known)
    except Invalid as error:
        raise error.under(name) from error
    return document


_PATHS = {"path", "source_path", "destination_path"}


def _item(document: object, name: str, source_home: str, destination_home: str, values: RunValues) -> ItemPaths:
    is_link = isinstance(document, Mapping) and document.get("DATA_TYPE") == LINK_ITEM
    item = _item_document(document, name, _KNOWN_OF_LINK if is_link else _KNOWN, (ITEM, LINK_ITEM))
    recursive = False if is_link else item.get("recursive")
    if recursive is not None and not isinstance(recursive, bool):
        raise Invalid({f"{name}.recursive": "Must be true, false or absent."})
    checksum, algorithm = _checksum(item, name, recursive)
    source, destination = (values.render(item.get(key), f"{name}.{key}") for key in ("source_path", "destination_path"))
    return ItemPaths(
        source_path=paths.normalise(source, default_directory=source_home, field=f"{name}.source_path"),
        destination_path=paths.normalise(
            destination, default_directory=destination_home, field=f"{name}.destination_path"
        ),
        recursive=recursive,
        into=paths.means_folder(str(destination)),
        external_checksum=checksum,
        checksum_algorithm=algorithm,
        is_link=is_link,
    )


def _checksum(document: Mapping[str, Any], name: str, recursive: bool | None) -> tuple[str | None, str | None]:
    if document.get("external_checksum") is None:
        if document.get("checksum_algorithm") is not None:
            checksums.check_algorithm(document["checksum_algorithm"], field=f"{name}.checksum_algorithm")
        return None, None
    if recursive:
        raise Invalid({f"{name}.external_checksum": "A checksum belongs to one file, not to a recursive item."})
    return checksums.expected(
        document["external_checksum"], document.get("checksum_algorithm"), field=f"{name}.external_checksum"
    )


# Contradictions


def check_overlaps(
    items: Sequence[ItemPaths], *, source_address: tuple[str, ...], destination_address: tuple[str, ...], rules: Filter
) -> None:
    """Raise Invalid, naming the item, for an item that is given twice or would be copied into itself."""
    targets: dict[str, int] = {}
    folders: dict[tuple[str, str], int] = {}
    for number, item in enumerate(items):
        _check_duplicate(items, number, targets)
        _check_overlap(item, f"DATA.{number}", source_address, destination_address)
        targets[item.target] = number
        if item.recursive is not False:
            folders[item.source_path, item.destination_path] = number
    for number in range(len(items)):
        _check_covered_by_folder(items, number, folders, rules)
    if overlap(source_address, destination_address):
        _check_chains(items, source_address, destination_address)


def _check_duplicate(items: Sequence[ItemPaths], number: int, targets: Mapping[str, int]) -> None:
    item, other = items[number], targets.get(items[number].target)
    if other is None:
        return
    if items[other].source_path == item.source_path:
        raise Invalid({f"DATA.{number}": f"The same item is given twice: see DATA.{other}."})
    raise Invalid({f"DATA.{number}.destination_path": f"DATA.{other} has the same destination."})


def _check_overlap(
    item: ItemPaths, name: str, source_address: tuple[str, ...], destination_address: tuple[str, ...]
) -> None:
    source_path = (*source_address, *paths.parts(item.source_path))
    target_path = (*destination_address, *paths.parts(item.target))
    if source_path == target_path:
        raise Invalid({f"{name}.destination_path": "Source and destination are the same."})
    if item.recursive is not False:
        problem = overlap(source_path, target_path)
        if problem:
            raise Invalid({f"{name}.{problem[0]}": problem[1]})


def overlap(source: tuple[str, ...], target: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the field and the message if one of two folders, given by their addresses, lies inside the other."""
    if target[: len(source)] == source:
        return "destination_path", "The destination lies inside the source."
    if source[: len(target)] == target:
        return "source_path", "The source lies inside the destination."
    return None


def _check_chains(
    items: Sequence[ItemPaths], source_address: tuple[str, ...], destination_address: tuple[str, ...]
) -> None:
    """Refuse items of which one reads what another one writes: the result would depend on their order."""
    sources = {(*source_address, *paths.parts(item.source_path)): number for number, item in enumerate(items)}
    targets = {(*destination_address, *paths.parts(item.target)): number for number, item in enumerate(items)}
    for ends, other_ends in ((sources, targets), (targets, sources)):
        for end, number in ends.items():
            for length in range(1, len(end) + 1):
                other = other_ends.get(end[:length], number)
                goes_deep = length == len(end) or items[other].recursive is not False
                if other != number and goes_deep:
                    reads, writes = (number, other) if ends is sources else (other, number)
                    raise Invalid({f"DATA.{reads}.source_path": f"DATA.{writes} writes what this item reads."})


def _check_covered_by_folder(
    items: Sequence[ItemPaths], number: int, folders: Mapping[tuple[str, str], int], rules: Filter
) -> None:
    """Refuse an item that a folder above it copies too, from the same place to the same place."""
    item = items[number]
    ends = {item.target, item.destination_path} if item.recursive is None else {item.target}
    for end in ends:
        for source, target, names in _folders_above(item.source_path, end):
            other = folders.get((source, target))
            if other is not None and _includes(rules, names, item):
                raise Invalid({f"DATA.{number}": f"The same files are given twice: DATA.{other} includes this item."})


def _folders_above(source: str, target: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the pairs of folders above both paths, and the names below them; the nearest first.

    The same names lead from both folders to the two paths.
    """
    source_names, target_names = paths.parts(source), paths.parts(target)
    for depth in range(1, min(len(source_names), len(target_names)) + 1):
        if source_names[-depth] != target_names[-depth]:
            return
        yield "/" + "/".join(source_names[:-depth]), "/" + "/".join(target_names[:-depth]), target_names[-depth:]


def _includes(rules: Filter, names: Sequence[str], item: ItemPaths) -> bool:
    """Return whether a recursive item includes another item, given the names from its folder down to that item."""
    kinds = {True: (Kind.DIR,), False: (Kind.FILE,), None: (Kind.DIR, Kind.FILE)}[item.recursive]
    above = all(rules.includes("/".join(names[:depth]), Kind.DIR) for depth in range(1, len(names)))
    return above and any(rules.includes("/".join(names), kind) for kind in kinds)


def address_of(collection: Collection) -> tuple[str, ...]:
    """Return the real location of a collection's root."""
    with collections.storage_for(collection) as storage:
        return storage.address()
