"""Files that a web server shows: its folder pages, as Apache, nginx, Caddy and others make them, and what they link to.

A folder page is read for its links: those into the folder itself are its entries, and what is no link is not seen.
Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from itertools import islice
from typing import Any
from urllib.parse import urljoin, urlsplit

from timers.copying import paths
from timers.errors import ExternalError
from timers.parameters import Parameter, ParameterType
from timers.storages.base import (
    Abilities,
    Entry,
    FileProperties,
    Kind,
    PartialFile,
    Permissions,
    Reader,
    Storage,
    Writer,
    fault,
)
from timers.storages.http_places import names_of, read_url, server_address
from timers.storages.http_reading import HttpReader
from timers.storages.http_session import HttpResponse, HttpSession, http_faults, refuse, time_ns

MAX_PAGE_BYTES = 16 * 1024 * 1024
MAX_REQUESTS_AT_ONCE = 8
"""Number of files of a folder that the server is asked about at the same time."""

_FILES_AHEAD = 64
_REDIRECTS = frozenset({301, 302, 307, 308})
_NOT_OFFERED = frozenset({405, 501})
_MISSING = frozenset({404, 410})
_HTML = ("text/html", "application/xhtml+xml")


class HttpFilesStorage(Storage):
    """A folder of a web server, for reading only."""

    kind = "http"
    label = "HTTP (read only)"
    heading = "A web server"
    parameters = (
        Parameter(
            name="url",
            label="URL",
            type=ParameterType.URL,
            required=True,
            help_text="Of a folder whose page lists its files, like https://files.example.org/pub.",
            recipient="address",
        ),
    )
    abilities = Abilities(write=False, properties=True, streams=4)

    @classmethod
    def clean(cls, parameters: Mapping[str, Any], *, owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        public, secrets = super().clean(parameters, owner=owner)
        return {"url": read_url(public["url"])}, secrets

    @classmethod
    def encrypts(cls, parameters: Mapping[str, Any]) -> bool:
        return str(parameters.get("url", "")).startswith("https:")

    def __init__(self, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        self._session = HttpSession(parameters["url"])

    # Reading folders

    def list(self, path: str) -> Iterator[Entry]:
        links = _links(self._page(path), self._session.url(self._session.location(path, folder=True)))
        yield from (Entry(name, Kind.DIR) for name, is_folder in links.items() if is_folder)
        with ThreadPoolExecutor(MAX_REQUESTS_AT_ONCE, thread_name_prefix="http") as pool:
            names = (name for name, is_folder in links.items() if not is_folder)
            while ahead := [*islice(names, _FILES_AHEAD)]:
                yield from pool.map(lambda name: self._entry(path, name), ahead)

    def _page(self, path: str) -> str:
        """Return the text of a folder page."""
        location = self._session.location(path, folder=True)
        with self._session.request("GET", location, path=path) as response:
            if response.status in _MISSING:
                raise self._missing_error(path)
            if response.status != 200:
                refuse(response, path)
            content_type = (response.header("content-type") or "").lower()
            if not content_type.startswith(_HTML):
                raise fault("unsupported", f"{path}: the server shows no list of files here.")
            with http_faults(path, self._session.target.authority):
                page = response.read_all(MAX_PAGE_BYTES)
        if page is None:
            raise fault("unsupported", f"{path}: the server's list of files is too long.")
        return page.decode("utf-8", "replace")

    def _missing_error(self, path: str) -> ExternalError:
        if path != paths.ROOT and self._describe(path) is not None:
            return fault("not_a_folder", f"{path} is not a folder.")
        return fault("not_found", f"{path} does not exist.")

    def _entry(self, folder: str, name: str) -> Entry:
        """Return the entry of a link; its kind is unknown where the server does not tell more about it."""
        if not paths.is_name(name):
            return Entry(name, Kind.FILE)
        entry = self._describe(paths.join(folder, name), for_listing=True)
        return Entry(name, Kind.UNKNOWN) if entry is None else entry

    def stat(self, path: str) -> Entry:
        entry = self._describe(path) if path != paths.ROOT else None
        if entry is None and self._is_folder(path):
            entry = Entry(paths.name_of(path), Kind.DIR)
        if entry is None:
            raise fault("not_found", f"{path} does not exist.")
        return entry

    def _describe(self, path: str, *, for_listing: bool = False) -> Entry | None:
        """Return the entry of a path as a file, or of a folder that the server redirects to; None without one."""
        location, name = self._session.location(path), paths.name_of(path)
        with self._head(location, path) as response:
            if response.status in _REDIRECTS and self._leads_to_folder(response, location):
                return Entry(name, Kind.DIR)
            if response.status in _MISSING or (for_listing and response.status in (401, 403)):
                return None
            if response.status not in (200, 206):
                refuse(response, path)
            size, modified_ns = _size(response), time_ns(response.header("last-modified"))
        return Entry(name, Kind.UNKNOWN if size is None else Kind.FILE, size or 0, modified_ns)

    def _is_folder(self, path: str) -> bool:
        with self._head(self._session.location(path, folder=True), path) as response:
            if response.status not in (200, 206, *_MISSING):
                refuse(response, path)
            return response.status not in _MISSING

    def _head(self, location: str, path: str) -> HttpResponse:
        """Return the answer about a location; a server that offers no HEAD is asked for one byte."""
        response = self._session.request("HEAD", location, path=path)
        if response.status not in _NOT_OFFERED:
            return response
        response.close()
        return self._session.request("GET", location, path=path, headers={"Range": "bytes=0-0"})

    def _leads_to_folder(self, response: HttpResponse, location: str) -> bool:
        """Return whether an answer leads to the same location with a slash at its end."""
        target = urlsplit(urljoin(self._session.url(location), response.header("location") or ""))
        return target.path.endswith("/") and names_of(target.path) == names_of(location)

    # Files

    def open(self, path: str, *, offset: int = 0) -> Reader:
        if path == paths.ROOT:
            raise fault("not_a_file", f"{path} is a folder.")
        try:
            return HttpReader(self._session, path, offset=offset, stat=lambda: self.stat(path), with_properties=True)
        except ExternalError as error:
            if error.reason in ("unsupported", "not_found") and self.stat(path).kind is Kind.DIR:
                raise fault("not_a_file", f"{path} is a folder.") from error
            raise

    def address(self) -> tuple[str, ...]:
        return server_address("http", self._session)

    def close(self) -> None:
        self._session.close()

    # What a web server does not do

    def write(
        self,
        path: str,
        *,
        partial: str,
        resume: PartialFile | None = None,
        properties: FileProperties | None = None,
    ) -> Writer:
        raise _read_only(path)

    def mkdir(self, path: str, *, permissions: Permissions | None = None) -> bool:
        raise _read_only(path)

    def delete(self, path: str) -> None:
        raise _read_only(path)


def _read_only(path: str) -> ExternalError:
    return fault("unsupported", f"{path}: a web server's files can only be read.")


def _size(response: HttpResponse) -> int | None:
    if response.status != 206:
        return response.length
    total = (response.header("content-range") or "").rpartition("/")[2]
    return int(total) if total.isascii() and total.isdigit() else None


def _links(page: str, url: str) -> dict[str, bool]:
    """Return the names in a folder that its page links to, and whether each is a folder."""
    parser = _LinkParser()
    parser.feed(page)
    parser.close()
    return dict(sorted(_in_folder(parser.links, url)))  # of two links to one name the one to a folder counts


def _in_folder(links: Iterable[str], url: str) -> Iterator[tuple[str, bool]]:
    base = urlsplit(url)
    folder = names_of(base.path)
    for link in links:
        try:
            target = urlsplit(urljoin(url, link))
        except ValueError:  # no URL at all
            continue
        names = names_of(target.path)
        is_here = (target.scheme, target.netloc) == (base.scheme, base.netloc) and names[:-1] == folder
        if is_here and not target.query and len(names) > len(folder) and names[-1] not in (".", ".."):
            yield names[-1], target.path.endswith("/")


class _LinkParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value.strip() for name, value in attrs if name == "href" and value]
