"""Jobs that copy files."""

from __future__ import annotations

import csv
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from timers.cli.jobs import Verb, add_when, schedule_of, show
from timers.cli.reading import Usage, truth
from timers.client import TimersClient, TransferData, TransferTimer
from timers.client.payloads import MISSING
from timers.client.transfer import SYNC_LEVELS

SWITCHES = {
    "verify-checksum": "compare checksums after the copy",
    "encrypt-data": "encrypt on the way",
    "preserve-timestamp": "give the copies the times of the originals",
    "skip-source-errors": "leave out what cannot be read",
    "fail-on-quota-errors": "stop when the destination is full",
    "delete-destination-extra": "delete what only the destination has",
}


def add_commands(verb: Verb) -> None:
    """Add the command."""
    transfer = verb("transfer", _transfer, "Schedule a transfer.")
    add_when(transfer)
    transfer.add_argument("--source-endpoint", required=True, metavar="COLLECTION_ID")
    transfer.add_argument("--dest-endpoint", "--destination-endpoint", required=True, metavar="COLLECTION_ID")
    items = transfer.add_mutually_exclusive_group(required=True)
    items.add_argument(
        "--item",
        "-i",
        nargs=3,
        action="append",
        metavar=("SRC", "DST", "RECURSIVE"),
        help="what to copy, and whether it is a folder (true or false); as often as needed",
    )
    items.add_argument("--items-file", metavar="PATH", help="a CSV file with the same three columns")
    transfer.add_argument("--label")
    transfer.add_argument(
        "--sync-level",
        choices=[*SYNC_LEVELS, *map(str, SYNC_LEVELS.values())],
        help="copy only what differs, judged by this; everything if left out",
    )
    transfer.add_argument("--recursive-symlinks", choices=("ignore", "keep", "copy"))
    for name, text in SWITCHES.items():
        transfer.add_argument(f"--{name}", action="store_true", help=text)


def _transfer(client: TimersClient, given: Namespace) -> int:
    switches: dict[str, Any] = {name.replace("-", "_"): True for name in SWITCHES}
    data = TransferData(
        given.source_endpoint,
        given.dest_endpoint,
        label=given.label or MISSING,
        sync_level=_level(given.sync_level),
        recursive_symlinks=given.recursive_symlinks or MISSING,
        **{name: on for name, on in switches.items() if getattr(given, name)},
    )
    for source, destination, recursive in _items(given):
        data.add_item(source, destination, recursive=truth(recursive))
    timer = TransferTimer(name=given.name, schedule=schedule_of(given), body=data)
    return show(client.create_timer(timer).data, given)


def _level(word: str | None) -> Any:
    if word is None:
        return MISSING
    return int(word) if word.isdigit() else word


def _items(given: Namespace) -> Iterator[list[str]]:
    if given.item:
        yield from given.item
        return
    try:
        with Path(given.items_file).open(newline="", encoding="utf-8") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Usage(f"{given.items_file} cannot be read: {error}") from error
    for number, row in enumerate(rows, start=1):
        if len(row) not in (2, 3):
            raise Usage(f"{given.items_file}, row {number}: give source, destination and whether it is a folder")
        yield row if len(row) == 3 else [*row, "false"]
