"""Copying and comparing many small files between two open folders, in the leanest loop there is.

A slice calls `carry_out` itself and lets processes of its own, started from this very file, do the same beside it: one
interpreter alone cannot keep a disk busy with small files. So this file needs the standard library only, and such a
process starts in a hundredth of a second. It sees nothing but the handles of folders that it is sent, and ends when
its parent does.
"""

from __future__ import annotations

import ctypes
import hashlib
import marshal
import os
import signal
import socket
import stat
import struct
import time
from contextlib import suppress
from typing import Any

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_FILE_BYTES = 1024 * 1024
"""Files that have grown beyond this are left to those who can stop in the middle."""

COPIED, FAULT, ALONE, LATE = 0, 1, 2, 3
"""What came of a file: (COPIED, size, mtime, digest), (FAULT, of source, errno), (ALONE,) for one that has to be
looked at by itself, (LATE,) when it was no longer ours to move into place."""

HEADER = struct.Struct("!Q")


def carry_out(job: dict[str, Any], source: int, target: int) -> list[tuple[Any, ...]]:
    """Return what came of the files of a job, in their order; it is shorter than the job when the time was up.

    A job names its `files` and `until`, on the machine's monotonic clock; the parts of one that copies have a `head`.
    One that lists has `most` instead.
    """
    if "most" in job:
        return list_folders(source, target, most=job["most"], both=job["both"])
    if "head" not in job:
        return compare_files(source, target, names=job["files"], until=job["until"])
    return BatchCopy(source, target, job).run()


def remove_parts(job: dict[str, Any], source: int, target: int) -> None:
    """Remove the parts that a process which died may have left of a job."""
    if "head" in job:
        copying = BatchCopy(source, target, job)
        for number in range(len(job["files"])):
            copying.remove(number)


def list_folders(source: int, target: int, *, most: int, both: bool) -> list[tuple[Any, ...]]:
    """Return (name, mode, size, mtime) of what the source holds, with the same three of the target's, if it has any.

    Return nothing when there is more than `most`, or something cannot be listed: that is for those who can tell why.
    """
    try:
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=source)
        try:
            return _listed(fd, target if both else None, most)
        finally:
            os.close(fd)
    except OSError:
        return []


def _listed(source: int, target: int | None, most: int) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    with os.scandir(source) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # removed since it was listed
                here = entry.stat(follow_symlinks=False)
                there = () if target is None else _look(target, entry.name)
                found.append((entry.name, here.st_mode, here.st_size, here.st_mtime_ns, *there))
            if len(found) > most:
                return []
    return found


def _look(folder: int, name: str) -> tuple[int, ...]:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return ()
    return found.st_mode, found.st_size, found.st_mtime_ns


