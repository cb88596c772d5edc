"""One bucket and the part of it that belongs to a collection: the calls that the storage, readers and writers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from timers.copying import paths
from timers.copying.plan import Entry, Kind
from timers.storages.base import fault
from timers.storages.s3.client import Access, client
from timers.storages.s3.faults import MISSING, code_of, faults, refused

THREADS = 8
"""How many pieces of large files are on their way at once."""

_SECOND = 1_000_000_000

T = TypeVar("T")


class Bucket:
    """Where a collection's keys are. Nothing is called before it is needed."""

    def __init__(self, access: Access, name: str, prefix: str) -> None:
        self._access, self.name, self._prefix = access, name, prefix
        self._client: Any = None
        self._pool: ThreadPoolExecutor | None = None

    @property
    def client(self) -> Any:
        if self._client is None:
            self._client = client(self._access)
        return self._client

    def submit(self, do: Callable[..., T], *arguments: Any) -> Future[T]:
        """Let a thread beside this one move a piece of a large file; the threads start with the first one."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
        try:
            return self._pool.submit(do, *arguments)
        except RuntimeError as error:
            raise self._is_closed() from error

    def result(self, future: Future[T]) -> T:
        """Return what became of a piece."""
        try:
            return future.result()
        except CancelledError as error:
            raise self._is_closed() from error

    def _is_closed(self) -> Exception:
        return fault("connection_error", f"The connection to the bucket {self.name} was closed.")

    def close(self) -> None:
        """Let the threads end by themselves: whoever closes this does not wait for what is on its way."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    # Names

    def key(self, path: str) -> str:
        """Return the key of a file."""
        return self._prefix + path.removeprefix("/")

    def folder_key(self, path: str) -> str:
        """Return how the keys of everything in a folder begin; it is the folder's marker, too."""
        return self._prefix if path == paths.ROOT else f"{self.key(path)}/"

    # Questions

    def call(self, operation: str, path: str, **parameters: Any) -> Any:
        """Ask the store; whatever goes wrong is a fault of that path."""
        with faults(path, self.name):
            return getattr(self.client, operation)(Bucket=self.name, **parameters)

    def head(self, path: str, **parameters: Any) -> dict[str, Any] | None:
        """Return what the store says of a file, None when there is no such file."""
        with faults(path, self.name):
            try:
                return dict(self.client.head_object(Bucket=self.name, Key=self.key(path), **parameters))
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                self._explain(error, path)
                raise

    def _explain(self, error: ClientError, path: str) -> None:
        """Raise the reason of a refusal: an answer without a body has only a number, listing tells the words."""
        try:
            self.client.list_objects_v2(Bucket=self.name, Prefix=self.key(path), MaxKeys=1)
        except ClientError as other:
            if code_of(other) != "AccessDenied":
                raise refused(other, path, self.name) from error

    def is_folder(self, path: str) -> bool:
        """Return whether any key lies in that folder, were it only the folder's marker."""
        return bool(self.call("list_objects_v2", path, Prefix=self.folder_key(path), MaxKeys=1).get("KeyCount"))

    def missing(self, path: str) -> Exception:
        """Return the error for a path where there is no file."""
        if self.is_folder(path):
            return fault("not_a_file", f"{path} is a folder.")
        return fault("not_found", f"{path} does not exist.")

    def pages(self, path: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Yield the answers that list one folder; at least one."""
        more: dict[str, Any] = {}
        while True:
            page = self.call("list_objects_v2", path, Prefix=self.folder_key(path), Delimiter="/", **parameters, **more)
            yield page
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}


def file_entry(name: str, size: int, modified: datetime | None) -> Entry:
    """Return the entry of a file, its time in whole seconds: some answers tell no more, and all must agree."""
    return Entry(name, Kind.FILE, size, None if modified is None else int(modified.timestamp()) * _SECOND)


def folder_entry(name: str) -> Entry:
    """Return the entry of a folder; stores know no time of it."""
    return Entry(name, Kind.DIR, 0, None)


def etag_of(answer: dict[str, Any]) -> str:
    """Return the store's word for a version of an object, without its quotes."""
    return str(answer.get("ETag") or "").strip('"').lower()


def content_md5(answer: dict[str, Any]) -> str | None:
    """Return the MD5 of what was sent or is stored, as far as the answer states it, in lower-case hex.

    An ETag is that only of what was uploaded in one piece and is not encrypted with a key of its own.
    """
    etag = etag_of(answer)
    plain = answer.get("ServerSideEncryption") in (None, "AES256") and not answer.get("SSECustomerAlgorithm")
    return etag if plain and len(etag) == 32 and not set(etag) - set("0123456789abcdef") else None
