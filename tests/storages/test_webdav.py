"""WebDAV: the contract on a real server, and answers that no good server gives."""

from __future__ import annotations

import hashlib
import itertools
import random
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.contracts.storage import PART, StorageContract, get, names, put
from tests.loopback import Reply, answers, certificate, free_port, says, scripted
from tests.storages.relay import Answer, Dropped, Passing, Relay, relaying
from tests.storages.webdav_server import ACCOUNT, WebDavServer, webdav_server
from timers import http as house_http
from timers import targets
from timers.errors import ExternalError, Invalid
from timers.storages.base import Entry, Kind
from timers.storages.webdav import WebDavStorage, listing
from timers.storages.webdav.writing import MAX_BUFFERED_BYTES

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[WebDavServer]:
    with webdav_server() as server:
        yield server


@pytest.fixture(autouse=True)
def loopback_is_open(settings: Any) -> None:
    settings.TIMERS_WEBHOOK_NETWORKS = targets.parse_networks("127.0.0.0/8")


@pytest.fixture
def url(server: WebDavServer) -> str:
    return server.new_folder(f"place {next(_numbers)}").replace(" ", "%20")


Opener = Callable[..., WebDavStorage]


@pytest.fixture
def opened(url: str) -> Iterator[Opener]:
    """Opens storages on the test's folder, or elsewhere."""
    storages: list[WebDavStorage] = []

    def opener(**parameters: Any) -> WebDavStorage:
        storages.append(WebDavStorage(*WebDavStorage.clean({"url": url, **ACCOUNT, **parameters}, owner=None)))
        return storages[-1]

    yield opener
    for storage in storages:
        storage.close()


@pytest.fixture
def storage(opened: Opener) -> WebDavStorage:
    return opened()


@pytest.fixture
def relay(url: str) -> Iterator[Relay]:
    target, _, path = url.partition("/dav")
    with relaying(target) as relay:
        relay.url += f"/dav{path}"
        yield relay


@pytest.fixture
def relayed(opened: Opener, relay: Relay) -> WebDavStorage:
    return opened(url=relay.url)


@pytest.fixture(scope="module")
def large() -> bytes:
    return random.Random(7).randbytes(MAX_BUFFERED_BYTES * 2 + 1)


def fails(reason: str, *, match: str | None = None) -> Any:
    return pytest.raises(ExternalError, match=match, check=lambda error: error.reason == reason)


class TestWebDavStorage(StorageContract):
    many_folders = 50
    names_unknown_to_server = frozenset({"#?&", "two\nlines"})  # it cuts them off in moves

    @pytest.fixture
    def storage(self, opened: Opener) -> WebDavStorage:
        return opened()


