"""Copying between two open files without the bytes passing through Python, and making copies durable."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from timers.storages.base import Digest

_PIECE = 512 * 1024
_SMALL = 64 * 1024
_CHECKED = 1024 * 1024
_ELSEWHERE = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY}
"""What copy_file_range says when it cannot do it for these two files, though a plain copy can."""

_local = threading.local()


def copy(source: int, target: int, most: int, start: int, at: int) -> int:
    """Copy at most `most` bytes from `start` to `at`; return how many, 0 at the end of the source."""
    try:
        moved = os.copy_file_range(source, target, most, start, at)
    except OSError as error:
        if error.errno not in _ELSEWHERE:
            raise
        return _send(source, target, most, start, at)
    return moved or _pass_on(source, target, most, start, at)  # some file systems answer 0 where there is more


def copy_sparse(source: int, target: int, most: int, start: int, at: int) -> int:
    """Like `copy`, leaving out what is a hole in the source: the target then has a hole there too."""
    size = os.fstat(source).st_size
    if start >= size:
        return 0
    try:
        data = os.lseek(source, start, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            return copy(source, target, most, start, at)
        data = size
    if data > start:
        skipped = min(most, data - start)
        os.ftruncate(target, at + skipped)
        return skipped
    return copy(source, target, min(most, os.lseek(source, start, os.SEEK_HOLE) - start), start, at)


def feed(fd: int, digest: Digest, start: int, size: int) -> int:
    """Give at most `size` bytes from `start` on to a digest; return how many there were."""
    if size <= _SMALL:
        data = os.pread(fd, size, start)
        digest.update(data)
        return len(data)
    buffer, fed = _buffer(), 0
    while fed < size and (read := os.preadv(fd, [buffer[: min(_PIECE, size - fed)]], start + fed)):
        digest.update(buffer[:read])
        fed += read
    return fed


class Checked:
    """Copies pieces, and compares what stands at the target with what is read at the source, which a digest is fed.

    The digest is made by a thread of its own meanwhile: making it takes longer than all the rest.
    """

    def __init__(self) -> None:
        self._ours, self._theirs = deque([bytearray(_CHECKED), bytearray(_CHECKED)]), bytearray(_CHECKED)
        self._feeding: deque[Future[None]] = deque()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="digest")

    def copy(self, source: int, target: int, most: int, *, start: int, at: int, sparse: bool, digest: Digest) -> int:
        """Return how many bytes, at most `most`, were copied from `start` to `at` and are the same there; 0 at the end.

        Raises Differs when they are not the same.
        """
        done, step = 0, copy_sparse if sparse else copy
        try:
            while done < most:
                moved = step(source, target, min(_CHECKED, most - done), start + done, at + done)
                if not moved:
                    break
                self._compare(source, target, moved, start=start + done, at=at + done, digest=digest)
                done += moved
        finally:
            self._wait()
        return done

    def _compare(self, source: int, target: int, size: int, *, start: int, at: int, digest: Digest) -> None:
        compared = 0
        while compared < size:
            ours, theirs = self._buffer(), self._theirs
            read = os.preadv(source, [memoryview(ours)[: min(_CHECKED, size - compared)]], start + compared)
            if not read:
                raise CopyDiffers
            self._feeding.append(self._pool.submit(digest.update, memoryview(ours)[:read]))
            if os.preadv(target, [memoryview(theirs)[:read]], at + compared) != read:
                raise CopyDiffers
            if (ours != theirs) if read == _CHECKED else (ours[:read] != theirs[:read]):
                raise CopyDiffers
            compared += read

    def _buffer(self) -> bytearray:
        """Return the buffer that has waited longest, once the digest has seen it."""
        if len(self._feeding) == len(self._ours):
            self._feeding.popleft().result()
        self._ours.rotate()
        return self._ours[0]

    def _wait(self) -> None:
        while self._feeding:
            self._feeding.popleft().result()

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown()


class CopyDiffers(Exception):
    """The target does not hold what was copied to it."""


def sync_all(folder: int) -> bool:
    """Write everything that this folder's disk still holds in memory; return False where there is no such call."""
    if _LIBC is None or not hasattr(_LIBC, "syncfs"):
        return False
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        if _LIBC.syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(fd)
    return True


def sync_folder(folder: int) -> None:
    """Write a folder's names to the disk."""
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _send(source: int, target: int, most: int, start: int, at: int) -> int:
    try:
        os.lseek(target, at, os.SEEK_SET)
        return os.sendfile(target, source, start, most)
    except OSError as error:
        if error.errno not in _ELSEWHERE:
            raise
        return _pass_on(source, target, most, start, at)


def _pass_on(source: int, target: int, most: int, start: int, at: int) -> int:
    buffer = _buffer()
    read = os.preadv(source, [buffer[: min(_PIECE, most)]], start)
    done = 0
    while done < read:
        done += os.pwrite(target, buffer[done:read], at + done)
    return read


def _buffer() -> memoryview:
    """Return this thread's piece of memory: a fresh one for each read costs more than the read."""
    if not hasattr(_local, "buffer"):
        _local.buffer = memoryview(bytearray(_PIECE))
    return _local.buffer


def _libc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):
        return None


_LIBC = _libc()
