"""Copying and comparing many small files between two open folders, in the leanest loop possible.

A slice calls `run_job` itself, and starts helper processes from this very file that do the same beside it: one
interpreter alone cannot keep a disk busy with small files. So this file needs the standard library only, and a helper
starts in a hundredth of a second. A helper sees nothing but the handles of the folders that it is sent, and ends when
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
SAFE_TIMES_NS = (1 << 31) * 1_000_000_000
"""Times from 1970 on below this one can be held by every disk."""
MAX_FILE_BYTES = 1024 * 1024
"""Larger files are left to the code that can stop in the middle of a file."""

COPIED, FAULT, SINGLE, LATE = 0, 1, 2, 3
"""Outcomes of a file.

(COPIED, size, mtime, digest); (FAULT, of source, errno); (SINGLE,) for a file that has to be processed by itself;
(LATE,) when the lease ended before the file was moved into place.
"""

HEADER = struct.Struct("!Q")


def run_job(job: dict[str, Any], source: int, target: int) -> list[tuple[Any, ...]]:
    """Return the results of the files of a job, in their order.

    They are fewer than the files when the time was used up.

    A job names its `files` and `until`, on the machine's monotonic clock. A job that copies has the `head` of the names
    of its partial files. A job that lists has `most` instead: the largest number of entries.
    """
    if "most" in job:
        return list_folders(source, target, max_entries=job["most"], both=job["both"])
    if "head" not in job:
        return compare_files(source, target, names=job["files"], until=job["until"])
    return BatchCopy(source, target, job).run()


def remove_partials(job: dict[str, Any], source: int, target: int) -> None:
    """Remove the partial files that a process which died may have left of a job."""
    if "head" in job:
        copying = BatchCopy(source, target, job)
        for number in range(len(job["files"])):
            copying.remove(number)


def list_folders(source: int, target: int, *, max_entries: int, both: bool) -> list[tuple[Any, ...]]:
    """Return (name, mode, size, mtime) of each entry of the source, with the target's entry.

    The same three values of the target's entry follow, if there is one. Return an empty list when there are more than
    `max_entries`, or an entry cannot be listed: the caller then lists the folder itself and reports the fault.
    """
    try:
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=source)
        try:
            return _list_entries(fd, target if both else None, max_entries)
        finally:
            os.close(fd)
    except OSError:
        return []


def _list_entries(source: int, target: int | None, max_entries: int) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    with os.scandir(source) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # removed since it was listed
                status = entry.stat(follow_symlinks=False)
                target_numbers = () if target is None else _stat_numbers(target, entry.name)
                rows.append((entry.name, status.st_mode, status.st_size, status.st_mtime_ns, *target_numbers))
            if len(rows) > max_entries:
                return []
    return rows


def _stat_numbers(folder: int, name: str) -> tuple[int, ...]:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return ()
    return status.st_mode, status.st_size, status.st_mtime_ns


class BatchCopy:
    """Copy of a batch: files are written to partial files, synced together, and moved into place.

    The job also has the `tail` of the names of the partial files, the switches `verify`, `times` (keep modification
    times) and `exact_modes` (keep modes; else a new file gets that of its source cut by the umask, and a replaced one
    keeps its own), `replaces` (files of these names may be there), and `lost_at`, after which no file may be moved into
    place.
    """

    def __init__(self, source: int, target: int, job: dict[str, Any]) -> None:
        self.source, self.target = source, target
        self.names, self.until, self.lost_at = job["files"], job["until"], job["lost_at"]
        self.head, self.tail, self.verify, self.times = job["head"], job["tail"], job["verify"], job["times"]
        self.exact_modes, self.replaces = job["exact_modes"], job["replaces"]
        self.results: list[tuple[Any, ...]] = []

    def run(self) -> list[tuple[Any, ...]]:
        """Return the results of the files."""
        self._write_partials()
        copied = [number for number, result in enumerate(self.results) if result[0] == COPIED]
        if copied and self._sync_partials(copied):
            for number in copied:
                self._move_into_place(number)
            _sync_folder(self.target)
        return self.results

    def remove(self, number: int) -> None:
        """Remove a partial file, if it exists."""
        with suppress(OSError):
            os.unlink(self._partial_name(number), dir_fd=self.target)

    def _write_partials(self) -> None:
        for number, name in enumerate(self.names):
            if number & 15 == 15 and time.monotonic() >= self.until:
                return
            result = self._copy_one(name, number)
            self.results.append(result)
            if result[0] == FAULT and not result[1]:
                return  # a fault of the destination seldom concerns one file only

    def _partial_name(self, number: int) -> str:
        return f"{self.head}{number}{self.tail}"

    def _copy_one(self, name: str, number: int) -> tuple[Any, ...]:
        try:
            source_fd = os.open(name, READ, dir_fd=self.source)
        except OSError as error:
            return (FAULT, True, error.errno or 0)
        try:
            before = os.fstat(source_fd)
            size = before.st_size
            if not stat.S_ISREG(before.st_mode) or size > MAX_FILE_BYTES:
                return (SINGLE,)
            data = os.read(source_fd, size + 1)
            after = os.fstat(source_fd)
        except OSError as error:
            return (FAULT, True, error.errno or 0)
        finally:
            os.close(source_fd)
        if len(data) != size or after.st_mtime_ns != before.st_mtime_ns or after.st_size != size:
            return (SINGLE,)
        return self._write(data, before, number)

    def _mode_to_set(self, name: str, mode: int) -> int | None:
        """Return the mode that a file gets once it is written; None for that of its source, with which it is made."""
        if self.exact_modes:
            return mode
        if not self.replaces:
            return None
        try:
            status = os.stat(name, dir_fd=self.target, follow_symlinks=False)
        except OSError:
            return None
        return status.st_mode & 0o777 if stat.S_ISREG(status.st_mode) else None

    def _write(self, data: bytes, source: os.stat_result, number: int) -> tuple[Any, ...]:
        mtime, source_mode = source.st_mtime_ns, source.st_mode & 0o777
        mode = self._mode_to_set(self.names[number], source_mode)
        if self.times and not 0 <= mtime < SAFE_TIMES_NS:
            return (SINGLE,)  # there it is looked whether such a time was kept
        try:
            first_mode = source_mode if mode is None else 0o600
            target_fd = os.open(self._partial_name(number), NEW, first_mode, dir_fd=self.target)
        except OSError as error:
            return (FAULT, False, error.errno or 0)
        try:
            size = len(data)
            written = os.write(target_fd, data) if size else 0
            while written < size:
                written += os.write(target_fd, data[written:])
            if self.verify and os.pread(target_fd, size + 1, 0) != data:
                self.remove(number)
                return (SINGLE,)
            if self.times:
                os.utime(target_fd, ns=(mtime, mtime))
            if mode is not None:
                self._set_mode(target_fd, mode)
        except OSError as error:
            self.remove(number)
            return (FAULT, False, error.errno or 0)
        finally:
            os.close(target_fd)
        return (COPIED, size, mtime, _digest(data) if self.verify else None)

    def _set_mode(self, fd: int, mode: int) -> None:
        try:
            os.fchmod(fd, mode)
        except OSError:
            if self.exact_modes:
                raise

    def _sync_partials(self, copied: list[int]) -> bool:
        try:
            _sync_file_system(self.target)
        except OSError as error:
            for number in copied:
                self._fail(number, (FAULT, False, error.errno or 0))
            return False
        return True

    def _move_into_place(self, number: int) -> None:
        if time.monotonic() >= self.lost_at:
            self._fail(number, (LATE,))
            return
        try:
            os.rename(self._partial_name(number), self.names[number], src_dir_fd=self.target, dst_dir_fd=self.target)
        except OSError as error:
            self._fail(number, (FAULT, False, error.errno or 0))

    def _fail(self, number: int, result: tuple[Any, ...]) -> None:
        self.remove(number)
        self.results[number] = result


def compare_files(source: int, target: int, *, names: list[str], until: float) -> list[tuple[Any, ...]]:
    """Read files on both sides.

    Return (COPIED, size, mtime, digest) where they are the same, (SINGLE,) where they are not.
    """
    results: list[tuple[Any, ...]] = []
    for number, name in enumerate(names):
        if number & 15 == 15 and time.monotonic() >= until:
            break
        results.append(_compare(source, target, name))
    return results


def _compare(source: int, target: int, name: str) -> tuple[Any, ...]:
    try:
        source_fd = os.open(name, READ, dir_fd=source)
        try:
            before = os.fstat(source_fd)
            if before.st_size > MAX_FILE_BYTES:
                return (SINGLE,)
            data = os.read(source_fd, before.st_size + 1)
            if os.fstat(source_fd).st_mtime_ns != before.st_mtime_ns or len(data) != before.st_size:
                return (SINGLE,)
        finally:
            os.close(source_fd)
        target_fd = os.open(name, READ, dir_fd=target)
        try:
            if os.read(target_fd, len(data) + 1) != data:
                return (SINGLE,)
        finally:
            os.close(target_fd)
    except OSError:
        return (SINGLE,)
    return (COPIED, len(data), before.st_mtime_ns, _digest(data))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data, usedforsecurity=False).hexdigest()


# Durability


def _sync_file_system(folder: int) -> None:
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        if _LIBC is None or not hasattr(_LIBC, "syncfs"):
            os.sync()
        elif _LIBC.syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(fd)


def _sync_folder(folder: int) -> None:
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


# As a helper process


def serve(connection: socket.socket) -> None:
    """Run one job after the other, until the other side closes the connection."""
    while True:
        header, folders, _, _ = socket.recv_fds(connection, HEADER.size, 2)
        if len(header) < HEADER.size:
            return
        try:
            job = marshal.loads(receive(connection, HEADER.unpack(header)[0]))
            answer = marshal.dumps(run_job(job, *folders))
        finally:
            for folder in folders:
                os.close(folder)
        connection.sendall(HEADER.pack(len(answer)) + answer)


def receive(connection: socket.socket, size: int) -> bytes:
    """Return exactly `size` bytes; raises EOFError when the connection ends before."""
    data = bytearray()
    while len(data) < size:
        chunk = connection.recv(min(size - len(data), 1 << 20))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which finishes the running jobs
    with socket.socket(fileno=0) as parent:
        serve(parent)