class TestFiles:
    def test_a_large_file_streams_up_and_is_read_back(self, relayed: WebDavStorage, relay: Relay, large: bytes) -> None:
        put(relayed, "/big", large)

        assert get(relayed, "/big") == large
        assert get(relayed, "/big", offset=len(large) - 3) == large[-3:]
        sent = [passing for passing in relay.passed if passing.method == "PUT"]
        assert [passing.path.rpartition("/")[2] for passing in sent] == [PART.replace(".part", ".timers")]

    def test_one_storage_takes_from_another_with_the_length_stated(
        self, storage: WebDavStorage, relayed: WebDavStorage, relay: Relay, large: bytes
    ) -> None:
        put(storage, "/big", large)
        digest = hashlib.sha256()

        with storage.open("/big") as reader:
            writer = relayed.write("/copy", partial=PART)
            while writer.copy_from(reader, 8 << 20, digest):
                pass
            writer.sync()
            writer.commit()

        (sent,) = [passing for passing in relay.passed if passing.method == "PUT"]
        assert sent.headers["content-length"] == str(len(large))
        assert get(storage, "/copy") == large
        assert digest.digest() == hashlib.sha256(large).digest()

    @pytest.mark.parametrize("size", [5, MAX_BUFFERED_BYTES + 5])
    def test_the_old_file_is_there_until_the_new_one_was_proven(
        self, relayed: WebDavStorage, relay: Relay, size: int
    ) -> None:
        put(relayed, "/f", b"old")

        def damage(passing: Passing, answer: Answer) -> None:
            if passing.method == "GET" and passing.path.endswith(".timers"):
                answer.body = answer.body.replace(b"x", b"y", 1)

        relay.say = damage
        writer = relayed.write("/f", partial=PART)
        writer.write(b"x" * size)
        with fails("checksum_mismatch", match="/f"):
            writer.commit()
        writer.discard()

        assert (get(relayed, "/f"), names(relayed)) == (b"old", ["f"])

    def test_a_file_is_never_moved_over_a_folder_with_what_it_holds(self, storage: WebDavStorage) -> None:
        storage.mkdir("/d")
        put(storage, "/d/f", b"x")
        writer = storage.write("/d", partial=PART)

        with fails("not_a_file", match="/d"):
            writer.commit()
        writer.discard()

        assert get(storage, "/d/f") == b"x"

    def test_a_partial_file_has_a_name_that_every_server_takes_and_is_found_by_ours(
        self, storage: WebDavStorage, server: WebDavServer, url: str
    ) -> None:
        writer = storage.write("/f", partial=PART)
        writer.write(b"x" * (MAX_BUFFERED_BYTES + 1))
        writer.sync()

        assert names(storage) == [PART]
        folder = server.folder / unquote(url.rpartition("/")[2])
        assert [path.name for path in folder.iterdir()] == [PART.replace(".part", ".timers")]
        storage.sweep(["/f"], prefix=PART[:-8], keep=())
        assert names(storage) == []

    def test_other_files_that_end_so_keep_their_names(self, storage: WebDavStorage) -> None:
        for name in ("/a.timers", "/.timers-1.timers", "/a.part"):
            put(storage, name, b"x")

        assert names(storage) == [".timers-1.timers", "a.part", "a.timers"]

    @pytest.mark.parametrize("name", ["a;b", "a?b"])
    def test_a_name_that_the_server_cuts_off_is_a_fault_and_replaces_nothing(
        self, storage: WebDavStorage, name: str
    ) -> None:
        with fails("bad_name", match="/a"):
            put(storage, f"/{name}", b"x")
        put(storage, "/a", b"old")

        with fails("storage_error", match="/a"):
            put(storage, f"/{name}", b"new")

        assert get(storage, "/a") == b"old"

    def test_a_new_file_takes_three_requests(self, relayed: WebDavStorage, relay: Relay) -> None:
        relayed.mkdir("/d")
        put(relayed, "/d/first", b"x")
        relay.passed.clear()

        put(relayed, "/d/f", b"x")

        assert [passing.method for passing in relay.passed] == ["PUT", "GET", "MOVE"]

    def test_what_is_lost_on_the_line_is_sent_again(self, relayed: WebDavStorage, relay: Relay) -> None:
        seen: set[tuple[str, str]] = set()

        def lose_first(passing: Passing) -> None:
            request = passing.method, passing.path
            if passing.method in ("PUT", "GET", "PROPFIND") and request not in seen:
                seen.add(request)
                raise Dropped

        relay.ask = lose_first

        put(relayed, "/f", b"x")

        assert (get(relayed, "/f"), names(relayed)) == (b"x", ["f"])

    def test_a_move_whose_answer_is_lost_is_a_fault_that_may_heal(self, relayed: WebDavStorage, relay: Relay) -> None:
        def lose(passing: Passing, answer: Answer) -> None:
            if passing.method == "MOVE":
                raise Dropped

        relay.say = lose

        with fails("connection_error"):
            put(relayed, "/f", b"x")

        assert get(relayed, "/f") == b"x"

    def test_a_server_that_keeps_times_confirms_them(self, relayed: WebDavStorage, relay: Relay) -> None:
        def confirm(passing: Passing, answer: Answer) -> None:
            if "x-oc-mtime" in passing.headers:
                answer.headers["X-OC-Mtime"] = "accepted"

        writer = relayed.write("/f", partial=PART)
        writer.commit(modified_ns=1_234_567_890_123_456_789)
        assert writer.not_kept == ["times"]

        relay.say = confirm
        writer = relayed.write("/f", partial=PART)
        writer.commit(modified_ns=1_234_567_890_123_456_789)
        assert writer.not_kept == []
        assert [passing.headers["x-oc-mtime"] for passing in relay.passed if passing.method == "PUT"] == (
            ["1234567890"] * 2
        )

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (401, "login_failed"),
            (403, "permission_denied"),
            (413, "unsupported"),
            (423, "storage_error"),
            (507, "no_space"),
            (500, "storage_error"),
            (302, "unsupported"),
        ],
    )
    @pytest.mark.parametrize("size", [5, MAX_BUFFERED_BYTES + 5])
    def test_a_refusal_of_a_file_has_a_meaning(
        self, relayed: WebDavStorage, relay: Relay, status: int, reason: str, size: int
    ) -> None:
        relay.ask = lambda passing: Answer(status, {}, b"") if passing.method == "PUT" else None

        writer = relayed.write("/f", partial=PART)
        with fails(reason, match="/f"):
            writer.write(b"x" * size)
            writer.commit()
        writer.discard()

        assert names(relayed) == []

    def test_a_server_that_refuses_a_large_file_before_its_end_is_heard(self, opened: Opener) -> None:
        folder = resource("/", folder=True)
        refusal = says(b"HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        with scripted(multistatus(folder), refusal) as server:
            writer = opened(url=server.url("/")).write("/f", partial=PART)
            with fails("no_space"):
                for _ in range(200):
                    writer.write(b"x" * 1_000_000)
                writer.sync()
            writer.discard()


def resource(href: str, *, folder: bool = False, more: str = "", size: int | None = 1) -> str:
    kind = "<collection/>" if folder else ""
    length = "" if folder or size is None else f"<getcontentlength>{size}</getcontentlength>"
    prop = f"<prop><resourcetype>{kind}</resourcetype>{length}{more}</prop>"
    return f"<response><href>{href}</href><propstat>{prop}<status>HTTP/1.1 200 OK</status></propstat></response>"


def multistatus(*responses: str, start: str = "") -> Reply:
    body = f'<?xml version="1.0"?>{start}<multistatus xmlns="DAV:">{"".join(responses)}</multistatus>'
    return answers(body.encode(), status="207 Multi-Status")


class TestListings:
    def listed(self, opened: Opener, reply: Reply, path: str = "/d") -> list[Entry]:
        with scripted(reply) as server:
            return list(opened(url=server.url("/dav")).list(path))

    def test_names_are_read_whatever_the_addresses_look_like(self, opened: Opener) -> None:
        reply = multistatus(
            resource("http://cloud.example.org/dav/d/", folder=True),
            resource("/dav/d/a%20b"),
            resource("/dav/d/zażółć"),
            resource("/dav/d/ma%f1ana"),
            resource("/dav/d/a%2Fb"),
            resource("https://cloud.example.org/dav/d/sub/", folder=True),
        )

        listed = self.listed(opened, reply)

        assert [(entry.name, entry.kind) for entry in listed] == [
            ("a b", Kind.FILE),
            ("zażółć", Kind.FILE),
            ("ma\udcf1ana", Kind.FILE),
            ("a/b", Kind.FILE),
            ("sub", Kind.DIR),
        ]

    def test_a_server_behind_another_name_of_the_folder_is_understood(self, opened: Opener) -> None:
        reply = multistatus(resource("/inner/d/", folder=True), resource("/inner/d/f"))

        assert [entry.name for entry in self.listed(opened, reply)] == ["f"]

    @pytest.mark.parametrize("href", ["/dav/other/f", "/dav/d/sub/f", "/dav/f", "/", ""])
    def test_what_does_not_belong_to_the_folder_is_a_fault(self, opened: Opener, href: str) -> None:
        with fails("storage_error", match="/d"):
            self.listed(opened, multistatus(resource("/dav/d/", folder=True), resource(href)))

    def test_times_and_sizes_are_read_and_odd_ones_left_out(self, opened: Opener) -> None:
        times = ["Wed, 21 Oct 2015 07:28:00 GMT", "yesterday", "Wed, 99 Oct 99999 07:28:00 GMT", ""]
        reply = multistatus(
            resource("/dav/d/", folder=True),
            *(
                resource(f"/dav/d/{number}", more=f"<getlastmodified>{time}</getlastmodified>")
                for number, time in enumerate(times)
            ),
        )

        assert [entry.modified_ns for entry in self.listed(opened, reply)] == [1_445_412_480 * 10**9, None, None, None]

    def test_what_is_not_described_is_of_unknown_kind(self, opened: Opener) -> None:
        kept = "<propstat><prop><resourcetype/></prop><status>HTTP/1.1 403 Forbidden</status></propstat>"
        reply = multistatus(
            resource("/dav/d/", folder=True),
            f"<response><href>/dav/d/kept</href>{kept}</response>",
            "<response><href>/dav/d/gone</href><status>HTTP/1.1 404 Not Found</status></response>",
        )

        assert [(entry.name, entry.kind) for entry in self.listed(opened, reply)] == [
            ("kept", Kind.UNKNOWN),
            ("gone", Kind.UNKNOWN),
        ]

    def test_a_size_that_the_listing_does_not_tell_is_asked_for(self, opened: Opener) -> None:
        reply = multistatus(resource("/dav/d/", folder=True), resource("/dav/d/f", size=None))

        with scripted(reply, answers(b"12345")) as server:
            (entry,) = opened(url=server.url("/dav")).list("/d")

        assert server.requests[1].startswith(b"HEAD /dav/d/f ")
        assert (entry.kind, entry.size) == (Kind.FILE, 5)

    @pytest.mark.parametrize(
        "start",
        [
            '<!DOCTYPE multistatus [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
            '<!DOCTYPE multistatus SYSTEM "file:///etc/passwd">',
        ],
    )
    def test_a_doctype_is_refused(self, opened: Opener, start: str) -> None:
        with fails("unsupported", match="DOCTYPE"):
            self.listed(opened, multistatus(resource("/dav/d/", folder=True), start=start))

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("<html></html>", "unsupported"),
            ('<multistatus xmlns="DAV:">', "storage_error"),
            ("no xml", "storage_error"),
            ("", "storage_error"),
            ('<multistatus xmlns="DAV:"></multistatus>', "storage_error"),
            (f'<multistatus xmlns="DAV:">{"<a>" * 40}', "unsupported"),
            (f'<multistatus xmlns="DAV:"><response><href>{"a" * 70_000}', "unsupported"),
        ],
    )
    def test_what_is_no_listing_is_told(self, opened: Opener, body: str, reason: str) -> None:
        with fails(reason, match="/d"):
            self.listed(opened, answers(body.encode(), status="207 Multi-Status"))

    def test_a_listing_is_read_to_a_limit(self, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listing, "MAX_LISTING_BYTES", 1000)

        with fails("unsupported", match="too long"):
            self.listed(opened, multistatus(*[resource("/dav/d/", folder=True)] * 10))

    def test_a_listing_that_breaks_off_is_a_fault(self, opened: Opener) -> None:
        head = b"HTTP/1.1 207 Multi-Status\r\nContent-Length: 1000\r\n\r\n"
        body = f'<multistatus xmlns="DAV:">{resource("/dav/d/", folder=True)}'.encode()

        with pytest.raises(ExternalError) as caught:
            self.listed(opened, says(head + body))

        assert caught.value.retryable

    def test_folders_are_asked_for_one_level(self, relayed: WebDavStorage, relay: Relay) -> None:
        names(relayed)

        assert [(passing.method, passing.headers["depth"]) for passing in relay.passed] == [("PROPFIND", "1")]


