"""Reading the items of a transfer or a deletion: paths normalised, nothing asked for twice or copied into itself."""

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
_KNOWN_OF_DELETION = {"DATA_TYPE", "path", "additional_fields"}


@dataclass(frozen=True)
class ItemPaths:
    """One pair of paths, normalised; both are the same when it is to be deleted.

    `into` says that the destination was written as a folder ("/x/").
    """

    source_path: str
    destination_path: str
    recursive: bool | None = None
    into: bool = False
    external_checksum: str | None = None
    checksum_algorithm: str | None = None

    @property
    def target(self) -> str:
        """Where the item ends up if it is a file: inside a destination that was written as a folder."""
        if self.into and self.recursive is not True and self.source_path != paths.ROOT:
            return paths.join(self.destination_path, paths.name_of(self.source_path))
        return self.destination_path


def read(data: object, *, source: Collection, destination: Collection) -> tuple[ItemPaths, ...]:
    """Return the items of a transfer; raises Invalid naming the item and its field."""
    listed = _listed(data, "source_path and destination_path")
    return tuple(_item(each, f"DATA.{number}", source, destination) for number, each in enumerate(listed))


def read_deletions(data: object, *, collection: Collection) -> tuple[ItemPaths, ...]:
    """Return what is to be deleted; raises Invalid naming the item: the root, or a path that is given twice."""
    found: dict[str, int] = {}
    for number, each in enumerate(_listed(data, "path")):
        name = f"DATA.{number}"
        path = _path(_object(each, name, _KNOWN_OF_DELETION, "delete_item"), "path", name, collection)
        if path == paths.ROOT:
            raise Invalid({f"{name}.path": "This is the whole collection; name what is in it to delete it."})
        if path in found:
            raise Invalid({name: f"The same item is given twice: see DATA.{found[path]}."})
        found[path] = number
    return tuple(ItemPaths(path, path) for path in found)


def _listed(data: object, keys: str) -> list[object]:
    if not isinstance(data, list) or not data:
        raise Invalid({"DATA": f"Give a list of at least one item with {keys}."})
    if len(data) > MAX_ITEMS:
        raise Invalid({"DATA": f"At most {MAX_ITEMS:,} items."})
    return data


def _object(document: object, name: str, known: set[str], kind: str) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise Invalid({name: f"An item is an object with {' and '.join(sorted(known & _PATHS, reverse=True))}."})
    try:
        validation.only_known(document, known)
    except Invalid as error:
        raise error.under(name) from error
    if document.get("DATA_TYPE") not in (None, kind):
        raise Invalid({f"{name}.DATA_TYPE": f"An item here is a {kind}."})
    return document


_PATHS = {"path", "source_path", "destination_path"}


def _item(document: object, name: str, source: Collection, destination: Collection) -> ItemPaths:
    given = _object(document, name, _KNOWN, "transfer_item")
    recursive = given.get("recursive")
    if recursive is not None and not isinstance(recursive, bool):
        raise Invalid({f"{name}.recursive": "Must be true, false or absent."})
    checksum, algorithm = _checksum(given, name, recursive)
    return ItemPaths(
        source_path=_path(given, "source_path", name, source),
        destination_path=_path(given, "destination_path", name, destination),
        recursive=recursive,
        into=paths.means_folder(str(given.get("destination_path"))),
        external_checksum=checksum,
        checksum_algorithm=algorithm,
    )


def _path(document: Mapping[str, Any], key: str, name: str, collection: Collection) -> str:
    home = paths.normalise(collection.default_directory)
    return paths.normalise(document.get(key), default_directory=home, field=f"{name}.{key}")


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


# What contradicts itself


