"""Uploading bytes to a store, with a check that they arrive unchanged.

The parts of a large file are sent with their CRC32, as the library's own uploads do. A store that was told so
beforehand checks them, answers with its own result, and needs no digest of the whole. A store that does not support
CRC32 gets their MD5, as do small files; for few bytes the difference is small.

Stores check an MD5 that they are sent. Most answer with an ETag that is this MD5; one that is another text proves
nothing, because encrypting stores and some others have their own ETags. What is stored is read back then.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakSet

from botocore.exceptions import ClientError

from timers.errors import ExternalError
from timers.storages.base import FileProperties
from timers.storages.s3.bucket import Bucket, content_md5, etag_of
from timers.storages.s3.faults import UPLOAD_GONE, code_of, damaged_error, faults
from timers.storages.s3.properties import STORAGE_CLASS, upload_parameters
from timers.storages.s3.reading import S3Reader

_ALGORITHM = {"ChecksumAlgorithm": "CRC32"}
_UNKNOWN = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "501"})
_STORAGE_CLASS_REFUSED = frozenset({"InvalidStorageClass", "InvalidArgument", "InvalidRequest"})

_without_crc32: WeakSet[Any] = WeakSet()
"""The clients of stores that do not support CRC32."""


class Upload(NamedTuple):
    """A file in parts that the store knows of. `crc32` is True when all its parts are stated with their CRC32."""

    id: str
    crc32: bool = False


class SentPart(NamedTuple):
    """A part that the store has, with the CRC32 of what was sent, in the store's notation.

    `doubted` is True when the store's answer does not prove that it received just that.
    """

    number: int
    size: int
    etag: str
    crc32: str
    doubted: bool = False


def begin(bucket: Bucket, path: str, properties: FileProperties | None) -> Upload:
    """Begin an upload and return it."""
    if bucket.client not in _without_crc32:
        upload = _begin_with_crc32(bucket, path, properties)
        if upload is not None:
            return upload
    with faults(path, bucket.name):
        answer = _send_with_properties(bucket, "create_multipart_upload", path, properties)
    _without_crc32.add(bucket.client)  # noted only now: the refusal may have had another cause
    return Upload(str(answer["UploadId"]))


def _begin_with_crc32(bucket: Bucket, path: str, properties: FileProperties | None) -> Upload | None:
    """Return an upload with CRC32; None where the store refuses it.

    A store that ignores the request gets an upload without.
    """
    with faults(path, bucket.name):
        try:
            answer = _send_with_properties(bucket, "create_multipart_upload", path, properties, **_ALGORITHM)
        except ClientError as error:
            if code_of(error) in _UNKNOWN:
                return None
            raise
    supports_crc32 = answer.get("ChecksumAlgorithm") == _ALGORITHM["ChecksumAlgorithm"]
    if not supports_crc32:
        _without_crc32.add(bucket.client)
    return Upload(str(answer["UploadId"]), crc32=supports_crc32)


def _send_with_properties(
    bucket: Bucket, operation: str, path: str, properties: FileProperties | None, **more: Any
) -> Any:
    """Call an operation that makes an object; a storage class that this store does not have is left out."""
    stated = {**upload_parameters(path, properties), **more}
    call = getattr(bucket.client, operation)
    try:
        return call(Bucket=bucket.name, Key=bucket.key(path), **stated)
    except ClientError as error:
        if code_of(error) not in _STORAGE_CLASS_REFUSED or stated.pop(STORAGE_CLASS, None) is None:
            raise
    return call(Bucket=bucket.name, Key=bucket.key(path), **stated)


def put(bucket: Bucket, path: str, body: bytearray, properties: FileProperties | None) -> None:
    """Send a whole file; raises `checksum_mismatch` when the store holds other bytes afterwards."""
    digest = hashlib.md5(body, usedforsecurity=False)
    stated = base64_text(digest.digest())
    with faults(path, bucket.name):
        answer = _send_with_properties(bucket, "put_object", path, properties, Body=body, ContentMD5=stated)
    if content_md5(answer) not in (None, digest.hexdigest()):
        _check_stored(bucket, path, [len(body)], [_crc32(body)])


def send_part(bucket: Bucket, path: str, upload: Upload, *, number: int, body: bytearray) -> SentPart:
    """Send a part and return it; raises `checksum_mismatch` when the store states another CRC32."""
    crc32 = _crc32(body)
    part = {"UploadId": upload.id, "PartNumber": number}
    if not upload.crc32:
        return _send_part_with_md5(bucket, path, part, body=body, crc32=crc32)
    checked = {**part, **_ALGORITHM, "ChecksumCRC32": crc32}
    answer = bucket.call("upload_part", path, Key=bucket.key(path), Body=body, **checked)
    if not answer.get("ChecksumCRC32"):  # the store may not have checked at all
        _without_crc32.add(bucket.client)
        return _send_part_with_md5(bucket, path, checked, body=body, crc32=crc32)
    if answer["ChecksumCRC32"] != crc32:
        raise damaged_error(path)
    return SentPart(number, len(body), answer["ETag"], crc32)


def _send_part_with_md5(bucket: Bucket, path: str, part: Mapping[str, Any], *, body: bytearray, crc32: str) -> SentPart:
    digest = hashlib.md5(body, usedforsecurity=False)
    stated = base64_text(digest.digest())
    answer = bucket.call("upload_part", path, Key=bucket.key(path), Body=body, ContentMD5=stated, **part)
    doubted = content_md5(answer) not in (None, digest.hexdigest())
    return SentPart(part["PartNumber"], len(body), answer["ETag"], crc32, doubted)


def complete(bucket: Bucket, path: str, upload: Upload, *, sent: Sequence[SentPart]) -> None:
    """Assemble the parts under the name of the file; raises `checksum_mismatch` when the store holds other bytes."""
    with faults(path, bucket.name):
        try:
            bucket.client.complete_multipart_upload(
                Bucket=bucket.name,
                Key=bucket.key(path),
                UploadId=upload.id,
                MultipartUpload={"Parts": [_part_document(part, upload) for part in sent]},
            )
        except ClientError as error:
            if code_of(error) != UPLOAD_GONE or not _is_there(bucket, path, sent):
                raise
    if any(part.doubted for part in sent):
        _check_stored(bucket, path, [part.size for part in sent], [part.crc32 for part in sent])


def _part_document(part: SentPart, upload: Upload) -> dict[str, Any]:
    crc32 = {"ChecksumCRC32": part.crc32} if upload.crc32 else {}
    return {"PartNumber": part.number, "ETag": part.etag, **crc32}


def _is_there(bucket: Bucket, path: str, sent: Sequence[SentPart]) -> bool:
    """Return whether the whole object exists already: the answer to an earlier attempt may have been lost."""
    answer = bucket.head(path) or {}
    if etag_of(answer) == _etag_of_parts(sent):
        return True
    if answer.get("ContentLength") != sum(part.size for part in sent):
        return False
    return _holds(bucket, path, [part.size for part in sent], [part.crc32 for part in sent])


def _etag_of_parts(sent: Sequence[SentPart]) -> str:
    """Return the ETag that most stores give to an object of these parts."""
    etags = [content_md5({"ETag": part.etag}) or "" for part in sent]
    digest = hashlib.md5(b"".join(map(bytes.fromhex, etags)), usedforsecurity=False)
    return f"{digest.hexdigest()}-{len(sent)}"


def _check_stored(bucket: Bucket, path: str, sizes: Sequence[int], crc32: Sequence[str]) -> None:
    """Read the object back where the store's answer proves nothing. It stays where it is, whatever it holds."""
    if not _holds(bucket, path, sizes, crc32):
        raise damaged_error(path)
    bucket.remember_own_etags()


def _holds(bucket: Bucket, path: str, sizes: Sequence[int], crc32: Sequence[str]) -> bool:
    """Return whether the object consists of pieces of these sizes with these CRC32."""
    try:
        with S3Reader(bucket, path, 0) as reader:
            return reader.opened.size == sum(sizes) and all(
                _crc32_of_next(reader, size) == stated for size, stated in zip(sizes, crc32, strict=True)
            )
    except ExternalError as error:
        if error.reason in ("not_found", "source_changed"):  # somebody else changed it meanwhile
            return False
        if error.reason == "permission_denied":  # with keys that may only write, the MD5 that was sent has to do
            return True
        raise


def _crc32_of_next(reader: S3Reader, size: int) -> str:
    value = 0
    while size and (data := reader.read(size)):
        value, size = zlib.crc32(data, value), size - len(data)
    return base64_text(value.to_bytes(4, "big"))


def _crc32(body: bytearray) -> str:
    return base64_text(zlib.crc32(body).to_bytes(4, "big"))


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
