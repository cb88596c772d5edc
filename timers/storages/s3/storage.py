"""Buckets of Amazon S3 and of compatible stores.

A store has no folders, only keys. A folder exists when a key begins with its name and a slash. A folder that is made
gets an empty object of that name, its marker, so that it exists without files too. A folder without a marker disappears
with its last file, and a file needs no folder to be made before it. Where a file and a folder have the same name, both
are listed; the name means the file, and with a slash at its end the folder.

A key that no path can express (`a//b`, `a/../b`, `a/` with content) is listed in the folder up to which it is a path,
under the rest of it: the folder, a slash and that name spell the key. It can be deleted by that spelling.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from timers.copying import paths
from timers.parameters import Parameter
from timers.storages.base import (
    Abilities,
    Entry,
    FileProperties,
    Kind,
    Lookup,
    PartialFile,
    Permissions,
    Reader,
    Storage,
    Writer,
    fault,
)
from timers.storages.s3 import unfinished
from timers.storages.s3.bucket import Bucket, content_md5, file_entry, folder_entry, has_keys
from timers.storages.s3.client import Access
from timers.storages.s3.parameters import PARAMETERS
from timers.storages.s3.parameters import clean as clean_parameters
from timers.storages.s3.reading import S3Reader
from timers.storages.s3.writing import S3Writer

_AMAZON = "amazonaws.com"


class S3Storage(Storage):
    """A bucket, or a prefix of one."""

    kind = "s3"
    label = "S3"
    heading = "A bucket"
    parameters: ClassVar[tuple[Parameter, ...]] = PARAMETERS
    abilities = Abilities(
        properties=True,
        exact_names=True,
        both_kinds=True,
        folders=False,
        resume=True,
        checksums=("md5", "sha256"),
        streams=8,
    )

    @classmethod
    def clean(cls, parameters: Mapping[str, Any], *, owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the checked parameters.

        Every user may have a bucket, at every address that may be called from here.
        """
        return clean_parameters(parameters)

    @classmethod
    def place(cls, parameters: Mapping[str, Any]) -> str:
        return "/".join(filter(None, (parameters.get(name) for name in ("endpoint_url", "bucket", "prefix"))))

    @classmethod
    def encrypts(cls, parameters: Mapping[str, Any]) -> bool:
        return not str(parameters.get("endpoint_url", "")).startswith("http:")

    def __init__(self, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        self._name, self._prefix = parameters["bucket"], parameters.get("prefix", "")
        self._access = self.access(parameters, secrets)
        self._bucket = Bucket(self._access, self._name, self._prefix)

    @classmethod
    def access(cls, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> Access:
        """Return address and credentials of the store."""
        return Access(
            parameters.get("endpoint_url"),
            parameters.get("region"),
            parameters.get("addressing"),
            parameters["access_key_id"],
            secrets["secret_access_key"],
            secrets.get("session_token"),
        )

    # Reading folders

    def list(self, path: str) -> Iterator[Entry]:
        marker, exists = self._bucket.folder_key(path), False
        for page in self._bucket.pages(path):
            exists = exists or has_keys(page)
            for prefix in page.get("CommonPrefixes", ()):
                yield from self._entries_of_prefix(path, prefix["Prefix"], name_start=len(marker))
            for file_object in page.get("Contents", ()):
                if file_object["Key"] != marker or file_object["Size"]:
                    yield _object_entry(file_object, name_start=len(marker))
        if not exists:
            self._must_be_folder(path)

    def _entries_of_prefix(self, path: str, prefix: str, *, name_start: int) -> Iterator[Entry]:
        """Yield the folder that a prefix of keys is; every object below it where no path can express that folder."""
        name = prefix[name_start:-1]
        if paths.is_name(name):
            yield folder_entry(name)
            return
        for file_object in self._bucket.objects_below(path, prefix):
            yield _object_entry(file_object, name_start=name_start)

    def stat(self, path: str) -> Entry:
        folder = path.rstrip("/") or paths.ROOT
        answer = self._bucket.head(path) if folder == path != paths.ROOT else None
        if answer is not None:
            return file_entry(paths.name_of(path), answer["ContentLength"], answer.get("LastModified"))
        if not self._bucket.is_folder(folder) and folder != paths.ROOT:
            raise fault("not_found", f"{path} does not exist.")
        return folder_entry(paths.name_of(folder))

    @contextmanager
    def lookup(self, path: str) -> Iterator[Lookup]:
        entries = {f"{entry.name}/" if entry.kind is Kind.DIR else entry.name: entry for entry in self.list(path)}
        yield entries.get

    def digest(self, path: str, algorithm: str) -> str | None:
        mode = {"ChecksumMode": "ENABLED"} if algorithm == "sha256" else {}
        answer = self._bucket.head(path, **mode)
        if answer is None:
            raise self._bucket.not_found_error(path)
        if algorithm == "sha256":
            return _whole_sha256(answer)
        return None if self._bucket.has_own_etags else content_md5(answer)

    def _must_be_folder(self, path: str) -> None:
        """Raise when a folder has no key, not even its marker; the root always exists."""
        if path == paths.ROOT:
            return
        if self._bucket.head(path) is not None:
            raise fault("not_a_folder", f"{path} is not a folder.")
        raise fault("not_found", f"{path} does not exist.")

    # Files

    def open(self, path: str, *, offset: int = 0) -> Reader:
        if path == paths.ROOT:
            raise fault("not_a_file", f"{path} is a folder.")
        return S3Reader(self._bucket, path, offset)

    def write(
        self,
        path: str,
        *,
        partial: str,
        resume: PartialFile | None = None,
        properties: FileProperties | None = None,
    ) -> Writer:
        writer = S3Writer(self._bucket, path, partial, properties)
        if resume is not None:
            writer.resume(resume)
        return writer

    # Folders, deleting

    def mkdir(self, path: str, *, permissions: Permissions | None = None) -> bool:
        if path == paths.ROOT or self._bucket.is_folder(path):
            return False
        self._bucket.call("put_object", path, Key=self._bucket.folder_key(path), Body=b"")
        return True

    def delete(self, path: str) -> None:
        if path == paths.ROOT:
            raise fault("permission_denied", "The root of a collection cannot be deleted.")
        if self._bucket.head(path) is not None:
            self._bucket.call("delete_object", path, Key=self._bucket.key(path))
        elif path.endswith("/"):
            raise fault("not_found", f"{path} does not exist.")
        else:
            self.delete_folder(path)

    def delete_folder(self, path: str) -> None:
        marker = self._bucket.folder_key(path)
        objects = self._bucket.call("list_objects_v2", path, Prefix=marker, MaxKeys=2).get("Contents", [])
        if not objects:
            raise fault("not_found", f"{path} does not exist.")
        if any(file_object["Key"] != marker or file_object["Size"] for file_object in objects):
            raise fault("not_empty", f"{path} is not empty.")
        self._bucket.call("delete_object", path, Key=marker)

    # Partial files

    def remove_partial(self, path: str, partial: str) -> None:
        unfinished.remove(self._bucket, path, partial)

    def sweep(self, files: Sequence[str], *, prefix: str, keep: Container[str]) -> None:
        unfinished.sweep(self._bucket, files, prefix=prefix, keep=keep)

    def address(self) -> tuple[str, ...]:
        endpoint = self._access.endpoint_url or _AMAZON
        if endpoint.rpartition("://")[2].endswith(_AMAZON):  # in any region, because names of buckets are unique
            endpoint = _AMAZON
        return ("s3", endpoint, self._name, *paths.parts(self._prefix))

    def close(self) -> None:
        self._bucket.close()


def _object_entry(file_object: Mapping[str, Any], *, name_start: int) -> Entry:
    return file_entry(file_object["Key"][name_start:], file_object["Size"], file_object.get("LastModified"))


def _whole_sha256(answer: Mapping[str, Any]) -> str | None:
    """Return the SHA-256 of a whole object, None for an object in parts, whose checksum is a digest of digests."""
    stated = answer.get("ChecksumSHA256") or ""
    if answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT" or "-" in stated:
        return None
    try:
        digest = b64decode(stated, validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) == 32 else None
