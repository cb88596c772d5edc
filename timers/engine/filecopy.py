"""Copying one file into a part beside its target: in stretches, verified as they are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from timers.copying import checksums, paths
from timers.engine.echo import Echo
from timers.engine.work import Work
from timers.errors import ExternalError
from timers.services.transfer_progress import Todo
from timers.storages.base import Entry, Part, Reader, SourceFault, Writer, part_name

SEGMENT = 8 * 1024 * 1024


@dataclass
class Filled:
    """A part with the whole file in it, not yet moved into place."""

    row: Todo
    writer: Writer
    source: Entry
    checksum: str | None
    verified: bool


@dataclass
class Stopped:
    """A part that the next slice goes on with."""

    row: Todo
    part: Part
    source: Entry


class Changed(Exception):
    """The source changed while it was read."""


class StartOver(Exception):
    """The older part cannot be gone on with."""


def fill(work: Work, row: Todo, echo: Echo, *, wanted: tuple[str, str] | None) -> Filled | Stopped:
    """Copy a file into a part, once more if the source changes meanwhile; `wanted` is the digest that it must have.

    Raises SourceFault for faults of the source, ExternalError for those of the destination.
    """
    tries = 0
    while True:
        try:
            return _fill(work, row, echo, wanted)
        except StartOver:
            row = _forget_part(work, row)
        except Changed:
            row, tries = _forget_part(work, row), tries + 1
            if tries == 2:
                message = f"{row.source_path} changed while it was copied, twice."
                raise SourceFault(ExternalError(message, retryable=True, reason="source_changed")) from None


def _fill(work: Work, row: Todo, echo: Echo, wanted: tuple[str, str] | None) -> Filled | Stopped:
    with _open(work, row) as reader:
        writer = _begin(work, row, reader)
        try:
            if row.part:
                _check_prefix(work, row, writer)
            return _Pouring(work, row, reader=reader, writer=writer, echo=echo, wanted=wanted).pour()
        except BaseException:
            writer.discard()
            raise


def _open(work: Work, row: Todo) -> Reader:
    try:
        return work.source.open(row.source_path, offset=row.bytes_done)
    except ExternalError as error:
        raise SourceFault(error) from error


def _begin(work: Work, row: Todo, reader: Reader) -> Writer:
    """Open a part: the older one if the source is still the same, else a new one. Missing folders are made."""
    name = part_name(work.held.transfer_id, row.id, work.held.number)
    if not row.part:
        return _write_new(work, row.destination_path, name)
    if reader.opened.size != row.size or reader.opened.modified_at != row.modified_at:
        raise StartOver
    try:
        return work.destination.write(row.destination_path, part=name, resume=Part(row.part, row.bytes_done))
    except ExternalError as error:
        if error.reason == "not_found":
            raise StartOver from error
        raise


def _write_new(work: Work, path: str, name: str) -> Writer:
    try:
        return work.destination.write(path, part=name)
    except ExternalError as error:
        if error.reason != "not_found":
            raise
    work.destination.mkdir(paths.parent(path))
    return work.destination.write(path, part=name)


def _forget_part(work: Work, row: Todo) -> Todo:
    """Begin the file from its first byte; what the older part held no longer counts as transferred."""
    if row.part:
        work.count(bytes_transferred=-row.bytes_done)
        try:
            work.destination.delete(paths.join(paths.parent(row.destination_path), row.part))
        except ExternalError as error:
            if error.reason != "not_found":
                raise
    return row._replace(bytes_done=0, part=None)


def _check_prefix(work: Work, row: Todo, writer: Writer) -> None:
    """Raise StartOver unless the older part begins as the source does.

    A part that a slice left on purpose was synced and its stretches verified: only the last one is read again. After a
    slice that died all of it is.
    """
    start = 0 if work.held.taken_over else max(0, row.bytes_done - SEGMENT)
    here, there = checksums.new(), checksums.new()
    with _open(work, row._replace(bytes_done=start)) as source, writer.read_back(start) as back:
        while start < row.bytes_done:
            work.watch.check()
            stretch = min(SEGMENT, row.bytes_done - start)
            if source.feed(here, stretch) != stretch or back.feed(there, stretch) != stretch:
                raise StartOver
            start += stretch
    if here.digest() != there.digest():
        raise StartOver


class _Pouring:
    """One file on its way into its part."""

    def __init__(
        self, work: Work, row: Todo, *, reader: Reader, writer: Writer, echo: Echo, wanted: tuple[str, str] | None
    ) -> None:
        self.work, self.row, self.reader, self.writer, self.echo, self.wanted = work, row, reader, writer, echo, wanted
        self.began_at = writer.written
        self.verified = work.options.verify or wanted is not None
        algorithm = wanted[1] if wanted else checksums.DEFAULT
        self.here = checksums.new(algorithm) if self.verified else None
        self.there = checksums.new(algorithm) if self.verified else None

    def pour(self) -> Filled | Stopped:
        size, back = self.reader.opened.size, self.writer.read_back(self.began_at) if self.verified else None
        try:
            waiting: Callable[[], int] | None = None
            while self.writer.written < size:
                stretch = self._stretch(min(SEGMENT, size - self.writer.written))
                if back is not None and self.there is not None:
                    if waiting:
                        waiting()
                    waiting = self.echo.feed(back, self.there, stretch)
                if self.writer.written < size and self._must_stop():
                    break
            if waiting:
                waiting()
        finally:
            if back is not None:
                back.close()
        return self._judge(size)

    def _stretch(self, most: int) -> int:
        """Copy one stretch; raises Changed when the source ends before it should."""
        done = 0
        while done < most:
            moved = self.writer.take(self.reader, most - done, self.here)
            if not moved:
                raise Changed
            done += moved
        return done

    def _must_stop(self) -> bool:
        self.work.watch.check()
        resumable = self.work.destination.abilities.resume and self.wanted is None
        return resumable and self.work.watch.spent()

    def _judge(self, size: int) -> Filled | Stopped:
        self._check_digests()
        now = self.reader.stat()
        if now.size != size or now.modified_ns != self.reader.opened.modified_ns:
            raise Changed
        moved = self.writer.written - self.began_at
        self.work.count(bytes_transferred=moved, bytes_checksummed=moved if self.verified else 0)
        if self.writer.written < size:
            return Stopped(self.row, self.writer.keep(), self.reader.opened)
        digest = self.here.hexdigest() if self.here is not None and self.began_at == 0 else None
        self._check_wanted(digest)
        return Filled(self.row, self.writer, self.reader.opened, digest, self.verified)

    def _check_digests(self) -> None:
        if self.here is not None and self.there is not None and self.here.digest() != self.there.digest():
            message = f"{self.row.destination_path} does not hold what was written to it."
            raise ExternalError(message, retryable=True, reason="checksum_mismatch")

    def _check_wanted(self, digest: str | None) -> None:
        if self.wanted is not None and not checksums.agree(digest or "", self.wanted[0]):
            message = f"{self.row.source_path} does not have the checksum that was given for it."
            raise SourceFault(ExternalError(message, retryable=False, reason="checksum_mismatch"))