class BatchCopy:
    """Files on their way into parts, synced together, and into place where they are whole.

    The job says more: `tail` of the names of the parts, whether to `verify` and to keep `times`, and `lost_at`, after
    which nothing may be moved into place.
    """

    def __init__(self, source: int, target: int, job: dict[str, Any]) -> None:
        self.source, self.target = source, target
        self.names, self.until, self.lost_at = job["files"], job["until"], job["lost_at"]
        self.head, self.tail, self.verify, self.times = job["head"], job["tail"], job["verify"], job["times"]
        self.results: list[tuple[Any, ...]] = []

    def run(self) -> list[tuple[Any, ...]]:
        """Return what came of the files."""
        self._fill_parts()
        whole = [number for number, result in enumerate(self.results) if result[0] == COPIED]
        if whole and self._synced(whole):
            for number in whole:
                self._into_place(number)
            _sync_names(self.target)
        return self.results

    def remove(self, number: int) -> None:
        """Remove a part, if it is there."""
        with suppress(OSError):
            os.unlink(self._part(number), dir_fd=self.target)

    def _fill_parts(self) -> None:
        for number, name in enumerate(self.names):
            if number & 15 == 15 and time.monotonic() >= self.until:
                return
            result = self._into_part(name, number)
            self.results.append(result)
            if result[0] == FAULT and not result[1]:
                return  # the destination's faults are seldom those of one file

    def _part(self, number: int) -> str:
        return f"{self.head}{number}{self.tail}"

    def _into_part(self, name: str, number: int) -> tuple[Any, ...]:
        try:
            here = os.open(name, READ, dir_fd=self.source)
        except OSError as error:
            return (FAULT, True, error.errno or 0)
        try:
            before = os.fstat(here)
            size = before.st_size
            if not stat.S_ISREG(before.st_mode) or size > MAX_FILE_BYTES:
                return (ALONE,)
            data = os.read(here, size + 1)
            after = os.fstat(here)
        except OSError as error:
            return (FAULT, True, error.errno or 0)
        finally:
            os.close(here)
        if len(data) != size or after.st_mtime_ns != before.st_mtime_ns or after.st_size != size:
            return (ALONE,)
        return self._write(data, before.st_mtime_ns, number)

    def _write(self, data: bytes, mtime: int, number: int) -> tuple[Any, ...]:
        try:
            there = os.open(self._part(number), NEW, 0o666, dir_fd=self.target)
        except OSError as error:
            return (FAULT, False, error.errno or 0)
        try:
            size = len(data)
            done = os.write(there, data) if size else 0
            while done < size:
                done += os.write(there, data[done:])
            if self.verify and os.pread(there, size + 1, 0) != data:
                self.remove(number)
                return (ALONE,)
            if self.times:
                os.utime(there, ns=(mtime, mtime))
        except OSError as error:
            self.remove(number)
            return (FAULT, False, error.errno or 0)
        finally:
            os.close(there)
        return (COPIED, size, mtime, _digest(data) if self.verify else None)

    def _synced(self, whole: list[int]) -> bool:
        try:
            _sync(self.target)
        except OSError as error:
            for number in whole:
                self._fail(number, (FAULT, False, error.errno or 0))
            return False
        return True

    def _into_place(self, number: int) -> None:
        if time.monotonic() >= self.lost_at:
            self._fail(number, (LATE,))
            return
        try:
            os.rename(self._part(number), self.names[number], src_dir_fd=self.target, dst_dir_fd=self.target)
        except OSError as error:
            self._fail(number, (FAULT, False, error.errno or 0))

    def _fail(self, number: int, result: tuple[Any, ...]) -> None:
        self.remove(number)
        self.results[number] = result


def compare_files(source: int, target: int, *, names: list[str], until: float) -> list[tuple[Any, ...]]:
    """Read files on both sides: (COPIED, size, mtime, digest) where they are the same, (ALONE,) where they are not."""
    results: list[tuple[Any, ...]] = []
    for number, name in enumerate(names):
        if number & 15 == 15 and time.monotonic() >= until:
            break
        results.append(_compare(source, target, name))
    return results


def _compare(source: int, target: int, name: str) -> tuple[Any, ...]:
    try:
        here = os.open(name, READ, dir_fd=source)
        try:
            before = os.fstat(here)
            if before.st_size > MAX_FILE_BYTES:
                return (ALONE,)
            data = os.read(here, before.st_size + 1)
            if os.fstat(here).st_mtime_ns != before.st_mtime_ns or len(data) != before.st_size:
                return (ALONE,)
        finally:
            os.close(here)
        there = os.open(name, READ, dir_fd=target)
        try:
            if os.read(there, len(data) + 1) != data:
                return (ALONE,)
        finally:
            os.close(there)
    except OSError:
        return (ALONE,)
    return (COPIED, len(data), before.st_mtime_ns, _digest(data))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data, usedforsecurity=False).hexdigest()


# Durability


def _sync(folder: int) -> None:
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        if _LIBC is None or not hasattr(_LIBC, "syncfs"):
            os.sync()
        elif _LIBC.syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(fd)


def _sync_names(folder: int) -> None:
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _libc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):
        return None


_LIBC = _libc()


# As a process beside a slice


def serve(connection: socket.socket) -> None:
    """Carry out one job after the other, until the other side hangs up."""
    while True:
        header, folders, _, _ = socket.recv_fds(connection, HEADER.size, 2)
        if len(header) < HEADER.size:
            return
        try:
            job = marshal.loads(receive(connection, HEADER.unpack(header)[0]))
            answer = marshal.dumps(carry_out(job, *folders))
        finally:
            for folder in folders:
                os.close(folder)
        connection.sendall(HEADER.pack(len(answer)) + answer)


def receive(connection: socket.socket, size: int) -> bytes:
    """Return exactly so many bytes; raises EOFError when the other side hangs up before."""
    pieces = bytearray()
    while len(pieces) < size:
        piece = connection.recv(min(size - len(pieces), 1 << 20))
        if not piece:
            raise EOFError
        pieces += piece
    return bytes(pieces)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which finishes what goes on
    with socket.socket(fileno=0) as parent:
        serve(parent)
