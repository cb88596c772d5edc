"""Transfers in every state that their pages show."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from timers.clock import to_us
from timers.copying.bundles import Member, encode
from timers.models import Collection, Transfer, TransferEvent, TransferFile, TransferItem

Places = tuple[Collection, Collection]


def make_transfer(owner: Any, places: Places, now: datetime, **fields: Any) -> Transfer:
    """Return a stored transfer that has copied 62 % in a minute, unless `fields` say otherwise."""
    transfer = Transfer.objects.create(
        **{
            "owner": owner,
            "source": places[0],
            "destination": places[1],
            "label": "Nightly",
            "status": "active",
            "phase": "copy",
            "requested_at": now - timedelta(minutes=1),
            "started_at": now - timedelta(minutes=1),
            "files": 8,
            "files_transferred": 5,
            "bytes_total": 1_000_000,
            "bytes_transferred": 620_000,
            "faults": 1,
            **fields,
        }
    )
    TransferItem.objects.create(transfer=transfer, number=1, source_path="/home/", destination_path="/copy/")
    return transfer


def add_file(transfer: Transfer, name: str = "a", **fields: Any) -> TransferFile:
    """Return a stored file of a transfer, to be copied unless `fields` say otherwise."""
    paths = {"source_path": f"/home/{name}", "destination_path": f"/copy/{name}"}
    return TransferFile.objects.create(
        **{"transfer": transfer, "item": 1, "step": "copy", "verdict": "add", "size": 90, **paths, **fields}
    )


def add_pack(transfer: Transfer, *names: str, folder: str = "p", **fields: Any) -> TransferFile:
    """Return a stored pack of files of 10 bytes each."""
    members = encode([Member(name, 10) for name in names])
    return add_file(transfer, folder, members=members, count=len(names), size=10 * len(names), **fields)


def make_dry_run(owner: Any, places: Places, now: datetime, *, deletions: int = 3, **fields: Any) -> Transfer:
    """Return a finished dry run that would add 2 files, change 1, delete some, and could not read 1."""
    options = {"dry_run": True, "delete_destination_extra": True, "sync_level": 3, **fields.pop("options", {})}
    ended = {"status": "succeeded", "phase": "compare", "finished_at": now, "bytes_transferred": 0}
    transfer = make_transfer(owner, places, now, options=options, **{**ended, **fields})
    add_pack(transfer, "new-1", "new-2")
    add_file(transfer, "index.json", verdict="change", level="checksum", there_size=80, there_modified_at=now)
    add_file(transfer, "same", verdict="same", level="checksum", state="skipped", there_size=90, modified_at=now)
    add_file(transfer, "locked", verdict=None, state="failed", error_message="/home/locked: permission denied.")
    if deletions:
        old = add_file(transfer, "old", step="mkdir", verdict="same", state="skipped")
        names = [f"run-{number}" for number in range(deletions)]
        add_pack(transfer, *names, folder="old", step="delete", verdict="delete", parent=old.pk, source_path="")
    return transfer


def furnish(owner: Any, places: Places, now: datetime) -> dict[str, str]:
    """Make one of each kind; return their pages by name."""
    course = [(to_us(now - timedelta(seconds=70 - 10 * n)), n * 100_000 + n % 2 * 40_000, n) for n in range(7)]
    going = make_transfer(
        owner, places, now, samples=course, current=[{"path": "/copy/big.h5", "bytes_done": 40, "size": 90}]
    )
    done = make_transfer(owner, places, now, status="succeeded", finished_at=now, samples=course)
    deletion = make_transfer(owner, places, now, kind="delete", destination=None, status="failed", finished_at=now)
    dry_run = make_dry_run(owner, places, now, deletions=1200)
    for transfer in (going, done, deletion):
        add_pack(transfer, "b", "c", state="done", verified="checksum")
        add_file(transfer, "d", faults=2, retry_at=now)
        text = "connection reset by peer, trying again"
        TransferEvent.objects.create(transfer=transfer, at=now, code="fault", is_fault=True, text=text, path="/home/d")
    return {
        "transfer": f"/transfers/{going.pk}/",
        "transfer that ended": f"/transfers/{done.pk}/?files=done",
        "deletion": f"/transfers/{deletion.pk}/",
        "dry run": f"/transfers/{dry_run.pk}/",
    }
