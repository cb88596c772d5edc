"""Buckets of Amazon S3 and of compatible stores.

A store has no folders, only keys. A folder exists when a key begins with its name and a slash. A folder that is made
gets an empty object of that name, its marker, so that it exists without files too. A folder without a marker disappears
with its last file. Where a file and a folder have the same name, both are listed and the name means the file.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from timers.copying import paths
from timers.storages.base import (
    Abilities,
    Entry,
    FileProperties,
    PartialFile,
    Permissions,
    Reader,
    Storage,
    Writer,
    fault,
)
from timers.storages.s3 import unfinished
from timers.storages.s3.bucket import Bucket, content_md5, file_entry, folder_entry
from timers.storages.s3.client import Access
from timers.storages.s3.folders import FOLDER_CACHE, KnownFolders
from timers.storages.s3.parameters import PARAMETERS
from timers.storages.s3.parameters import clean as clean_parameters
from timers.storages.s3.reading import S3Reader
from timers.storages.s3.writing import S3Writer

_AMAZON = "amazonaws.com"
_MAX_LISTED_PAGES = 20
"""Number of pages of a large folder that are listed before files are written; later names are looked up one by one."""

_INVALID_NAME_MARK = "\udcff"
"""Makes a name invalid text. A key that no path can express is listed under such a name, and left alone."""


class S3Storage(Storage):
    """A bucket, or a prefix of one."""

    kind = "s3"
    label = "S3"
    heading = "A bucket"
    parameters = PARAMETERS
    abilities = Abilities(properties=True, exact_names=True, resume=True, checksums=("md5", "sha256"), streams=8)

    @classmethod
    def clean(cls, parameters: Mapping[str, Any], *, owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the checked parameters.

        Every user may have a bucket, at every address that may be called from here.
        """
        return clean_parameters(parameters)

    @classmethod
    def place(cls, parameters: Mapping[str, Any]) -> str:
        return "/".join(filter(None, (parameters.get(name) for name in ("endpoint_url", "bucket", "prefix"))))

    def __init__(self, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        self._name, self._prefix = parameters["bucket"], parameters.get("prefix", "")
        self._endpoint = parameters.get("endpoint_url")
        access = Access(
            self._endpoint,
            parameters.get("region"),
            parameters.get("addressing"),
            parameters["access_key_id"],
            secrets["secret_access_key"],
            secrets.get("session_token"),
        )
        self._bucket = Bucket(access, self._name, self._prefix)
        self._bucket_id = (access, self._name)

    # Reading folders

    def list(self, path: str) -> Iterator[Entry]:
        marker, has_keys = self._bucket.folder_key(path), False
        for page in self._bucket.pages(path):
            has_keys = has_keys or bool(page.get("KeyCount"))
            for prefix in page.get("CommonPrefixes", ()):
                yield _with_marked_name(folder_entry(prefix["Prefix"][len(marker) : -1]))
            for file_object in page.get("Contents", ()):
                if file_object["Key"] != marker:
                    yield _with_marked_name(
                        file_entry(
                            file_object["Key"][len(marker) :], file_object["Size"], file_object.get("LastModified")
                        )
                    )
        if not has_keys:
            self._must_be_folder(path)

    def stat(self, path: str) -> Entry:
        answer = self._bucket.head(path) if path != paths.ROOT else None
        if answer is not None:
            return file_entry(paths.name_of(path), answer["ContentLength"], answer.get("LastModified"))
        if not self._bucket.is_folder(path) and path != paths.ROOT:
            raise fault("not_found", f"{path} does not exist.")
        return folder_entry(paths.name_of(path))

    def digest(self, path: str, algorithm: str) -> str | None:
        mode = {"ChecksumMode": "ENABLED"} if algorithm == "sha256" else {}
        answer = self._bucket.head(path, **mode)
        if answer is None:
            raise self._bucket.not_found_error(path)
        return _whole_sha256(answer) if algorithm == "sha256" else content_md5(answer)

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
        self._folder(paths.parent(path))
        writer = S3Writer(self._bucket, path, partial, check_target=self._refuse_folder)
        if resume is not None:
            writer.resume(resume)
        return writer

    def _refuse_folder(self, path: str) -> None:
        if self._is_folder(path):
            raise fault("not_a_file", f"{path} is a folder.")

    def _is_folder(self, path: str) -> bool:
        """Return whether a path is a folder; the known folders of its parent mostly rule that out."""
        folder, key = paths.parent(path), self._bucket.folder_key(path)
        known = self._folder(folder)
        if not known.covers(key) and known.pages < _MAX_LISTED_PAGES:
            self._list_next_page(folder, known)
        return (not known.covers(key) or paths.name_of(path) in known.folders) and self._bucket.is_folder(path)

    def _folder(self, path: str) -> KnownFolders:
        """Return the known folders of a folder, listed at its first use; raises when there is no such folder."""
        return FOLDER_CACHE.get(self._cache_key(path)) or FOLDER_CACHE.put(
            self._cache_key(path), self._list_first_page(path)
        )

    def _cache_key(self, path: str) -> tuple[object, ...]:
        return (*self._bucket_id, self._bucket.folder_key(path))

    def _list_first_page(self, path: str) -> KnownFolders:
        known = KnownFolders()
        page = self._list_next_page(path, known)
        if not page.get("KeyCount"):
            self._must_be_folder(path)
        return known

    def _list_next_page(self, path: str, known: KnownFolders) -> dict[str, Any]:
        """Add one page of a listing to the known folders, and return it."""
        after = {"StartAfter": known.listed_until} if known.listed_until else {}
        page = next(self._bucket.pages(path, **after))
        marker = self._bucket.folder_key(path)
        folders = [prefix["Prefix"] for prefix in page.get("CommonPrefixes", ())]
        known.folders.update(prefix[len(marker) : -1] for prefix in folders)
        known.pages += 1
        last = max([*folders, *(file_object["Key"] for file_object in page.get("Contents", ()))], default=None)
        known.listed_until = last if page.get("IsTruncated") else None
        return page

    # Folders, deleting

    def mkdir(self, path: str, *, permissions: Permissions | None = None) -> bool:
        if path == paths.ROOT or FOLDER_CACHE.get(self._cache_key(path)):
            self._folder(path)
            return False
        folder = paths.parent(path)
        self.mkdir(folder)
        if self._is_folder(path):
            return False
        if self._bucket.head(path) is not None:
            raise fault("not_a_folder", f"{path} is not a folder.")
        self._bucket.call("put_object", path, Key=self._bucket.folder_key(path), Body=b"")
        self._folder(folder).folders.add(paths.name_of(path))
        FOLDER_CACHE.put(self._cache_key(path), KnownFolders())
        return True

    def delete(self, path: str) -> None:
        if path == paths.ROOT:
            raise fault("permission_denied", "The root of a collection cannot be deleted.")
        FOLDER_CACHE.forget(self._cache_key(paths.parent(path)))
        if self._bucket.head(path) is not None:
            self._bucket.call("delete_object", path, Key=self._bucket.key(path))
        else:
            FOLDER_CACHE.forget(self._cache_key(path))
            self._delete_folder(path)

    def _delete_folder(self, path: str) -> None:
        marker = self._bucket.folder_key(path)
        objects = self._bucket.call("list_objects_v2", path, Prefix=marker, MaxKeys=2).get("Contents", [])
        if not objects:
            raise fault("not_found", f"{path} does not exist.")
        if any(file_object["Key"] != marker for file_object in objects):
            raise fault("not_empty", f"{path} is not empty.")
        self._bucket.call("delete_object", path, Key=marker)

    # Partial files

    def remove_partial(self, path: str, partial: str) -> None:
        unfinished.remove(self._bucket, path, partial)

    def sweep(self, files: Sequence[str], *, prefix: str, keep: Container[str]) -> None:
        unfinished.sweep(self._bucket, files, prefix=prefix, keep=keep)

    def address(self) -> tuple[str, ...]:
        endpoint = self._endpoint or _AMAZON
        if endpoint.rpartition("://")[2].endswith(_AMAZON):  # in any region, because names of buckets are unique
            endpoint = _AMAZON
        return ("s3", endpoint, self._name, *paths.parts(self._prefix))

    def close(self) -> None:
        self._bucket.close()


def _with_marked_name(entry: Entry) -> Entry:
    """Return an entry unchanged if paths can express its name, else under a name that is clearly invalid."""
    return (
        entry if paths.is_name(entry.name) else entry._replace(name=entry.name.replace("\0", "") + _INVALID_NAME_MARK)
    )


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
