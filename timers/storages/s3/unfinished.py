"""What is left of a file that is not whole yet: an upload in parts, and an object beside the target.

That object has the name of the part. It holds the bytes after the last whole part, as parts cannot be read again, and
says which upload it belongs to and how many of its parts count. Behind the bytes are the CRC32 of these parts, if they
were sent with such: not every store lists them.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from timers.copying import paths
from timers.errors import ExternalError
from timers.storages.base import UnfinishedFile, fault, is_part
from timers.storages.s3.bucket import Bucket
from timers.storages.s3.faults import GONE, code_of, faults
from timers.storages.s3.upload import Sent, Upload, abort, in_words

_UPLOAD, _PARTS, _CRC32 = "timers-upload", "timers-parts", "timers-crc32"
_SWEEPERS = 8


class UnfinishedUpload(NamedTuple):
    """An upload with the parts of it that count, and the bytes after them."""

    upload: Upload | None
    sent: list[Sent]
    tail: bytes

    @property
    def size(self) -> int:
        return sum(part.size for part in self.sent) + len(self.tail)


def save(bucket: Bucket, path: str, part: str, left: UnfinishedUpload) -> None:
    """Write down what is left of the file at `path` under the name `part`."""
    metadata = {_PARTS: str(len(left.sent))}
    body = left.tail
    if left.upload is not None:
        metadata[_UPLOAD] = left.upload.id
    if left.upload is not None and left.upload.crc32:
        metadata[_CRC32] = "yes"
        body += b"".join(b64decode(each.crc32 or "") for each in left.sent)
    bucket.call("put_object", path, Key=bucket.key(_beside(path, part)), Body=body, Metadata=metadata)


def load(bucket: Bucket, path: str, part: UnfinishedFile) -> UnfinishedUpload:
    """Return what an earlier slice left, as much of it as counts; raises `not_found` when it is not there."""
    beside = _beside(path, part.name)
    with faults(path, bucket.name):
        try:
            found = bucket.client.get_object(Bucket=bucket.name, Key=bucket.key(beside))
        except ClientError as error:
            if code_of(error) == "NoSuchKey":
                raise _gone(path) from error
            raise
        body, said = found["Body"].read(), found["Metadata"]
    return _cut(_read(bucket, path, body, said), path, part.size)


def _read(bucket: Bucket, path: str, body: bytes, said: Mapping[str, str]) -> UnfinishedUpload:
    """Return what such an object tells, together with what the store has of its upload."""
    if _UPLOAD not in said:
        return UnfinishedUpload(None, [], body)
    upload, count = Upload(said[_UPLOAD], crc32=_CRC32 in said), int(said[_PARTS])
    sent = _parts(bucket, path, upload.id)[:count]
    tail, crc32 = _apart(body, count) if upload.crc32 else (body, [None] * count)
    if len(sent) < count:
        tail = b""  # it does not follow them
    return UnfinishedUpload(upload, [each._replace(crc32=its) for each, its in zip(sent, crc32, strict=False)], tail)


def _apart(body: bytes, count: int) -> tuple[bytes, list[str]]:
    """Return the bytes after the last part, and the CRC32 of so many parts."""
    end = len(body) - 4 * count
    return body[:end], [in_words(body[at : at + 4]) for at in range(end, len(body), 4)]


def _cut(left: UnfinishedUpload, path: str, size: int) -> UnfinishedUpload:
    """Return what is left without what does not count; raises `not_found` where no part ends there."""
    if left.size < size:
        raise _gone(path)
    sent = list(left.sent)
    tail = left.tail
    while (whole := sum(part.size for part in sent)) > size:
        sent.pop()
        tail = b""
    if whole + len(tail) < size:
        raise _gone(path)
    return UnfinishedUpload(left.upload, sent, tail[: size - whole])


def _gone(path: str) -> ExternalError:
    return fault("not_found", f"The unfinished part of {path} is gone or shorter than it was.")


def _parts(bucket: Bucket, path: str, upload: str) -> list[Sent]:
    """Return the parts of an upload, from the first one to where one is missing."""
    found: list[Sent] = []
    more: dict[str, Any] = {}
    while True:
        with faults(path, bucket.name):
            try:
                page = bucket.client.list_parts(Bucket=bucket.name, Key=bucket.key(path), UploadId=upload, **more)
            except ClientError as error:
                if code_of(error) == GONE:
                    raise _gone(path) from error
                raise
        found += [Sent(each["PartNumber"], each["Size"], each["ETag"]) for each in page.get("Parts", ())]
        if not page.get("IsTruncated"):
            return [part for number, part in enumerate(sorted(found), 1) if part.number == number]
        more = {"PartNumberMarker": page["NextPartNumberMarker"]}


# Removing


def forget(bucket: Bucket, path: str, part: str) -> None:
    """Remove what is beside the target; its upload goes on."""
    bucket.call("delete_object", path, Key=bucket.key(_beside(path, part)))


def remove(bucket: Bucket, path: str, part: str) -> None:
    """Remove an unfinished part with its upload; one that is gone is no fault."""
    upload = _upload_of(bucket, _beside(path, part))
    if upload:
        abort(bucket, path, upload)
    forget(bucket, path, part)


def sweep(bucket: Bucket, files: Sequence[str], *, prefix: str, keep: Container[str]) -> None:
    """Remove the uploads to these files and what lies beside them, but what belongs to the parts to be kept.

    A store does not tell whose an upload is, so all are removed that no part lies beside. Each file is asked about
    alone, as some stores list the uploads of one key only.
    """
    kept: set[str | None] = set()
    for folder in {paths.parent(path) for path in files}:
        for name in _parts_beside(bucket, folder):
            beside = paths.join(folder, name)
            if name.startswith(prefix) and name not in keep:
                forget(bucket, beside, name)
            else:
                kept.add(_upload_of(bucket, beside))
    with ThreadPoolExecutor(_SWEEPERS, thread_name_prefix="s3-sweep") as pool:
        uploads = pool.map(lambda path: _uploads(bucket, path), files)
        for path, found in zip(files, uploads, strict=True):
            for upload in found - kept:
                abort(bucket, path, upload)


def _parts_beside(bucket: Bucket, folder: str) -> Iterator[str]:
    start = bucket.folder_key(folder)
    page = bucket.call("list_objects_v2", folder, Prefix=f"{start}.timers-", Delimiter="/")
    names = (each["Key"][len(start) :] for each in page.get("Contents", ()))
    yield from filter(is_part, names)


def _uploads(bucket: Bucket, path: str) -> set[str]:
    key = bucket.key(path)
    page = bucket.call("list_multipart_uploads", path, Prefix=key)
    return {each["UploadId"] for each in page.get("Uploads", ()) if each["Key"] == key}


def _upload_of(bucket: Bucket, beside: str) -> str | None:
    found = bucket.head(beside)
    return found["Metadata"].get(_UPLOAD) if found else None


def _beside(path: str, part: str) -> str:
    return paths.join(paths.parent(path), part)
