"""Reading `keep_replaced`: where a transfer moves what it would overwrite or delete."""

from __future__ import annotations

from collections.abc import Sequence

from timers import validation
from timers.copying import paths
from timers.errors import REQUIRED, Invalid
from timers.services.transfers.items import ItemPaths
from timers.services.transfers.run_values import RunValues

FIELD = "keep_replaced"
_PATH = f"{FIELD}.path"


def read(document: object, *, home: str, values: RunValues) -> dict[str, str] | None:
    """Return `path`, with the values of this run, and `folder`, which no transfer deletes; None for null.

    The folder is the constant beginning of the path unless it is given. Raises Invalid naming keep_replaced.path or
    keep_replaced.folder.
    """
    if document is None:
        return None
    given = validation.mapping(document, FIELD)
    validation.under(FIELD, lambda: validation.only_known(given, {"path", "folder"}))
    if not isinstance(given.get("path"), str):
        raise Invalid({_PATH: REQUIRED if given.get("path") is None else "Give a path as text, such as /.replaced/."})
    template = values.template(given["path"], _PATH)
    path = paths.normalise(values.show(template), default_directory=home, field=_PATH)
    beginning = template.beginning if template.is_constant else template.beginning.rpartition("/")[0] + "/"
    folder = paths.normalise(given.get("folder") or beginning, default_directory=home, field=f"{FIELD}.folder")
    if folder == paths.ROOT:
        raise Invalid({_PATH: "Begin with a folder that is for these files alone, such as /.replaced/."})
    if not paths.is_inside(path, folder):
        raise Invalid({f"{FIELD}.folder": f"{path} does not lie in this folder."})
    return {"path": path, "folder": folder}


def check(
    kept: dict[str, str] | None,
    *,
    items: Sequence[ItemPaths],
    source_address: tuple[str, ...],
    destination_address: tuple[str, ...],
) -> None:
    """Raise Invalid naming keep_replaced.path for a folder that an item writes into, or would copy."""
    if kept is None:
        return
    folder = (*destination_address, *paths.parts(kept["folder"]))
    for number, item in enumerate(items):
        if paths.is_inside(item.target, kept["folder"]):
            raise Invalid({_PATH: f"DATA.{number} writes into this folder; keep what is replaced somewhere else."})
        source = (*source_address, *paths.parts(item.source_path))
        if item.recursive is not False and folder[: len(source)] == source:
            raise Invalid({_PATH: f"The folder lies inside what DATA.{number} copies; choose one outside of it."})
