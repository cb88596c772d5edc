"""What a transfer needs of its two ends: options that a collection cannot carry out are refused, not forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from timers.errors import Invalid
from timers.models import Collection
from timers.services.transfers.items import ItemPaths
from timers.storages.base import STORAGES, Abilities


def check(
    options: Mapping[str, Any], *, items: Sequence[ItemPaths], source: Collection, destination: Collection
) -> None:
    """Raise Invalid naming every option that one of the two collections cannot carry out."""
    here, there = _abilities(source), _abilities(destination)
    if not there.write:
        raise Invalid({"destination_endpoint": f"{destination.display_name} can only be read."})
    problems = {
        **_of_files(options, source=source, destination=destination),
        **_of_changes(options, source=source, destination=destination),
        **{
            f"DATA.{number}.DATA_TYPE": f"{(source if not here.links else destination).display_name} has no "
            "symbolic links."
            for number, item in enumerate(items)
            if item.is_link and not (here.links and there.links)
        },
    }
    if problems:
        raise Invalid(problems)


def check_deletion(collection: Collection) -> None:
    """Raise Invalid naming endpoint for a collection in which nothing can be deleted."""
    if not _abilities(collection).write:
        raise Invalid({"endpoint": f"Nothing can be deleted in {collection.display_name}: it can only be read."})


def _of_files(options: Mapping[str, Any], *, source: Collection, destination: Collection) -> dict[str, str]:
    """Return what the ends cannot keep of the files, by option."""
    here, there = _abilities(source), _abilities(destination)
    problems = {}
    if options["preserve_permissions"] and not (here.permissions and there.permissions):
        name = (destination if here.permissions else source).display_name
        problems["preserve_permissions"] = f"{name} has no permissions of files."
    if options["preserve_timestamp"] and not there.times:
        problems["preserve_timestamp"] = f"{destination.display_name} does not keep the times of files."
    if options["recursive_symlinks"] == "keep" and not there.links:
        problems["recursive_symlinks"] = "The destination cannot hold symbolic links; choose ignore or copy."
    for name in ("metadata", "storage_class"):
        if options[name] is not None and not there.properties:
            problems[name] = f"{destination.display_name} keeps nothing like this: only object stores do."
    return problems


def _of_changes(options: Mapping[str, Any], *, source: Collection, destination: Collection) -> dict[str, str]:
    """Return what the ends cannot do or do not allow, by option."""
    problems = {}
    if options["delete_source"] and not _abilities(source).write:
        problems["delete_source"] = f"Nothing can be deleted in {source.display_name}: it can only be read."
    if options["keep_replaced"] is not None and not _abilities(destination).rename:
        problems["keep_replaced"] = f"{destination.display_name} cannot move files, so nothing can be kept aside."
    if options["encrypt_data"]:
        plain = [end.display_name for end in (source, destination) if not _encrypts(end)]
        if plain:
            problems["encrypt_data"] = f"The connection to {' and '.join(plain)} is not encrypted."
    return problems


def _abilities(collection: Collection) -> Abilities:
    return STORAGES.get(collection.kind).abilities


def _encrypts(collection: Collection) -> bool:
    parameters: Mapping[str, Any] = collection.storage  # type: ignore[assignment]  # the field holds an object
    return STORAGES.get(collection.kind).encrypts(parameters)
