"""Bytes on their way to a store, and how it is made sure that they arrive as they are.

The parts of a large file go with their CRC32, as the library's own uploads do: a store that was told so beforehand
checks them, answers with what it has found, and need not make a digest of the whole. What does not know that gets their
MD5, as do small files; that is much the same for few bytes.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakSet

from botocore.exceptions import ClientError

from timers.storages.s3.bucket import Bucket, content_md5, etag_of
from timers.storages.s3.faults import GONE, code_of, damaged, faults

_ALGORITHM = {"ChecksumAlgorithm": "CRC32"}
_UNKNOWN = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "501"})

_without_crc32: WeakSet[Any] = WeakSet()
"""The clients of stores that were found not to know it."""


class Upload(NamedTuple):
    """A file in parts that a store knows of. `crc32`: its parts go with that, all of them."""

    id: str
    crc32: bool = False


class Sent(NamedTuple):
    """A part that the store has; its CRC32 in the store's words, if it went with one."""

    number: int
    size: int
    etag: str
    crc32: str | None = None


def begin(bucket: Bucket, path: str) -> Upload:
    """Begin an upload and return it."""
    if bucket.client not in _without_crc32:
        upload = _begin_with_crc32(bucket, path)
        if upload is not None:
            return upload
    answer = bucket.call("create_multipart_upload", path, Key=bucket.key(path))
    _without_crc32.add(bucket.client)  # not before: what was refused may have been something else
    return Upload(str(answer["UploadId"]))


def _begin_with_crc32(bucket: Bucket, path: str) -> Upload | None:
    """Return an upload, None where the store refuses such a one; one that passes over the wish gets none either."""
    with faults(path, bucket.name):
        try:
            answer = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=bucket.key(path), **_ALGORITHM)
        except ClientError as error:
            if code_of(error) in _UNKNOWN:
                return None
            raise
    knows = answer.get("ChecksumAlgorithm") == _ALGORITHM["ChecksumAlgorithm"]
    if not knows:
        _without_crc32.add(bucket.client)
    return Upload(str(answer["UploadId"]), crc32=knows)


def put(bucket: Bucket, path: str, body: bytearray) -> None:
    """Send a whole file; raises `checksum_mismatch` when the store states to have received other bytes."""
    _deliver_with_md5(bucket, path, "put_object", body)


def send_part(bucket: Bucket, path: str, upload: Upload, *, number: int, body: bytearray) -> Sent:
    """Send a part and return it; raises `checksum_mismatch` when the store states to have received other bytes."""
    ids = {"UploadId": upload.id, "PartNumber": number}
    if not upload.crc32:
        answer = _deliver_with_md5(bucket, path, "upload_part", body, **ids)
        return Sent(number, len(body), answer["ETag"])
    crc32 = in_words(zlib.crc32(body).to_bytes(4, "big"))
    checked = {**ids, **_ALGORITHM, "ChecksumCRC32": crc32}
    answer = bucket.call("upload_part", path, Key=bucket.key(path), Body=body, **checked)
    if not answer.get("ChecksumCRC32"):  # it may not have looked at all
        _without_crc32.add(bucket.client)
        answer = _deliver_with_md5(bucket, path, "upload_part", body, **checked)
    elif answer["ChecksumCRC32"] != crc32:
        raise damaged(path)
    return Sent(number, len(body), answer["ETag"], crc32)


def _deliver_with_md5(bucket: Bucket, path: str, operation: str, body: bytearray, **more: Any) -> Any:
    """Send bytes with their MD5, which stores check, and compare it with what the answer states."""
    digest = hashlib.md5(body, usedforsecurity=False)
    stated = in_words(digest.digest())
    answer = bucket.call(operation, path, Key=bucket.key(path), Body=body, ContentMD5=stated, **more)
    if content_md5(answer) not in (None, digest.hexdigest()):
        raise damaged(path)
    return answer


def complete(bucket: Bucket, path: str, upload: Upload, *, sent: Sequence[Sent]) -> None:
    """Put the parts together under the name of the file."""
    with faults(path, bucket.name):
        try:
            bucket.client.complete_multipart_upload(
                Bucket=bucket.name,
                Key=bucket.key(path),
                UploadId=upload.id,
                MultipartUpload={"Parts": [_named(part) for part in sent]},
            )
        except ClientError as error:
            if code_of(error) != GONE or not _is_there(bucket, path, sent):
                raise


def _named(part: Sent) -> dict[str, Any]:
    crc32 = {"ChecksumCRC32": part.crc32} if part.crc32 else {}
    return {"PartNumber": part.number, "ETag": part.etag, **crc32}


def _is_there(bucket: Bucket, path: str, sent: Sequence[Sent]) -> bool:
    """Return whether the object stands there whole: the answer to a first try may have been lost."""
    return etag_of(bucket.head(path) or {}) == _etag_of_parts(sent)


def _etag_of_parts(sent: Sequence[Sent]) -> str:
    """Return the ETag that stores give to an object of these parts."""
    etags = [content_md5({"ETag": part.etag}) or "" for part in sent]
    digest = hashlib.md5(b"".join(map(bytes.fromhex, etags)), usedforsecurity=False)
    return f"{digest.hexdigest()}-{len(sent)}"


def abort(bucket: Bucket, path: str, upload: str) -> None:
    """Remove an upload; one that is gone is no fault."""
    with faults(path, bucket.name):
        try:
            bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=bucket.key(path), UploadId=upload)
        except ClientError as error:
            if code_of(error) != GONE:
                raise


def in_words(digest: bytes) -> str:
    """Return a digest as stores write it."""
    return b64encode(digest).decode()
