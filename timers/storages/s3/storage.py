"""Buckets of Amazon S3 and of all that speaks like it.

A store knows no folders, only keys. A folder is there when a key begins with its name and a slash; one that is made is
kept by an empty object of that very name, so that it is there without files, too. A folder that nobody made goes with
its last file. Where both a file and a folder have one name, both are listed and the file is meant by it.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from timers.copying import paths
from timers.storages.base import Abilities, Entry, Reader, Storage, UnfinishedFile, Writer, fault
from timers.storages.s3 import unfinished
from timers.storages.s3.bucket import Bucket, content_md5, file_entry, folder_entry
from timers.storages.s3.client import Access
from timers.storages.s3.folders import FOLDERS, KnownFolders
from timers.storages.s3.parameters import PARAMETERS
from timers.storages.s3.parameters import clean as clean_parameters
from timers.storages.s3.reading import S3Reader
from timers.storages.s3.writing import S3Writer

_AMAZON = "amazonaws.com"
_PAGES = 20
"""How much of a large folder is listed before files are written; later names are looked up one by one."""

_NO_NAME = "\udcff"
"""Makes a name one that is no text: what a path cannot say is told by name, and left alone."""


class S3Storage(Storage):
    """A bucket, or what lies below a prefix of one."""

    kind = "s3"
    label = "S3"
    heading = "A bucket"
    parameters = PARAMETERS
    abilities = Abilities(resume=True, checksums=("md5", "sha256"), streams=8)

    @classmethod
    def clean(cls, parameters: Mapping[str, Any], *, owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Check the parameters; everybody may have a bucket, at every address that may be called from here."""
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
        self._place = (access, self._name)

    # What is there

    def list(self, path: str) -> Iterator[Entry]:
        marker, found = self._bucket.folder_key(path), False
        for page in self._bucket.pages(path):
            found = found or bool(page.get("KeyCount"))
            for each in page.get("CommonPrefixes", ()):
                yield _named(folder_entry(each["Prefix"][len(marker) : -1]))
            for each in page.get("Contents", ()):
                if each["Key"] != marker:
                    yield _named(file_entry(each["Key"][len(marker) :], each["Size"], each.get("LastModified")))
        if not found:
            self._must_be_folder(path)

    def stat(self, path: str) -> Entry:
        found = self._bucket.head(path) if path != paths.ROOT else None
        if found is not None:
            return file_entry(paths.name_of(path), found["ContentLength"], found.get("LastModified"))
        if not self._bucket.is_folder(path) and path != paths.ROOT:
            raise fault("not_found", f"{path} does not exist.")
        return folder_entry(paths.name_of(path))

    def digest(self, path: str, algorithm: str) -> str | None:
        mode = {"ChecksumMode": "ENABLED"} if algorithm == "sha256" else {}
        found = self._bucket.head(path, **mode)
        if found is None:
            raise self._bucket.missing(path)
        return _whole_sha256(found) if algorithm == "sha256" else content_md5(found)

    def _must_be_folder(self, path: str) -> None:
        """Raise when nothing lies in a folder, not even its marker; the root is always there."""
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

    def write(self, path: str, *, part: str, resume: UnfinishedFile | None = None) -> Writer:
        self._folder(paths.parent(path))
        writer = S3Writer(self._bucket, path, part, allow=self._refuse_folder)
        if resume is not None:
            writer.resume(resume)
        return writer

    def _refuse_folder(self, path: str) -> None:
        if self._is_folder(path):
            raise fault("not_a_file", f"{path} is a folder.")

    def _is_folder(self, path: str) -> bool:
        """Return whether a folder stands there; what is known of the one around it mostly rules that out."""
        above, key = paths.parent(path), self._bucket.folder_key(path)
        known = self._folder(above)
        if not known.covers(key) and known.pages < _PAGES:
            self._look_on(above, known)
        return (not known.covers(key) or paths.name_of(path) in known.folders) and self._bucket.is_folder(path)

    def _folder(self, path: str) -> KnownFolders:
        """Return what is known of a folder, found out at its first use; raises when there is none."""
        return FOLDERS.get(self._id(path)) or FOLDERS.put(self._id(path), self._look(path))

    def _id(self, path: str) -> tuple[object, ...]:
        return (*self._place, self._bucket.folder_key(path))

    def _look(self, path: str) -> KnownFolders:
        known = KnownFolders()
        page = self._look_on(path, known)
        if not page.get("KeyCount"):
            self._must_be_folder(path)
        return known

    def _look_on(self, path: str, known: KnownFolders) -> dict[str, Any]:
        """Find out more about a folder by one listing, which is returned."""
        after = {"StartAfter": known.upto} if known.upto else {}
        page = next(self._bucket.pages(path, **after))
        marker = self._bucket.folder_key(path)
        folders = [each["Prefix"] for each in page.get("CommonPrefixes", ())]
        known.folders.update(prefix[len(marker) : -1] for prefix in folders)
        known.pages += 1
        last = max([*folders, *(each["Key"] for each in page.get("Contents", ()))], default=None)
        known.upto = last if page.get("IsTruncated") else None
        return page

    # Folders, deleting

    def mkdir(self, path: str) -> bool:
        if path == paths.ROOT or FOLDERS.get(self._id(path)):
            self._folder(path)
            return False
        above = paths.parent(path)
        self.mkdir(above)
        if self._is_folder(path):
            return False
        if self._bucket.head(path) is not None:
            raise fault("not_a_folder", f"{path} is not a folder.")
        self._bucket.call("put_object", path, Key=self._bucket.folder_key(path), Body=b"")
        self._folder(above).folders.add(paths.name_of(path))
        FOLDERS.put(self._id(path), KnownFolders())
        return True

    def delete(self, path: str) -> None:
        if path == paths.ROOT:
            raise fault("permission_denied", "The root of a collection cannot be deleted.")
        FOLDERS.forget(self._id(paths.parent(path)))
        if self._bucket.head(path) is not None:
            self._bucket.call("delete_object", path, Key=self._bucket.key(path))
        else:
            FOLDERS.forget(self._id(path))
            self._delete_folder(path)

    def _delete_folder(self, path: str) -> None:
        marker = self._bucket.folder_key(path)
        held = self._bucket.call("list_objects_v2", path, Prefix=marker, MaxKeys=2).get("Contents", [])
        if not held:
            raise fault("not_found", f"{path} does not exist.")
        if any(each["Key"] != marker for each in held):
            raise fault("not_empty", f"{path} is not empty.")
        self._bucket.call("delete_object", path, Key=marker)

    # Unfinished parts

    def remove_part(self, path: str, part: str) -> None:
        unfinished.remove(self._bucket, path, part)

    def sweep(self, files: Sequence[str], *, prefix: str, keep: Container[str]) -> None:
        unfinished.sweep(self._bucket, files, prefix=prefix, keep=keep)

    def address(self) -> tuple[str, ...]:
        endpoint = self._endpoint or _AMAZON
        if endpoint.rpartition("://")[2].endswith(_AMAZON):  # whatever the region: a bucket's name is Amazon's only one
            endpoint = _AMAZON
        return ("s3", endpoint, self._name, *paths.parts(self._prefix))

    def close(self) -> None:
        self._bucket.close()


def _named(entry: Entry) -> Entry:
    """Return an entry under a name that paths can say, or under one that is plainly no name."""
    return entry if paths.is_name(entry.name) else entry._replace(name=entry.name.replace("\0", "") + _NO_NAME)


def _whole_sha256(answer: Mapping[str, Any]) -> str | None:
    """Return the SHA-256 of a whole object; that of one in parts is a digest of digests."""
    stated = answer.get("ChecksumSHA256") or ""
    if answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT" or "-" in stated:
        return None
    try:
        digest = b64decode(stated, validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) == 32 else None
