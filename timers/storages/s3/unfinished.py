"""Unfinished files: an upload in parts, and an object beside the target.

That object has the name of the partial file. It holds the bytes after the last whole part, because parts cannot be read
again. Its metadata name the upload and how many of its parts count. The bytes are followed by the CRC32 of these parts,
because not every store lists them.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from timers.copying import paths
from timers.errors import ExternalError
from timers.storages.base import PartialFile, fault, is_partial
from timers.storages.s3.bucket import Bucket
from timers.storages.s3.faults import UPLOAD_GONE, code_of, faults
from timers.storages.s3.upload import SentPart, Upload, abort, base64_text

_UPLOAD, _PARTS, _CRC32, _DOUBTED = "timers-upload", "timers-parts", "timers-crc32", "timers-doubted"
_STATED, _NOT_STATED = "yes", "not stated"
_SWEEP_THREADS = 8


class UnfinishedUpload(NamedTuple):
    """An upload with its parts that count, and the bytes after them."""

    upload: Upload | None
    sent: list[SentPart]
    tail: bytes

    @property
    def size(self) -> int:
        return sum(part.size for part in self.sent) + len(self.tail)


def save(bucket: Bucket, path: str, partial: str, left: UnfinishedUpload) -> None:
    """Store the unfinished upload of the file at `path` under the name `partial`."""
    metadata = {_PARTS: str(len(left.sent))}
    body = left.tail + b"".join(b64decode(part.crc32) for part in left.sent)
    if left.upload is not None:
        metadata |= {_UPLOAD: left.upload.id, _CRC32: _STATED if left.upload.crc32 else _NOT_STATED}
    if any(part.doubted for part in left.sent):
        metadata[_DOUBTED] = "yes"
    bucket.call("put_object", path, Key=bucket.key(_partial_path(path, partial)), Body=body, Metadata=metadata)


def load(bucket: Bucket, path: str, partial: PartialFile) -> UnfinishedUpload:
    """Return the unfinished upload that an earlier slice left, as much of it as counts.

    Raises `not_found` when it does not exist.
    """
    partial_path = _partial_path(path, partial.name)
    with faults(path, bucket.name):
        try:
            answer = bucket.client.get_object(Bucket=bucket.name, Key=bucket.key(partial_path))
        except ClientError as error:
            if code_of(error) == "NoSuchKey":
                raise _not_found(path) from error
            raise
        body, metadata = answer["Body"].read(), answer["Metadata"]
    return _cut(_read(bucket, path, body, metadata), path, partial.size)


def _read(bucket: Bucket, path: str, body: bytes, metadata: Mapping[str, str]) -> UnfinishedUpload:
    """Return the unfinished upload of such an object, together with the parts that the store has."""
    if _UPLOAD not in metadata:
        return UnfinishedUpload(None, [], body)
    if _CRC32 not in metadata:
        raise _not_found(path)
    upload, count = Upload(metadata[_UPLOAD], crc32=metadata[_CRC32] == _STATED), int(metadata[_PARTS])
    tail, crc32 = _split_tail(body, count)
    listed = _parts(bucket, path, upload.id)[:count]
    sent = [
        SentPart(part["PartNumber"], part["Size"], part["ETag"], checksum, _DOUBTED in metadata)
        for part, checksum in zip(listed, crc32, strict=False)
    ]
    if len(sent) < count:
        tail = b""  # these bytes do not follow the present parts
    return UnfinishedUpload(upload, sent, tail)


def _split_tail(body: bytes, count: int) -> tuple[bytes, list[str]]:
    """Return the bytes after the last part, and the CRC32 of `count` parts."""
    end = len(body) - 4 * count
    return body[:end], [base64_text(body[at : at + 4]) for at in range(end, len(body), 4)]


def _cut(left: UnfinishedUpload, path: str, size: int) -> UnfinishedUpload:
    """Return the unfinished upload cut to `size`; raises `not_found` where it is shorter or no part ends there."""
    if left.size < size:
        raise _not_found(path)
    sent = list(left.sent)
    tail = left.tail
    while (whole := sum(part.size for part in sent)) > size:
        sent.pop()
        tail = b""
    if whole + len(tail) < size:
        raise _not_found(path)
    return UnfinishedUpload(left.upload, sent, tail[: size - whole])


def _not_found(path: str) -> ExternalError:
    return fault("not_found", f"The partial file of {path} does not exist or is shorter than it was.")


def _parts(bucket: Bucket, path: str, upload: str) -> list[dict[str, Any]]:
    """Return the store's words about the parts of an upload, from the first one up to a missing one."""
    parts: list[dict[str, Any]] = []
    continuation: dict[str, Any] = {}
    while True:
        with faults(path, bucket.name):
            try:
                page = bucket.client.list_parts(
                    Bucket=bucket.name, Key=bucket.key(path), UploadId=upload, **continuation
                )
            except ClientError as error:
                if code_of(error) == UPLOAD_GONE:
                    raise _not_found(path) from error
                raise
        parts += page.get("Parts", ())
        if not page.get("IsTruncated"):
            parts.sort(key=lambda part: int(part["PartNumber"]))
            return [part for number, part in enumerate(parts, 1) if part["PartNumber"] == number]
        continuation = {"PartNumberMarker": page["NextPartNumberMarker"]}


# Removing


def forget(bucket: Bucket, path: str, partial: str) -> None:
    """Remove the object beside the target; its upload continues."""
    bucket.call("delete_object", path, Key=bucket.key(_partial_path(path, partial)))


def remove(bucket: Bucket, path: str, partial: str) -> None:
    """Remove a partial file with its upload; a missing one is no fault."""
    upload = _upload_of(bucket, _partial_path(path, partial))
    if upload:
        abort(bucket, path, upload)
    forget(bucket, path, partial)


def sweep(bucket: Bucket, files: Sequence[str], *, prefix: str, keep: Container[str]) -> None:
    """Remove the uploads to these files and the partial files beside them, except those in `keep`.

    A store does not tell who started an upload, so all uploads without a kept partial file are removed. Each file is
    queried alone, because some stores list the uploads of one key only.
    """
    kept: set[str | None] = set()
    for folder in {paths.parent(path) for path in files}:
        for name in _partials_beside(bucket, folder):
            partial_path = paths.join(folder, name)
            if name.startswith(prefix) and name not in keep:
                forget(bucket, partial_path, name)
            else:
                kept.add(_upload_of(bucket, partial_path))
    with ThreadPoolExecutor(_SWEEP_THREADS, thread_name_prefix="s3-sweep") as pool:
        uploads = pool.map(lambda path: _uploads(bucket, path), files)
        for path, upload_ids in zip(files, uploads, strict=True):
            for upload in upload_ids - kept:
                abort(bucket, path, upload)


def _partials_beside(bucket: Bucket, folder: str) -> Iterator[str]:
    start = bucket.folder_key(folder)
    names = (partial["Key"][len(start) :] for partial in bucket.objects_below(folder, f"{start}.timers-"))
    yield from filter(is_partial, names)


def _uploads(bucket: Bucket, path: str) -> set[str]:
    key = bucket.key(path)
    page = bucket.call("list_multipart_uploads", path, Prefix=key)
    return {upload["UploadId"] for upload in page.get("Uploads", ()) if upload["Key"] == key}


def _upload_of(bucket: Bucket, partial_path: str) -> str | None:
    answer = bucket.head(partial_path)
    return answer["Metadata"].get(_UPLOAD) if answer else None


def _partial_path(path: str, partial: str) -> str:
    return paths.join(paths.parent(path), partial)
