"""Copying between two open files without the bytes passing through Python, and making copies durable."""

from __future__ import annotations

import ctypes
import errno
import os
import threading

from timers.storages.base import Digest

_PIECE = 512 * 1024
_SMALL = 64 * 1024
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