def check_overlaps(items: Sequence[ItemPaths], *, source: Collection, destination: Collection, rules: Filter) -> None:
    """Raise Invalid, naming the item, for what is asked for twice and for what would be copied into itself."""
    here, there = _address(source), _address(destination)
    targets: dict[str, int] = {}
    folders: dict[tuple[str, str], int] = {}
    for number, item in enumerate(items):
        _check_twice(items, number, targets)
        _check_overlap(item, f"DATA.{number}", here, there)
        targets[item.target] = number
        if item.recursive is not False:
            folders[item.source_path, item.destination_path] = number
    for number in range(len(items)):
        _check_covered(items, number, folders, rules)
    if overlap(here, there):
        _check_chains(items, here, there)


def _check_twice(items: Sequence[ItemPaths], number: int, targets: Mapping[str, int]) -> None:
    item, other = items[number], targets.get(items[number].target)
    if other is None:
        return
    if items[other].source_path == item.source_path:
        raise Invalid({f"DATA.{number}": f"The same item is given twice: see DATA.{other}."})
    raise Invalid({f"DATA.{number}.destination_path": f"DATA.{other} has the same destination."})


def _check_overlap(item: ItemPaths, name: str, here: tuple[str, ...], there: tuple[str, ...]) -> None:
    source = (*here, *paths.parts(item.source_path))
    target = (*there, *paths.parts(item.target))
    if source == target:
        raise Invalid({f"{name}.destination_path": "Source and destination are the same."})
    if item.recursive is not False:
        complaint = overlap(source, target)
        if complaint:
            raise Invalid({f"{name}.{complaint[0]}": complaint[1]})


def overlap(source: tuple[str, ...], target: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the field and the sentence if one of two folders, given by their addresses, lies in the other."""
    if target[: len(source)] == source:
        return "destination_path", "The destination lies inside the source."
    if source[: len(target)] == target:
        return "source_path", "The source lies inside the destination."
    return None


def _check_chains(items: Sequence[ItemPaths], here: tuple[str, ...], there: tuple[str, ...]) -> None:
    """Refuse items of which one reads what another one writes: what comes of them would depend on their order."""
    sources = {(*here, *paths.parts(item.source_path)): number for number, item in enumerate(items)}
    targets = {(*there, *paths.parts(item.target)): number for number, item in enumerate(items)}
    for ends, others in ((sources, targets), (targets, sources)):
        for end, number in ends.items():
            for length in range(1, len(end) + 1):
                other = others.get(end[:length], number)
                goes_deep = length == len(end) or items[other].recursive is not False
                if other != number and goes_deep:
                    reads, writes = (number, other) if ends is sources else (other, number)
                    raise Invalid({f"DATA.{reads}.source_path": f"DATA.{writes} writes what this item reads."})


def _check_covered(
    items: Sequence[ItemPaths], number: int, folders: Mapping[tuple[str, str], int], rules: Filter
) -> None:
    """Refuse an item that a folder above it copies too, from the same place to the same place."""
    item = items[number]
    ends = {item.target, item.destination_path} if item.recursive is None else {item.target}
    for end in ends:
        for source, target, names in _folders_above(item.source_path, end):
            other = folders.get((source, target))
            if other is not None and _takes(rules, names, item):
                raise Invalid({f"DATA.{number}": f"The same files are asked for twice: DATA.{other} holds this item."})


def _folders_above(source: str, target: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the pairs of folders that both paths lie in under the same names, and these names; the nearest first."""
    here, there = paths.parts(source), paths.parts(target)
    for depth in range(1, min(len(here), len(there)) + 1):
        if here[-depth] != there[-depth]:
            return
        yield "/" + "/".join(here[:-depth]), "/" + "/".join(there[:-depth]), there[-depth:]


def _takes(rules: Filter, names: Sequence[str], item: ItemPaths) -> bool:
    """Return whether a recursive item whose folder has these names below it goes as far as that."""
    kinds = {True: (Kind.DIR,), False: (Kind.FILE,), None: (Kind.DIR, Kind.FILE)}[item.recursive]
    above = all(rules.includes(name, Kind.DIR) for name in names[:-1])
    return above and any(rules.includes(names[-1], kind) for kind in kinds)


def _address(collection: Collection) -> tuple[str, ...]:
    with collections.storage_for(collection) as storage:
        return storage.address()
