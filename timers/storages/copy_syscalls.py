"""Copying between two open files without moving the bytes through Python, and making copies durable."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from timers.storages.base import Digest

_BUFFER_BYTES = 512 * 1024
_SMALL_READ_BYTES = 64 * 1024
_CHECK_BYTES = 1024 * 1024
_UNSUPPORTED_ERRNOS = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY}
"""Errors of copy_file_range for two files that a plain copy can handle."""

_local = threading.local()


def copy(source: int, target: int, max_bytes: int, source_offset: int, target_offset: int) -> int:
    """Copy at most `max_bytes` from one offset to the other; return the number of bytes, 0 at the end of the source."""
    try:
        moved = os.copy_file_range(source, target, max_bytes, source_offset, target_offset)
    except OSError as error:
        if error.errno not in _UNSUPPORTED_ERRNOS:
            raise
        return _copy_by_sendfile(source, target, max_bytes, source_offset, target_offset)
    if not moved:  # some file systems answer 0 where there is more
        return _copy_by_buffer(source, target, max_bytes, source_offset, target_offset)
    return moved


def copy_sparse(source: int, target: int, max_bytes: int, source_offset: int, target_offset: int) -> int:
    """Copy like `copy`, leaving out holes of the source: the target has a hole there too."""
    size = os.fstat(source).st_size
    if source_offset >= size:
        return 0
    try:
        data = os.lseek(source, source_offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            return copy(source, target, max_bytes, source_offset, target_offset)
        data = size
    if data > source_offset:
        skipped = min(max_bytes, data - source_offset)
        os.ftruncate(target, target_offset + skipped)
        return skipped
    size = os.lseek(source, source_offset, os.SEEK_HOLE) - source_offset
    return copy(source, target, min(max_bytes, size), source_offset, target_offset)


def feed(fd: int, digest: Digest, offset: int, size: int) -> int:
    """Give at most `size` bytes from `offset` on to a digest; return how many there were."""
    if size <= _SMALL_READ_BYTES:
        data = os.pread(fd, size, offset)
        digest.update(data)
        return len(data)
    buffer, count = _buffer(), 0
    while count < size and (read := os.preadv(fd, [buffer[: min(_BUFFER_BYTES, size - count)]], offset + count)):
        digest.update(buffer[:read])
        count += read
    return count


class CheckedCopier:
    """Copies and compares the target with the source, which is also given to a digest.

    The digest is computed by its own thread meanwhile, because that takes longer than everything else.
    """

    def __init__(self) -> None:
        self._source_buffers = deque([bytearray(_CHECK_BYTES), bytearray(_CHECK_BYTES)])
        self._target_buffer = bytearray(_CHECK_BYTES)
        self._pending_updates: deque[Future[None]] = deque()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="digest")

    def copy(
        self,
        source: int,
        target: int,
        max_bytes: int,
        *,
        source_offset: int,
        target_offset: int,
        sparse: bool,
        digest: Digest,
    ) -> int:
        """Return how many bytes, at most `max_bytes`, were copied and are the same at the target; 0 at the end.

        Raises CopyDiffers when they are not the same.
        """
        copied, copy_step = 0, copy_sparse if sparse else copy
        try:
            while copied < max_bytes:
                moved = copy_step(
                    source,
                    target,
                    min(_CHECK_BYTES, max_bytes - copied),
                    source_offset + copied,
                    target_offset + copied,
                )
                if not moved:
                    break
                self._compare(
                    source,
                    target,
                    moved,
                    source_offset=source_offset + copied,
                    target_offset=target_offset + copied,
                    digest=digest,
                )
                copied += moved
        finally:
            self._wait_for_digest()
        return copied

    def _compare(
        self, source: int, target: int, size: int, *, source_offset: int, target_offset: int, digest: Digest
    ) -> None:
        compared = 0
        while compared < size:
            source_buffer, target_buffer = self._buffer(), self._target_buffer
            read = os.preadv(
                source, [memoryview(source_buffer)[: min(_CHECK_BYTES, size - compared)]], source_offset + compared
            )
            if not read:
                raise CopyDiffers
            self._pending_updates.append(self._pool.submit(digest.update, memoryview(source_buffer)[:read]))
            if os.preadv(target, [memoryview(target_buffer)[:read]], target_offset + compared) != read:
                raise CopyDiffers
            if (
                (source_buffer != target_buffer)
                if read == _CHECK_BYTES
                else (source_buffer[:read] != target_buffer[:read])
            ):
                raise CopyDiffers
            compared += read

    def _buffer(self) -> bytearray:
        """Return the buffer that was used longest ago, once the digest has read it."""
        if len(self._pending_updates) == len(self._source_buffers):
            self._pending_updates.popleft().result()
        self._source_buffers.rotate()
        return self._source_buffers[0]

    def _wait_for_digest(self) -> None:
        while self._pending_updates:
            self._pending_updates.popleft().result()

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown()


class CopyDiffers(Exception):
    """The target does not hold what was copied to it."""


def sync_file_system(folder: int) -> bool:
    """Write all unwritten data of this folder's file system to the disk; return False where there is no such call."""
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


def _copy_by_sendfile(source: int, target: int, max_bytes: int, source_offset: int, target_offset: int) -> int:
    try:
        os.lseek(target, target_offset, os.SEEK_SET)
        return os.sendfile(target, source, source_offset, max_bytes)
    except OSError as error:
        if error.errno not in _UNSUPPORTED_ERRNOS:
            raise
        return _copy_by_buffer(source, target, max_bytes, source_offset, target_offset)


def _copy_by_buffer(source: int, target: int, max_bytes: int, source_offset: int, target_offset: int) -> int:
    buffer = _buffer()
    read = os.preadv(source, [buffer[: min(_BUFFER_BYTES, max_bytes)]], source_offset)
    done = 0
    while done < read:
        done += os.pwrite(target, buffer[done:read], target_offset + done)
    return read


def _buffer() -> memoryview:
    """Return this thread's buffer: a new one for each read would cost more than the read."""
    if not hasattr(_local, "buffer"):
        _local.buffer = memoryview(bytearray(_BUFFER_BYTES))
    return _local.buffer


def _libc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):
        return None


_LIBC = _libc()
