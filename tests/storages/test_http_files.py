"""Web servers as sources: the contract where one serves a folder, and the pages of other servers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import scratch
from tests.contracts.storage import PART, StorageContract, get, names
from tests.loopback import Reply, answers, free_port, says, scripted
from timers import targets
from timers.errors import ExternalError, Invalid
from timers.storages import http_files
from timers.storages.base import Kind, Writer
from timers.storages.http_files import HttpFilesStorage
from timers.storages.local import LocalStorage


@pytest.fixture(autouse=True)
def loopback_is_open(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = targets.parse_networks("127.0.0.0/8")


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder by the server of the standard library; yield its URL."""
    with running(partial(_Handler, directory=str(folder))) as url:
        yield url


@contextmanager
def running(handler: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def folder() -> Path:
    return scratch.new_folder("served")


@pytest.fixture
def storage(folder: Path) -> Iterator[HttpFilesStorage]:
    with serving(folder) as url, opened(url) as storage:
        yield storage


def opened(url: str) -> HttpFilesStorage:
    return HttpFilesStorage(*HttpFilesStorage.clean({"url": url}, owner=None))


def fails(reason: str, *, match: str | None = None) -> Any:
    return pytest.raises(ExternalError, match=match, check=lambda error: error.reason == reason)


class FilledStorage(HttpFilesStorage):
    """Reads over HTTP, and is filled through the disk."""

    abilities = replace(HttpFilesStorage.abilities, write=True, rename=True)

    def __init__(self, url: str, disk: LocalStorage) -> None:
        super().__init__({"url": url}, {})
        self._disk = disk

    def write(self, path: str, **options: Any) -> Writer:
        return self._disk.write(path, **options)

    def mkdir(self, path: str, **options: Any) -> bool:
        return self._disk.mkdir(path, **options)

    def delete(self, path: str) -> None:
        self._disk.delete(path)

    def rename(self, source: str, target: str) -> None:
        self._disk.rename(source, target)


class TestHttpFilesStorage(StorageContract):
    @pytest.fixture
    def storage(self, folder: Path, settings: Any) -> Iterator[FilledStorage]:
        settings.TIMERS_LOCAL_ROOTS = (folder,)
        with (
            serving(folder) as url,
            LocalStorage({"root": str(folder)}, {}) as disk,
            FilledStorage(url, disk) as storage,
        ):
            yield storage


class TestReadOnly:
    def test_nothing_is_written(self, storage: HttpFilesStorage, folder: Path) -> None:
        (folder / "f").write_bytes(b"x")

        assert not storage.abilities.write
        for attempt in (
            lambda: storage.write("/f", partial=PART),
            lambda: storage.mkdir("/d"),
            lambda: storage.delete("/f"),
            lambda: storage.delete_folder("/d"),
            lambda: storage.rename("/f", "/g"),
            lambda: storage.make_link("/f", "x"),
        ):
            with fails("unsupported", match="/[fd]"):
                attempt()
        assert (folder / "f").read_bytes() == b"x"


def page(*links: str) -> Reply:
    body = "".join(f'<a href="{link}">x</a>' for link in links)
    return answers(f"<html><body><pre>{body}</pre></body></html>".encode(), "Content-Type: text/html; charset=utf-8")


def file(size: int = 5, *headers: str) -> Reply:
    return answers(b"x" * size, *headers)


@contextmanager
def replying(replies: dict[str, Reply]) -> Iterator[str]:
    """Serve each request by the reply for its method and path, in whatever order they come; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            replies[f"{self.command} {self.path}"](self.connection, threading.Event())

        do_GET = do_HEAD = reply

        def log_message(self, format: str, *args: object) -> None:
            pass

    with running(Handler) as url:
        yield url


class TestPages:
    @pytest.mark.parametrize(
        ("links", "listed"),
        [
            # as Apache, nginx, Caddy and Python make them
            (["?C=N;O=D", "?C=M;O=A", "/pub/", "a.iso", "sub/"], ["a.iso", "sub"]),
            (["../", "a%20b", "sub%20folder/"], ["a b", "sub folder"]),
            (["./a", "./sub/", "..", "./"], ["a", "sub"]),
            (["/pub/d/a", "http://HOST/pub/d/b"], ["a", "b"]),
            # what is not in the folder
            (["/pub/d/sub/a", "/pub/da", "/", "//other.example.org/pub/d/a", "https://HOST/pub/d/a"], []),
            (["a?download=1", "#top", "mailto:a@example.org", "javascript:void(0)", "http://[", "", "a b/c"], []),
            # odd names
            (["%C5%BC%C3%B3", "%23%3F%26", "%2525", "a&amp;b", "a#part"], ["#?&", "%25", "a", "a&b", "żó"]),
            (["ma%F1ana", "a%2Fb", "%2E%2E/", "%2E"], ["a/b", "ma\udcf1ana"]),
            (["a", "a", "a/"], ["a"]),
        ],
    )
    def test_the_links_into_the_folder_are_its_entries(self, links: list[str], listed: list[str]) -> None:
        def reply(connection: Any, closing: Any) -> None:
            here = [link.replace("HOST", f"127.0.0.1:{server.port}") for link in links]
            is_page = server.requests[-1].startswith(b"GET ")
            (page(*here) if is_page else file())(connection, closing)

        with scripted(reply) as server, opened(server.url("/pub")) as storage:
            assert names(storage, "/d") == sorted(listed)

    def test_what_is_linked_is_described_by_the_server(self) -> None:
        replies = {
            "GET /d/": page("big", "moved", "gone", "kept", "endless", "sub/"),
            "HEAD /d/big": file(7, "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT"),
            "HEAD /d/moved": answers(b"", "Location: /d/moved/", status="301 Moved Permanently"),
            "HEAD /d/gone": answers(status="404 Not Found"),
            "HEAD /d/kept": answers(status="403 Forbidden"),
            "HEAD /d/endless": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        }

        with replying(replies) as url, opened(url) as storage:
            listed = {entry.name: entry for entry in storage.list("/d")}

        assert {name: entry.kind for name, entry in listed.items()} == {
            "big": Kind.FILE,
            "moved": Kind.DIR,
            "gone": Kind.UNKNOWN,
            "kept": Kind.UNKNOWN,
            "endless": Kind.UNKNOWN,
            "sub": Kind.DIR,
        }
        assert (listed["big"].size, listed["big"].modified_ns) == (7, 1_445_412_480 * 10**9)

    def test_a_fault_of_the_server_ends_the_listing(self) -> None:
        replies = {"GET /": page("a"), "HEAD /a": answers(status="500 Internal Server Error")}

        with replying(replies) as url, opened(url) as storage, fails("storage_error"):
            names(storage)

    def test_a_server_without_head_is_asked_for_one_byte(self) -> None:
        part = says(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/9\r\n\r\nx")
        replies = {"HEAD /a": answers(status="405 Method Not Allowed"), "GET /a": part}

        with replying(replies) as url, opened(url) as storage:
            assert storage.stat("/a").size == 9

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (answers(b"text", "Content-Type: text/plain"), "unsupported"),
            (answers(status="403 Forbidden"), "permission_denied"),
            (answers(b"", "Location: /login", status="302 Found"), "unsupported"),
            (answers(status="503 Service Unavailable"), "unavailable"),
            (says(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99\r\n\r\n<a"), "connection_error"),
            (says(b"no http at all"), "connection_error"),
        ],
    )
    def test_what_is_no_page_of_a_folder_is_told(self, reply: Reply, reason: str) -> None:
        with scripted(reply) as server, opened(server.url("/")) as storage, fails(reason, match="/d"):
            names(storage, "/d")

    def test_a_page_is_read_to_a_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_files, "MAX_PAGE_BYTES", 100)

        with (
            scripted(page(*"abcdefgh")) as server,
            opened(server.url("/")) as storage,
            fails("unsupported", match="too long"),
        ):
            names(storage)


class TestReading:
    def test_a_file_is_read_from_an_offset_where_the_server_cannot_skip(
        self, storage: HttpFilesStorage, folder: Path
    ) -> None:
        (folder / "f").write_bytes(b"0123456789" * 100_000)

        assert get(storage, "/f", offset=999_997) == b"789"
        assert get(storage, "/f", offset=1_000_000) == b""

    def test_a_server_that_can_is_asked_for_the_rest_alone(self) -> None:
        part = says(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 7-9/10\r\n\r\n789")

        with scripted(part) as server, opened(server.url("/")) as storage:
            assert get(storage, "/f", offset=7) == b"789"

        assert server.head()["range"] == "bytes=7-"

    def test_a_part_that_was_not_asked_for_is_refused(self) -> None:
        part = says(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 0-2/10\r\n\r\n012")

        with scripted(part) as server, opened(server.url("/")) as storage, fails("unsupported"):
            storage.open("/f", offset=7)

    def test_a_connection_that_breaks_is_made_again_for_the_rest(self) -> None:
        def part(start: int, data: bytes, etag: str = "e", total: int = 10) -> Reply:
            head = f"Content-Length: {total - start}\r\nContent-Range: bytes {start}-{total - 1}/{total}\r\n"
            status = "206 Partial Content" if start else "200 OK"
            return says(f'HTTP/1.1 {status}\r\n{head}ETag: "{etag}"\r\n\r\n'.encode() + data)

        with scripted(part(0, b"012"), part(3, b"3456"), part(7, b"789")) as server, opened(server.url("/")) as storage:
            assert get(storage, "/f") == b"0123456789"
        assert [server.head(number)["range"] for number in (1, 2)] == ["bytes=3-", "bytes=7-"]

        for other, reason in (
            (part(3, b"3456789", etag="other"), "source_changed"),
            (part(3, b"3456", total=7), "source_changed"),
            (part(0, b"0123456789"), "storage_error"),
        ):
            with (
                scripted(part(0, b"012"), other) as server,
                opened(server.url("/")) as storage,
                fails(reason, match="/f"),
            ):
                get(storage, "/f")

    def test_a_file_whose_size_is_not_told_is_a_fault(self) -> None:
        endless = says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")

        with scripted(endless) as server, opened(server.url("/")) as storage, fails("unsupported", match="/f"):
            storage.open("/f")

    def test_what_the_server_says_about_a_file_goes_with_it(self) -> None:
        reply = file(5, "Content-Type: text/css", "Content-Encoding: gzip", "Cache-Control: max-age=60")

        with scripted(reply) as server, opened(server.url("/")) as storage, storage.open("/f") as reader:
            assert reader.properties is not None
            assert (reader.properties.content_type, reader.properties.content_encoding) == ("text/css", "gzip")
            assert reader.properties.cache_control == "max-age=60"
        assert server.head()["accept-encoding"] == "identity"

    def test_a_file_that_changes_is_seen(self, storage: HttpFilesStorage, folder: Path) -> None:
        (folder / "f").write_bytes(b"old")

        with storage.open("/f") as reader:
            (folder / "f").write_bytes(b"longer")
            assert reader.opened.size == 3
            assert reader.stat().size == 6

    def test_many_files_of_a_folder_are_listed(self, storage: HttpFilesStorage, folder: Path) -> None:
        for number in range(150):
            (folder / f"f{number:03}").write_bytes(b"x" * number)

        assert [(entry.name, entry.size) for entry in sorted(storage.list("/"))] == [
            (f"f{number:03}", number) for number in range(150)
        ]


class TestTargets:
    def test_a_server_that_is_down_may_heal(self) -> None:
        with opened(f"http://127.0.0.1:{free_port()}") as storage, fails("connection_error", match="/f"):
            storage.stat("/f")

    def test_every_connection_is_checked_again(self, settings: Any) -> None:
        with scripted(answers()) as server, opened(server.url("/", host="localhost")) as storage:
            settings.TIMERS_WEBHOOK_NETWORKS = ()

            with fails("target_refused"):
                storage.stat("/f")

        assert server.requests == []

    def test_an_address_and_its_encryption_are_told(self) -> None:
        with opened("https://files.example.org/pub/a%20b/") as storage:
            assert storage.address() == ("http", "files.example.org", "443", "pub", "a b")

        assert HttpFilesStorage.encrypts({"url": "https://files.example.org"})
        assert not HttpFilesStorage.encrypts({"url": "http://files.example.org"})

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(
                ("url", value)
                for value in (None, "", "a.org", "ftp://a.org", "https://u:p@a.org", "https://a.org/?x=1")
            ),
            *(("url", value) for value in ("https://169.254.169.254", "https://a.org/a//b", 7)),
            ("username", "x"),
        ],
    )
    def test_what_cannot_work_is_refused_by_its_name(self, field: str, value: Any) -> None:
        with pytest.raises(Invalid) as caught:
            HttpFilesStorage.clean({"url": "https://a.org", field: value}, owner=None)

        assert list(caught.value.fields) == [field]
