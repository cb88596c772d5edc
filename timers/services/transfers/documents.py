"""The document of a transfer, written again from the stored transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from timers.errors import Invalid
from timers.models import Transfer, TransferItem
from timers.services.transfers.items import DELETE_ITEM, ITEM, LINK_ITEM
from timers.services.transfers.submissions import DELETE
from timers.text_templates import escape

CHANGEABLE = ("dry_run", "max_delete", "delete_destination_extra")
"""Fields that may be changed when a transfer is run again."""


def document(transfer: Transfer) -> dict[str, Any]:
    """Return the document of a transfer; reading it gives the same items and options."""
    items = TransferItem.objects.filter(transfer=transfer).order_by("number")
    if transfer.kind == DELETE:
        return document_of(transfer, [{"DATA_TYPE": DELETE_ITEM, "path": item.source_path} for item in items])
    return document_of(transfer, [item_document(item) for item in items])


def document_of(transfer: Transfer, data: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the document of a transfer with other items."""
    shared = {"label": escape(transfer.label) or None, **transfer.options, "DATA": list(data)}
    if transfer.kind == DELETE:
        return {"DATA_TYPE": "delete", "endpoint": str(transfer.source_id), **shared}
    kept = transfer.options.get("keep_replaced")
    return {
        "DATA_TYPE": "transfer",
        "source_endpoint": str(transfer.source_id),
        "destination_endpoint": str(transfer.destination_id),
        **shared,
        **({"keep_replaced": {**kept, "path": escape(kept["path"])}} if kept else {}),
    }


def item_document(item: TransferItem) -> dict[str, Any]:
    """Return the document of an item; reading it gives the same item."""
    both = {"source_path": escape(item.source_path), "destination_path": escape(item.destination_path)}
    if item.is_link:
        return {"DATA_TYPE": LINK_ITEM, **both}
    optional = {
        "recursive": item.recursive,
        "external_checksum": item.external_checksum,
        "checksum_algorithm": item.checksum_algorithm,
    }
    return {
        "DATA_TYPE": ITEM,
        **both,
        **{name: value for name, value in optional.items() if value is not None},
    }


def rerun_body(transfer: Transfer, *, now: datetime, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document that runs a transfer again: without a deadline that has passed, and with the changes.

    Changes that are null count as absent. Raises Invalid for a field that may not be changed.
    """
    changed = {name: value for name, value in changes.items() if value is not None}
    _check(transfer, changed)
    body = document(transfer)
    if body.get("deadline") and datetime.fromisoformat(body["deadline"]) <= now:
        del body["deadline"]
    if changed.get("delete_destination_extra") is False:
        body.pop("max_delete", None)  # a limit without deletions would be refused
    return {**body, **changed}


def _check(transfer: Transfer, changes: Mapping[str, Any]) -> None:
    unknown = [name for name in changes if name not in CHANGEABLE]
    if unknown:
        raise Invalid(dict.fromkeys(unknown, f"Only {', '.join(CHANGEABLE)} can be changed."))
    if transfer.kind == DELETE and changes:
        raise Invalid(dict.fromkeys(changes, "This belongs to a transfer; a deletion has no such field."))
