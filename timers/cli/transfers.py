"""The command that schedules a transfer of files."""

from __future__ import annotations

import csv
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from timers.cli.jobs import Verb, add_schedule_options, print_answer, schedule_of
from timers.cli.reading import Usage, truth
from timers.client import TimersClient, TransferData, TransferTimer
from timers.client.payloads import MISSING
from timers.client.transfer import SYNC_LEVELS

SWITCHES = {
    "verify-checksum": "compare checksums after the copy",
    "encrypt-data": "encrypt on the way",
    "preserve-timestamp": "keep the modification times of the files",
    "skip-source-errors": "skip files that cannot be read",
    "fail-on-quota-errors": "stop when the destination is full",
    "delete-destination-extra": "delete files that only the destination has",
}


def add_commands(verb: Verb) -> None:
    """Add the command `transfer`."""
    transfer = verb("transfer", _transfer, "Schedule a transfer.")
    add_schedule_options(transfer)
    transfer.add_argument("--source-endpoint", required=True, metavar="COLLECTION_ID")
    transfer.add_argument("--dest-endpoint", "--destination-endpoint", required=True, metavar="COLLECTION_ID")
    items = transfer.add_mutually_exclusive_group(required=True)
    items.add_argument(
        "--item",
        "-i",
        nargs=3,
        action="append",
        metavar=("SRC", "DST", "RECURSIVE"),
        help="source path, destination path, and whether it is a folder (true or false); may be repeated",
    )
    items.add_argument("--items-file", metavar="PATH", help="a CSV file with the same three columns")
    transfer.add_argument("--label")
    transfer.add_argument(
        "--sync-level",
        choices=[*SYNC_LEVELS, *map(str, SYNC_LEVELS.values())],
        help="copy only files that differ in this (default: copy all files)",
    )
    transfer.add_argument("--recursive-symlinks", choices=("ignore", "keep", "copy"))
    for name, text in SWITCHES.items():
        transfer.add_argument(f"--{name}", action="store_true", help=text)


def _transfer(client: TimersClient, options: Namespace) -> int:
    switches: dict[str, Any] = {name.replace("-", "_"): True for name in SWITCHES}
    data = TransferData(
        options.source_endpoint,
        options.dest_endpoint,
        label=options.label or MISSING,
        sync_level=_level(options.sync_level),
        recursive_symlinks=options.recursive_symlinks or MISSING,
        **{name: on for name, on in switches.items() if getattr(options, name)},
    )
    for source, destination, recursive in _items(options):
        data.add_item(source, destination, recursive=truth(recursive))
    timer = TransferTimer(name=options.name, schedule=schedule_of(options), body=data)
    return print_answer(client.create_timer(timer).data, options)


def _level(word: str | None) -> Any:
    if word is None:
        return MISSING
    return int(word) if word.isdigit() else word


def _items(options: Namespace) -> Iterator[list[str]]:
    if options.item:
        yield from options.item
        return
    try:
        with Path(options.items_file).open(newline="", encoding="utf-8") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Usage(f"{options.items_file} cannot be read: {error}") from error
    for number, row in enumerate(rows, start=1):
        if len(row) not in (2, 3):
            raise Usage(f"{options.items_file}, row {number}: give source, destination and whether it is a folder")
        yield row if len(row) == 3 else [*row, "false"]
