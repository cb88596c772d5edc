"""Uploading bytes to a store, with a check that they arrive unchanged.

The parts of a large file are sent with their CRC32, as the library's own uploads do. A store that was told so
beforehand checks them, answers with its own result, and needs no digest of the whole. A store that does not support
CRC32 gets their MD5, as do small files; for few bytes the difference is small.
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
from timers.storages.s3.faults import UPLOAD_GONE, code_of, damaged_error, faults

_ALGORITHM = {"ChecksumAlgorithm": "CRC32"}
_UNKNOWN = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "501"})

_without_crc32: WeakSet[Any] = WeakSet()
"""The clients of stores that do not support CRC32."""


class Upload(NamedTuple):
    """A file in parts that the store knows of. `crc32` is True when all its parts are sent with their CRC32."""

    id: str
    crc32: bool = False


class SentPart(NamedTuple):
    """A part that the store has; with its CRC32 in the store's notation, if it was sent with one."""

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
    _without_crc32.add(bucket.client)  # noted only now: the refusal may have had another cause
    return Upload(str(answer["UploadId"]))


def _begin_with_crc32(bucket: Bucket, path: str) -> Upload | None:
    """Return an upload with CRC32; None where the store refuses it.

    A store that ignores the request gets an upload without.
    """
    with faults(path, bucket.name):
        try:
            answer = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=bucket.key(path), **_ALGORITHM)
        except ClientError as error:
            if code_of(error) in _UNKNOWN:
                return None
            raise
    supports_crc32 = answer.get("ChecksumAlgorithm") == _ALGORITHM["ChecksumAlgorithm"]
    if not supports_crc32:
        _without_crc32.add(bucket.client)
    return Upload(str(answer["UploadId"]), crc32=supports_crc32)


def put(bucket: Bucket, path: str, body: bytearray) -> None:
    """Send a whole file; raises `checksum_mismatch` when the store states that it received other bytes."""
    _deliver_with_md5(bucket, path, "put_object", body)


def send_part(bucket: Bucket, path: str, upload: Upload, *, number: int, body: bytearray) -> SentPart:
    """Send a part and return it; raises `checksum_mismatch` when the store states that it received other bytes."""
    ids = {"UploadId": upload.id, "PartNumber": number}
    if not upload.crc32:
        answer = _deliver_with_md5(bucket, path, "upload_part", body, **ids)
        return SentPart(number, len(body), answer["ETag"])
    crc32 = base64_text(zlib.crc32(body).to_bytes(4, "big"))
    checked = {**ids, **_ALGORITHM, "ChecksumCRC32": crc32}
    answer = bucket.call("upload_part", path, Key=bucket.key(path), Body=body, **checked)
    if not answer.get("ChecksumCRC32"):  # the store may not have checked at all
        _without_crc32.add(bucket.client)
        answer = _deliver_with_md5(bucket, path, "upload_part", body, **checked)
    elif answer["ChecksumCRC32"] != crc32:
        raise damaged_error(path)
    return SentPart(number, len(body), answer["ETag"], crc32)


def _deliver_with_md5(bucket: Bucket, path: str, operation: str, body: bytearray, **more: Any) -> Any:
    """Send bytes with their MD5, which stores check, and compare it with the answer's MD5."""
    digest = hashlib.md5(body, usedforsecurity=False)
    stated = base64_text(digest.digest())
    answer = bucket.call(operation, path, Key=bucket.key(path), Body=body, ContentMD5=stated, **more)
    if content_md5(answer) not in (None, digest.hexdigest()):
        raise damaged_error(path)
    return answer


def complete(bucket: Bucket, path: str, upload: Upload, *, sent: Sequence[SentPart]) -> None:
    """Assemble the parts under the name of the file."""
    with faults(path, bucket.name):
        try:
            bucket.client.complete_multipart_upload(
                Bucket=bucket.name,
                Key=bucket.key(path),
                UploadId=upload.id,
                MultipartUpload={"Parts": [_part_document(part) for part in sent]},
            )
        except ClientError as error:
            if code_of(error) != UPLOAD_GONE or not _is_there(bucket, path, sent):
                raise


def _part_document(part: SentPart) -> dict[str, Any]:
    crc32 = {"ChecksumCRC32": part.crc32} if part.crc32 else {}
    return {"PartNumber": part.number, "ETag": part.etag, **crc32}


def _is_there(bucket: Bucket, path: str, sent: Sequence[SentPart]) -> bool:
    """Return whether the whole object exists already: the answer to an earlier attempt may have been lost."""
    return etag_of(bucket.head(path) or {}) == _etag_of_parts(sent)


def _etag_of_parts(sent: Sequence[SentPart]) -> str:
    """Return the ETag that stores give to an object of these parts."""
    etags = [content_md5({"ETag": part.etag}) or "" for part in sent]
    digest = hashlib.md5(b"".join(map(bytes.fromhex, etags)), usedforsecurity=False)
    return f"{digest.hexdigest()}-{len(sent)}"


def abort(bucket: Bucket, path: str, upload: str) -> None:
    """Remove an upload; a missing one is no fault."""
    with faults(path, bucket.name):
        try:
            bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=bucket.key(path), UploadId=upload)
        except ClientError as error:
            if code_of(error) != UPLOAD_GONE:
                raise


def base64_text(digest: bytes) -> str:
    """Return a digest in the notation of stores."""
    return b64encode(digest).decode()
