"""Writing an object: a small one by a single request, a large one in blocks that count only when they are committed."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from email.header import Header
from uuid import uuid4

from timers.storages.azure.faults import refuse_answer
from timers.storages.azure.session import AzureSession
from timers.storages.base import Digest, FileProperties, PartialFile, Permissions, Reader, Writer, fault
from timers.storages.s3 import content_types

BLOCK_BYTES = 8 * 1024 * 1024
MAX_BLOCKS = 50_000
CHUNK_BYTES = 1024 * 1024

_FIELDS = {
    "content_type": "x-ms-blob-content-type",
    "content_encoding": "x-ms-blob-content-encoding",
    "content_disposition": "x-ms-blob-content-disposition",
    "content_language": "x-ms-blob-content-language",
    "cache_control": "x-ms-blob-cache-control",
}
_REFUSED_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")
_ACCESS_TIERS = frozenset({"Hot", "Cool", "Cold", "Archive"})


class AzureWriter(Writer):
    """Bytes on their way into an object.

    Each request carries the MD5 of its bytes, which the store checks. The old object is there until the new one takes
    its place. Modification times cannot be set: the store sets them itself.
    """

    self_checking = True
    chunk_bytes = CHUNK_BYTES

    def __init__(self, session: AzureSession, path: str, properties: FileProperties | None) -> None:
        self._session, self.path = session, path
        self._headers = _property_headers(path, properties)
        self.written = 0
        self._buffer = bytearray()
        self._block_bytes = BLOCK_BYTES
        self._blocks: list[str] = []
        self._name = uuid4().hex
        self._md5 = hashlib.md5(usedforsecurity=False)

    def write(self, data: bytes | memoryview) -> None:
        self._md5.update(data)
        self._buffer += data
        self.written += len(data)
        while len(self._buffer) > self._block_bytes:
            self._send_block()

    def copy_from(self, reader: Reader, max_bytes: int, digest: Digest | None = None) -> int:
        if not self.written:
            needed = -(-reader.opened.size // MAX_BLOCKS)
            self._block_bytes = max(BLOCK_BYTES, -(-needed // CHUNK_BYTES) * CHUNK_BYTES)
        return super().copy_from(reader, max_bytes, digest)

    def read_back(self, offset: int) -> Reader:
        raise fault("unsupported", f"{self.path} cannot be read before it is whole.")

    def sync(self) -> None:
        """Send the rest of a file in blocks. A small file is sent by commit."""
        if self._blocks and self._buffer:
            self._send_block()

    def commit(self, *, modified_ns: int | None = None, permissions: Permissions | None = None) -> None:
        if self._blocks:
            self.sync()
            digest = b64encode(self._md5.digest()).decode()
            self._put(
                self._session.location_of_part(self.path, comp="blocklist"),
                {**self._headers, "x-ms-blob-content-md5": digest},
                _block_list(self._blocks),
            )
        else:
            headers = {**self._headers, "x-ms-blob-type": "BlockBlob"}
            self._put(self._session.location(self.path), headers, bytes(self._buffer))
        self.not_kept = [
            *(["times"] if modified_ns is not None else []),
            *(["mode"] if permissions is not None and permissions.exact else []),
        ]

    def keep(self) -> PartialFile:
        raise fault("unsupported", f"{self.path}: an upload to this store cannot be resumed.")

    def discard(self) -> None:
        """Forget the blocks that were sent; the store removes them after a week."""
        self._buffer.clear()

    def _send_block(self) -> None:
        if len(self._blocks) >= MAX_BLOCKS:
            raise fault("unsupported", f"{self.path} needs more than {MAX_BLOCKS:,} blocks.")
        body = bytes(self._buffer[: self._block_bytes])
        block = b64encode(f"{self._name}-{len(self._blocks):05}".encode()).decode()
        self._put(self._session.location_of_part(self.path, comp="block", blockid=block), {}, body)
        self._blocks.append(block)
        del self._buffer[: len(body)]

    def _put(self, location: str, headers: dict[str, str], body: bytes) -> None:
        checked = {**headers, "Content-MD5": b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}
        with self._session.request("PUT", location, path=self.path, headers=checked, body=body) as response:
            if response.status != 201:
                refuse_answer(response, self.path)


def _block_list(blocks: list[str]) -> bytes:
    listed = "".join(f"<Latest>{block}</Latest>" for block in blocks)
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode()


def _property_headers(path: str, properties: FileProperties | None) -> dict[str, str]:
    """Return what an upload states for a file; its content type is guessed by name where none is given."""
    given = properties or FileProperties()
    values = {**given._asdict(), "content_type": given.content_type or content_types.guess(path)}
    headers = {header: _ascii(values[name]) for name, header in _FIELDS.items() if values[name]}
    headers |= {f"x-ms-meta-{_metadata_name(name)}": _ascii(value) for name, value in given.metadata.items()}
    if given.storage_class in _ACCESS_TIERS:
        headers["x-ms-access-tier"] = given.storage_class
    for name, value in headers.items():
        if not value.isprintable():
            raise fault("unsupported", f"{path}: the store cannot keep the property {name.rpartition('-')[2]}.")
    return headers


def _metadata_name(name: str) -> str:
    """Return a name as the store allows it: letters, digits and underscores, no digit first."""
    plain = _REFUSED_IN_NAMES.sub("_", name)
    return f"_{plain}" if plain[:1].isdigit() else plain


def _ascii(value: str) -> str:
    """Return a value as a header can carry it."""
    return value if value.isascii() else Header(value, "utf-8", maxlinelen=0).encode()
