"""Manifests: what a transfer left at its destination, as JSON, CSV or for `sha256sum -c`; written piece by piece."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from django.db.models import Q, QuerySet

from timers.api.serializers.transfers import FileSerializer
from timers.errors import Conflict
from timers.models import Transfer, TransferFile
from timers.queries.transfers.files import FileEntry, all_entries

TYPES: Mapping[str, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "sha256": "text/plain; charset=utf-8",
}
"""The ways to write a manifest, with their media types."""

_PIECE = 64 * 1024
_SHA256_DIGITS = 64


def write(transfer: Transfer, document: Mapping[str, Any], way: str) -> Iterable[str]:
    """Return the pieces of a manifest; `document` is the transfer's own.

    Raises Conflict when digests are asked for and there are none.
    """
    if way == "sha256":
        return _large(_sha256(transfer))
    shape = FileSerializer()  # one for all: making one costs more than using it
    files = (shape.to_representation(entry) for entry in all_entries(_files(transfer)))
    return _large(_json(document, files) if way == "json" else _csv(files))


def _files(transfer: Transfer) -> QuerySet[TransferFile]:
    """Return the rows of what is at the destination now; of a deletion, of what is gone."""
    rows = TransferFile.objects.filter(transfer=transfer, state__in=("done", "skipped"))
    return rows.filter(step="delete", state="done") if transfer.kind == "delete" else rows.filter(step__in=_KEPT)


_KEPT = ("copy", "compare", "link")


def _large(lines: Iterable[str]) -> Iterator[str]:
    """Yield the same text in pieces that are worth sending."""
    piece: list[str] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= _PIECE:
            yield "".join(piece)
            piece, size = [], 0
    yield "".join(piece)


def _json(document: Mapping[str, Any], files: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield f'{{"transfer": {json.dumps(document, default=str)}, "files": ['
    for number, file in enumerate(files):
        yield f"{',' if number else ''}\n{json.dumps(file)}"
    yield "\n]}\n"


def _csv(files: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    names = FileSerializer.names()
    for row in chain([names], ([file[name] for name in names] for file in files)):
        text = io.StringIO()
        csv.writer(text).writerow(row)
        yield text.getvalue()


def _sha256(transfer: Transfer) -> Iterator[str]:
    """Return the lines of files with a digest, and a comment on how many have none."""
    by_content = Q(verified="checksum") | Q(level="checksum")
    with_digest = Q(checksum__isnull=False) | (Q(members__isnull=False) & by_content)
    digests = (
        (entry, digest) for entry in all_entries(_files(transfer).filter(with_digest)) if (digest := _digest(entry))
    )
    first = next(digests, None)
    if first is None:
        raise Conflict("No SHA-256 digest of this transfer's files is known: they were not verified by checksum.")
    return _lines(chain([first], digests), transfer.files_transferred + transfer.files_skipped)


def _lines(digests: Iterable[tuple[FileEntry, str]], files: int) -> Iterator[str]:
    written = 0
    for entry, digest in digests:
        written += 1
        yield _line(entry.destination_path, digest)
    if files > written:
        yield f"# {files - written} more without a known SHA-256 digest\n"


def _digest(entry: FileEntry) -> str | None:
    digest = (entry.checksum or "").removeprefix("sha256:")
    return digest if len(digest) == _SHA256_DIGITS else None


def _line(path: str, digest: str) -> str:
    """Return a line as GNU writes it: from the collection's root on, names with odd characters marked and escaped."""
    name = path.lstrip("/")
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "" if escaped == name else "\\"
    return f"{mark}{digest}  {escaped}\n"
