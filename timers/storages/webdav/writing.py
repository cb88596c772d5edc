"""Writing a file of a WebDAV server: under a temporary name, read back, and moved into place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress

from timers.copying import paths
from timers.errors import ExternalError
from timers.storages.base import Digest, PartialFile, Permissions, Reader, Writer, fault
from timers.storages.http_session import HttpResponse, HttpSession, HttpUpload, http_faults, refuse

MAX_BUFFERED_BYTES = 4 * 1024 * 1024
"""Largest file that is sent in one piece, which can be repeated when its answer is lost."""

CHUNK_BYTES = 256 * 1024
_NANOSECONDS_PER_SECOND = 1_000_000_000


class WebDavWriter(Writer):
    """Bytes on their way to a server.

    A server states no digest, so that everything is read back before it is moved into place. Modification times are
    kept by servers that confirm it, as Nextcloud does, for files that are sent in one piece.
    """

    self_checking = True
    chunk_bytes = CHUNK_BYTES

    def __init__(
        self,
        session: HttpSession,
        path: str,
        partial: str,
        *,
        open_file: Callable[[str], Reader],
        replace: Callable[[str, str], None],
    ) -> None:
        """Start a file; `replace` moves the partial file over the target."""
        self._session, self.path, self._partial_path = session, path, paths.join(paths.parent(path), partial)
        self._open_file, self._replace = open_file, replace
        self.written = 0
        self._digest = hashlib.sha256()
        self._buffer = bytearray()
        self._upload: HttpUpload | None = None
        self._expected_size: int | None = None
        self._is_sent = self._is_ended = False

    # Bytes

    def write(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        self.written += len(data)
        if self._upload is None and len(self._buffer) + len(data) <= MAX_BUFFERED_BYTES:
            self._buffer += data
            return
        if self._upload is None:
            location = self._session.location(self._partial_path)
            self._upload = self._session.upload(location, path=self.path, length=self._expected_size)
            self._send(self._upload, self._buffer)
            self._buffer = bytearray()
        self._send(self._upload, data)

    def copy_from(self, reader: Reader, max_bytes: int, digest: Digest | None = None) -> int:
        if not self.written:
            self._expected_size = reader.opened.size
        return super().copy_from(reader, max_bytes, digest)

    def _send(self, upload: HttpUpload, data: bytes | bytearray | memoryview) -> None:
        try:
            with http_faults(self.path, self._session.target.authority):
                if data:
                    upload.send(memoryview(data))
        except ExternalError:
            response = upload.early_answer()
            if response is not None and response.status >= 400:
                self._check_answer(response)
            raise

    def read_back(self, offset: int) -> Reader:
        raise fault("unsupported", f"{self.path} cannot be read before it is whole.")

    # Ending a file

    def sync(self) -> None:
        """End a large upload, and read it back. A small file is sent by commit."""
        if self._upload is None or self._is_sent:
            return
        with http_faults(self.path, self._session.target.authority):
            response = self._upload.finish()
        self._check_answer(response)
        self._check_stored()

    def commit(self, *, modified_ns: int | None = None, permissions: Permissions | None = None) -> None:
        keeps_time = False
        if self._upload is None:
            keeps_time = self._put(modified_ns)
        self.sync()
        self._replace(self._partial_path, self.path)
        self._is_ended = True
        self.not_kept = [
            *(["times"] if modified_ns is not None and not keeps_time else []),
            *(["mode"] if permissions is not None and permissions.exact else []),
        ]

    def _put(self, modified_ns: int | None) -> bool:
        """Send a small file; return whether the server confirms that it keeps the modification time."""
        times = {} if modified_ns is None else {"X-OC-Mtime": str(modified_ns // _NANOSECONDS_PER_SECOND)}
        location = self._session.location(self._partial_path)
        response = self._session.request("PUT", location, path=self.path, headers=times, body=bytes(self._buffer))
        confirmed = (response.header("x-oc-mtime") or "").lower() == "accepted"
        self._check_answer(response)
        self._check_stored()
        return confirmed

    def _check_answer(self, response: HttpResponse) -> None:
        with response:
            if response.status not in (200, 201, 204):
                refuse(response, self.path)

    def _check_stored(self) -> None:
        """Compare what the server holds with what was sent."""
        self._is_sent = True
        digest, size = hashlib.sha256(), 0
        with self._open_file(self._partial_path) as reader:
            while size < self.written and (data := reader.read(CHUNK_BYTES)):
                digest.update(data)
                size += len(data)
            same = reader.opened.size == self.written and digest.digest() == self._digest.digest()
        if not same:
            raise fault("checksum_mismatch", f"{self.path}: the server does not hold what was sent to it.")

    def keep(self) -> PartialFile:
        raise fault("unsupported", f"{self.path}: a WebDAV server cannot resume a file.")

    def discard(self) -> None:
        if self._is_ended:
            return
        self._is_ended = True
        if self._upload is not None and not self._is_sent:
            self._upload.abort()
        if self._upload is not None or self._is_sent:
            with suppress(ExternalError):
                self._session.request("DELETE", self._session.location(self._partial_path), path=self.path).close()
