"""Requests of one login to a share, and their answers.

The library does the login, signatures and encryption. Answers are read here, because it cuts times short and follows
the symbolic links that a server names.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from smbprotocol.connection import Connection
from smbprotocol.connection import Request as SentRequest
from smbprotocol.exceptions import SMBException, SMBResponseException
from smbprotocol.file_info import FileInformationClass, InfoType
from smbprotocol.open import (
    CloseFlags,
    ImpersonationLevel,
    ShareAccess,
    SMB2CloseRequest,
    SMB2CreateRequest,
    SMB2FlushRequest,
    SMB2QueryDirectoryRequest,
    SMB2QueryInfoRequest,
    SMB2ReadRequest,
    SMB2SetInfoRequest,
    SMB2WriteRequest,
)
from smbprotocol.tree import TreeConnect

from timers.errors import ExternalError
from timers.storages.base import fault
from timers.storages.smb.access import DELETE, OPEN, READ_ATTRIBUTES, WITHOUT_FOLLOWING
from timers.storages.smb.entries import FileAttributes, described, listed, opened, tag_of
from timers.storages.smb.faults import LOST_STATUSES, NO_MORE_FILES, RequestRefused
from timers.storages.smb.names import encoded
from timers.storages.smb.transport import SocketTransport

LIBRARY_ERRORS = (
    SMBException,
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    InvalidSignature,
    InvalidTag,
)
"""Errors that the library raises for lost connections and for answers that it does not understand."""

_SHARED = ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE
_LATEST_FILE = b"\xff" * 16
_NETWORK_OPEN_INFORMATION, _ATTRIBUTE_TAG_INFORMATION = 34, 35
_HEADER_BYTES = 64
_CREDIT_BYTES = 64 * 1024
_MAX_CHUNK_BYTES = 1024 * 1024
_REQUESTS_AT_ONCE = 8


class OwnConnection(Connection):
    """A connection of the library over a socket that stands already; no answer is waited for without a limit."""

    def __init__(self, transport: SocketTransport, *, guid: Any, host: str, port: int) -> None:
        self._own_transport = transport
        self.answer_timeout = 30.0
        super().__init__(guid, host, port, require_signing=True)

    @property
    def transport(self) -> SocketTransport:
        return self._own_transport

    @transport.setter
    def transport(self, _: object) -> None:
        """Keep the own one: the library would resolve the name of the server once more."""

    def receive(
        self,
        request: SentRequest,
        wait: bool = True,
        timeout: float | None = None,
        resolve_symlinks: bool = False,
    ) -> Any:
        return super().receive(request, wait=wait, timeout=timeout or self.answer_timeout, resolve_symlinks=False)


class SmbSession:
    """A share, logged in to. Its paths are those on the share; it may be used by several threads."""

    def __init__(self, connection: OwnConnection, tree: TreeConnect, *, name: str) -> None:
        self.name = name
        self._connection, self._tree = connection, tree
        self.chunk_bytes = self._chunk_bytes()

    @property
    def is_lost(self) -> bool:
        """True when this session cannot be used any more."""
        return not self._connection.transport.connected

    # Files

    def open(
        self, path: str, *, access: int, disposition: int = OPEN, options: int = 0
    ) -> tuple[bytes, FileAttributes]:
        """Return the handle of an entry, and its attributes; raises RequestRefused."""
        answer = self.answer(self.send(create_request(path, access, disposition, options)))
        return answer[64:80], opened(answer)

    def close(self, handle: bytes) -> FileAttributes:
        """Close a handle; return the attributes of the entry at that moment."""
        return opened(self.answer(self.send(_close(handle, CloseFlags.SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB))))

    def close_quietly(self, handle: bytes) -> None:
        """Close a handle where its fate does not matter."""
        if not self.is_lost:
            with suppress(ExternalError, RequestRefused):
                self.answer(self.send(_close(handle)))

    def attributes_at(self, path: str) -> FileAttributes:
        """Return the attributes of an entry, which is not followed where it is a link."""
        requests = self._send(create_request(path, READ_ATTRIBUTES, OPEN, WITHOUT_FOLLOWING), _close(_LATEST_FILE))
        try:
            attributes = opened(self.answer(requests[0]))
        finally:
            with suppress(RequestRefused):
                self.answer(requests[1])
        if not attributes.has_tag:
            return attributes
        handle, attributes = self.open(path, access=READ_ATTRIBUTES, options=WITHOUT_FOLLOWING)
        try:
            return attributes._replace(tag=tag_of(self._query(handle, _ATTRIBUTE_TAG_INFORMATION)))
        finally:
            self.close_quietly(handle)

    def attributes_of(self, handle: bytes) -> FileAttributes:
        """Return the attributes of an open file."""
        return described(self._query(handle, _NETWORK_OPEN_INFORMATION))

    def read_request(self, handle: bytes, offset: int, length: int) -> SentRequest:
        """Ask for bytes of a file, without waiting for them."""
        message = SMB2ReadRequest()
        message["length"] = length
        message["offset"] = offset
        message["file_id"] = handle
        message["padding"] = b"\x50"
        return self.send(message)

    def data(self, request: SentRequest) -> bytes:
        """Return the bytes that were asked for; raises RequestRefused at the end of the file."""
        answer = self.answer(request)
        start = max(0, answer[2] - _HEADER_BYTES) if len(answer) > 8 else 0
        return answer[start : start + int.from_bytes(answer[4:8], "little")]

    def write_request(self, handle: bytes, offset: int, data: bytes) -> SentRequest:
        """Send bytes of a file, without waiting until they are stored."""
        message = SMB2WriteRequest()
        message["length"] = len(data)
        message["offset"] = offset
        message["file_id"] = handle
        message["buffer"] = data
        return self.send(message)

    def stored(self, request: SentRequest) -> int:
        """Return how many of the bytes sent were stored."""
        return int.from_bytes(self.answer(request)[4:8], "little")

    def flush(self, handle: bytes) -> None:
        """Make the server write a file to its disk."""
        message = SMB2FlushRequest()
        message["file_id"] = handle
        self.answer(self.send(message))

    # Changes of an open entry

    def set_ticks(self, handle: bytes, ticks: int) -> None:
        """Set the modification time."""
        self._set(handle, FileInformationClass.FILE_BASIC_INFORMATION, struct.pack("<QQQQII", 0, 0, ticks, 0, 0, 0))

    def set_size(self, handle: bytes, size: int) -> None:
        """Cut a file to a size."""
        self._set(handle, FileInformationClass.FILE_END_OF_FILE_INFORMATION, struct.pack("<Q", size))

    def rename(self, handle: bytes, target: str, *, replace: bool) -> None:
        """Give an entry another path, in the place of a file there if asked to."""
        name = encoded(target)
        self._set(
            handle, FileInformationClass.FILE_RENAME_INFORMATION, struct.pack("<B7xQI", replace, 0, len(name)) + name
        )

    def remove(self, handle: bytes) -> None:
        """Remove an entry when its handle is closed."""
        self._set(handle, FileInformationClass.FILE_DISPOSITION_INFORMATION, b"\x01")

    def why_not_removable(self, path: str) -> RequestRefused | None:
        """Return why an entry cannot be removed or replaced; None when nothing is in the way."""
        try:
            handle, _ = self.open(path, access=DELETE, options=WITHOUT_FOLLOWING)
        except RequestRefused as refused:
            return refused
        self.close_quietly(handle)
        return None

    # Folders

    def entries(self, handle: bytes) -> Iterator[tuple[str, FileAttributes]]:
        """Yield the names and attributes of a folder's entries, with those of "." and ".." where the server has any."""
        while True:
            message = SMB2QueryDirectoryRequest()
            message["file_information_class"] = FileInformationClass.FILE_ID_FULL_DIRECTORY_INFORMATION
            message["file_id"] = handle
            message["output_buffer_length"] = min(_CREDIT_BYTES, self._connection.max_transact_size)
            message["buffer"] = encoded("*")
            try:
                answer = self.answer(self.send(message))
            except RequestRefused as refused:
                if refused.status == NO_MORE_FILES:
                    return
                raise
            yield from listed(_buffer(answer))

    # Requests and answers

    def send(self, message: Any) -> SentRequest:
        """Send a request without waiting."""
        return self._send(message)[0]

    def answer(self, request: SentRequest) -> bytes:
        """Wait for an answer and return its body; raises RequestRefused when the server refuses the request."""
        try:
            return bytes(self._connection.receive(request)["data"].get_value())
        except SMBResponseException as error:
            if error.status in LOST_STATUSES:
                raise self._lost(error) from error
            raise RequestRefused(error.status) from error
        except LIBRARY_ERRORS as error:
            raise self._lost(error) from error

    def end(self) -> None:
        """Close the connection; the server closes what is open."""
        with suppress(*LIBRARY_ERRORS):
            self._connection.disconnect(close=False)

    def _send(self, *messages: Any) -> list[SentRequest]:
        session_id, tree_id = self._tree.session.session_id, self._tree.tree_connect_id
        try:
            if len(messages) == 1:
                return [self._connection.send(messages[0], session_id, tree_id)]
            return list(self._connection.send_compound(list(messages), session_id, tree_id, related=True))
        except LIBRARY_ERRORS as error:
            raise self._lost(error) from error

    def _query(self, handle: bytes, information: int) -> bytes:
        message = SMB2QueryInfoRequest()
        message["info_type"] = InfoType.SMB2_0_INFO_FILE
        message["file_info_class"] = information
        message["output_buffer_length"] = 1024
        message["file_id"] = handle
        return _buffer(self.answer(self.send(message)))

    def _set(self, handle: bytes, information: int, value: bytes) -> None:
        message = SMB2SetInfoRequest()
        message["info_type"] = InfoType.SMB2_0_INFO_FILE
        message["file_info_class"] = information
        message["file_id"] = handle
        message["buffer"] = value
        self.answer(self.send(message))

    def _chunk_bytes(self) -> int:
        """Return how many bytes go at once: several such requests fit into what the server takes at a time."""
        if not self._connection.supports_multi_credit:
            return _CREDIT_BYTES
        window = self._connection.sequence_window
        credits_left = (window["high"] - window["low"]) // _REQUESTS_AT_ONCE
        largest = min(_MAX_CHUNK_BYTES, self._connection.max_read_size, self._connection.max_write_size)
        return int(max(_CREDIT_BYTES, min(largest, credits_left * _CREDIT_BYTES)))

    def _lost(self, error: BaseException) -> ExternalError:
        """Close the connection and return the error that says why."""
        is_late = isinstance(error, SMBException) and "timeout" in str(error)
        self.end()
        what = f"{self.name} did not answer in time" if is_late else f"The connection to {self.name} was lost"
        return fault("connection_error", f"{what}.")


def create_request(path: str, access: int, disposition: int, options: int) -> SMB2CreateRequest:
    """Return the request to open an entry, which others may use meanwhile."""
    message = SMB2CreateRequest()
    message["impersonation_level"] = ImpersonationLevel.Impersonation
    message["desired_access"] = access
    message["share_access"] = _SHARED
    message["create_disposition"] = disposition
    message["create_options"] = options
    message["buffer_path"] = encoded(path) or b"\0\0"
    return message


def _close(handle: bytes, flags: int = 0) -> SMB2CloseRequest:
    message = SMB2CloseRequest()
    message["file_id"] = handle
    message["flags"] = flags
    return message


def _buffer(answer: bytes) -> bytes:
    """Return what an answer about a folder or file carries."""
    start, length = int.from_bytes(answer[2:4], "little") - _HEADER_BYTES, int.from_bytes(answer[4:8], "little")
    return answer[max(0, start) : max(0, start) + length]
