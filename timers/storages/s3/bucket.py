"""One bucket and the prefix that belongs to a collection: the calls shared by storage, readers and writers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar
from weakref import WeakSet

from botocore.exceptions import ClientError

from timers.copying import paths
from timers.copying.plan import Entry, Kind
from timers.storages.base import fault
from timers.storages.s3.client import Access, client
from timers.storages.s3.faults import NOT_FOUND_CODES, code_of, faults, refusal_error

MAX_THREADS = 8
"""Number of ranges or parts of large files that are transferred at once."""

_NANOSECONDS_PER_SECOND = 1_000_000_000
_with_own_etags: WeakSet[Any] = WeakSet()
"""The clients of stores whose ETags look like the MD5 of the content and are something else."""

T = TypeVar("T")


class Bucket:
    """The keys of a collection in its bucket. No call is made before it is needed."""

    def __init__(self, access: Access, name: str, prefix: str) -> None:
        self._access, self.name, self._prefix = access, name, prefix
        self._client: Any = None
        self._pool: ThreadPoolExecutor | None = None

    @property
    def client(self) -> Any:
        if self._client is None:
            self._client = client(self._access)
        return self._client

    def submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Run a function in another thread, to move a range or part of a large file.

        The threads start with the first call.
        """
        if self._pool is None:
            self._pool = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="s3")
        try:
            return self._pool.submit(function, *arguments)
        except RuntimeError as error:
            raise self._closed_error() from error

    def result(self, future: Future[T]) -> T:
        """Return the result of a submitted call; raises `connection_error` after `close`."""
        try:
            return future.result()
        except CancelledError as error:
            raise self._closed_error() from error

    def _closed_error(self) -> Exception:
        return fault("connection_error", f"The connection to the bucket {self.name} was closed.")

    def close(self) -> None:
        """Let the threads end by themselves: the caller does not wait for their transfers."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def has_own_etags(self) -> bool:
        """Return whether the store was seen to have ETags that look like an MD5 and are none."""
        return self.client in _with_own_etags

    def remember_own_etags(self) -> None:
        _with_own_etags.add(self.client)

    # Names

    def key(self, path: str) -> str:
        """Return the key of a file."""
        return self._prefix + path.removeprefix("/")

    def folder_key(self, path: str) -> str:
        """Return the beginning of the keys of everything in a folder; it is also the key of the folder's marker."""
        return self._prefix if path == paths.ROOT else f"{self.key(path)}/"

    # Calls

    def call(self, operation: str, path: str, **parameters: Any) -> Any:
        """Call an operation of the store; every error is raised as a fault of `path`."""
        with faults(path, self.name):
            return getattr(self.client, operation)(Bucket=self.name, **parameters)

    def head(self, path: str, **parameters: Any) -> dict[str, Any] | None:
        """Return the store's answer about a file, None when there is no such file."""
        with faults(path, self.name):
            try:
                return dict(self.client.head_object(Bucket=self.name, Key=self.key(path), **parameters))
            except ClientError as error:
                if code_of(error) in NOT_FOUND_CODES:
                    return None
                self._raise_reason(error, path)
                raise

    def _raise_reason(self, error: ClientError, path: str) -> None:
        """Raise the reason of a refusal.

        An answer without a body has only a status, while a listing also has the error code.
        """
        try:
            self.client.list_objects_v2(Bucket=self.name, Prefix=self.key(path), MaxKeys=1)
        except ClientError as other:
            if code_of(other) != "AccessDenied":
                raise refusal_error(other, path, self.name) from error

    def is_folder(self, path: str) -> bool:
        """Return whether a folder has any key, even if it is only its marker."""
        return has_keys(self.call("list_objects_v2", path, Prefix=self.folder_key(path), MaxKeys=1))

    def not_found_error(self, path: str) -> Exception:
        """Return the error for a path without a file."""
        if self.is_folder(path):
            return fault("not_a_file", f"{path} is a folder.")
        return fault("not_found", f"{path} does not exist.")

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the pages of the listing of one folder; at least one."""
        return self._pages(path, Prefix=self.folder_key(path), Delimiter="/")

    def objects_below(self, path: str, prefix: str) -> Iterator[dict[str, Any]]:
        """Yield all objects whose keys begin with `prefix`, at any depth."""
        for page in self._pages(path, Prefix=prefix):
            yield from page.get("Contents", ())

    def _pages(self, path: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        continuation: dict[str, Any] = {}
        while True:
            page = self.call("list_objects_v2", path, **parameters, **continuation)
            yield page
            if not page.get("IsTruncated"):
                return
            continuation = {"ContinuationToken": page["NextContinuationToken"]}


def has_keys(page: dict[str, Any]) -> bool:
    """Return whether a page of a listing has any key; not every store counts them."""
    return bool(page.get("Contents") or page.get("CommonPrefixes"))


def file_entry(name: str, size: int, modified: datetime | None) -> Entry:
    """Return the entry of a file, its time in whole seconds: some answers are no more precise, and all must agree."""
    return Entry(
        name, Kind.FILE, size, None if modified is None else int(modified.timestamp()) * _NANOSECONDS_PER_SECOND
    )


def folder_entry(name: str) -> Entry:
    """Return the entry of a folder; stores keep no time for folders."""
    return Entry(name, Kind.DIR, 0, None)


def etag_of(answer: dict[str, Any]) -> str:
    """Return the ETag of an answer, without its quotes, in lower case."""
    return str(answer.get("ETag") or "").strip('"').lower()


def content_md5(answer: dict[str, Any]) -> str | None:
    """Return the MD5 of the content that was sent or is stored, as far as the answer states it, in lower-case hex.

    An ETag is this MD5 only for an upload in a single request that is not encrypted with its own key.
    """
    etag = etag_of(answer)
    plain = answer.get("ServerSideEncryption") in (None, "AES256") and not answer.get("SSECustomerAlgorithm")
    return etag if plain and len(etag) == 32 and not set(etag) - set("0123456789abcdef") else None