class TestAccounts:
    def test_the_account_is_sent_and_never_told(self, opened: Opener) -> None:
        with scripted(answers(status="401 Unauthorized")) as server, pytest.raises(ExternalError) as caught:
            opened(url=server.url("/dav")).stat("/f")

        account = b64encode(f"{ACCOUNT['username']}:{ACCOUNT['password']}".encode()).decode()
        assert server.head()["authorization"] == f"Basic {account}"
        assert (caught.value.reason, caught.value.retryable) == ("login_failed", False)
        assert ACCOUNT["password"] not in caught.value.message

    def test_a_redirect_is_told_and_not_followed(self, opened: Opener) -> None:
        moved = answers(b"", "Location: https://other.example.org/", status="301 Moved")

        with scripted(moved) as server, fails("unsupported", match="https://other.example.org/"):
            opened(url=server.url("/dav")).stat("/")

        assert len(server.requests) == 1

    def test_a_server_without_webdav_is_told(self, opened: Opener) -> None:
        with scripted(answers(status="405 Method Not Allowed")) as server, fails("unsupported"):
            opened(url=server.url("/")).stat("/")

    def test_a_server_that_is_down_may_heal(self, opened: Opener) -> None:
        with fails("connection_error", match="/f"):
            opened(url=f"http://127.0.0.1:{free_port()}").stat("/f")

    def test_the_server_is_known_by_its_certificate(
        self, opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = certificate(tmp_path, "localhost")

        with scripted(multistatus(resource("/", folder=True)), tls=known.server()) as server:
            storage = opened(url=server.url("/", scheme="https", host="localhost"))
            with fails("target_refused", match="certificate"):
                storage.stat("/")
            monkeypatch.setattr(house_http, "tls_context", known.trusting)

            assert storage.stat("/").kind is Kind.DIR

    def test_every_connection_is_checked_again(self, opened: Opener, settings: Any) -> None:
        with scripted(answers()) as server:
            storage = opened(url=server.url("/", host="localhost"))
            settings.TIMERS_WEBHOOK_NETWORKS = ()

            with fails("target_refused"):
                storage.stat("/")

        assert server.requests == []

    def test_a_connection_serves_many_requests(self, opened: Opener, url: str) -> None:
        storage = opened()

        for _ in range(3):
            names(storage)
            storage.stat("/")

        assert len(storage._session._idle) == 1


class TestCleaning:
    def clean(self, **parameters: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return WebDavStorage.clean({"url": "https://cloud.example.org/dav/", **ACCOUNT, **parameters}, owner=None)

    def test_the_password_is_kept_apart(self) -> None:
        public, secrets = self.clean()

        assert public == {"url": "https://cloud.example.org/dav", "username": ACCOUNT["username"]}
        assert secrets == {"password": ACCOUNT["password"]}
        assert list(WebDavStorage.recipients()) == ["url"]

    def test_only_https_is_encrypted(self) -> None:
        assert WebDavStorage.encrypts(self.clean()[0])
        assert not WebDavStorage.encrypts({"url": "http://cloud.example.org/dav"})

    def test_an_address_continues_that_of_the_folder_around_it(self, opened: Opener, url: str) -> None:
        around, inside = opened().address(), opened(url=f"{url}/a%20b").address()

        assert inside == (*around, "a b")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("url", value) for value in (None, "", "cloud.example.org", "ftp://a.org", "https://u:p@a.org", 7)),
            *(("url", value) for value in ("https://a.org/?x=1", "https://a.org/#x", "https://169.254.169.254")),
            *(("url", value) for value in ("https://a.org/a//b", "https://a.org/a/../b", "https://a.org/a%2Fb")),
            *(("username", value) for value in (None, "", "a:b", 7)),
            *(("password", value) for value in (None, "", 7)),
            ("root", "/"),
        ],
    )
    def test_what_cannot_work_is_refused_by_its_name(self, field: str, value: Any) -> None:
        with pytest.raises(Invalid) as caught:
            self.clean(**{field: value})

        assert list(caught.value.fields) == [field]
