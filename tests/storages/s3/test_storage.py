"""Buckets: the contract on a real server, large files in parts, prefixes, and what a store says when it refuses."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import zlib
from base64 import b64encode
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contracts.storage import PART, StorageContract, get, names, put
from tests.loopback import answers, certificate, free_port, says, scripted
from tests.storages.relay import Answer, Passing, Relay, error, relaying
from tests.storages.s3.conftest import Opener, fails
from tests.storages.s3_server import KEYS, PAGE, S3Server
from timers.errors import ExternalError, Invalid
from timers.storages.base import Kind, PartialFile
from timers.storages.s3 import S3Storage, client, reading
from timers.storages.s3.client import Access
from timers.storages.s3.faults import refusal_error
from timers.storages.s3.reading import LARGE_RANGE_BYTES, RANGE_BYTES
from timers.storages.s3.writing import MIN_PART_BYTES as PART_SIZE
from timers.storages.s3.writing import part_size

PREFIX = ".timers-0123456789ab-"
LATER = PART.replace("-1.part", "-2.part")


class TestS3Storage(StorageContract):
    many_folders = 50  # it holds nothing open, and is asked over the network
    names_unknown_to_server = frozenset({"two\nlines"})

    @pytest.fixture
    def storage(self, opened: Opener) -> S3Storage:
        return opened(prefix="/some/where")


class TestPrefixes:
    def test_two_collections_in_one_bucket_see_nothing_of_each_other(self, opened: Opener) -> None:
        one, other = opened(prefix="a"), opened(prefix="a/b")
        put(other, "/f", b"other")
        put(one, "/f", b"one")

        assert (names(one), names(other)) == (["b", "f"], ["f"])
        assert (get(one, "/f"), get(other, "/f")) == (b"one", b"other")

    def test_a_prefix_ends_at_a_slash(self, opened: Opener, server: S3Server, bucket: str) -> None:
        server.client.put_object(Bucket=bucket, Key="ab/secret", Body=b"x")
        server.client.put_object(Bucket=bucket, Key="secret", Body=b"x")

        with opened(prefix="a") as storage:
            assert names(storage) == []
            for attempt in (storage.stat, storage.open, storage.delete):
                with fails("not_found"):
                    attempt("/secret")

    def test_the_root_is_there_without_any_key_and_stays(self, opened: Opener) -> None:
        storage = opened(prefix="nothing/here")

        assert storage.stat("/").kind is Kind.DIR
        assert storage.mkdir("/") is False
        with fails("not_a_file"):
            storage.open("/")
        with fails("permission_denied"):
            storage.delete("/")

    def test_an_address_continues_that_of_the_folder_around_it(self, opened: Opener, bucket: str) -> None:
        around, inside = opened().address(), opened(prefix="a/b").address()

        assert inside == (*around, "a", "b")
        assert around[-1] == bucket

    def test_amazon_has_one_address_in_all_regions(self) -> None:
        parameters = {"bucket": "archive", **KEYS}
        one = S3Storage({**parameters, "region": "eu-central-1"}, KEYS)
        other = S3Storage({**parameters, "endpoint_url": "https://s3.us-west-2.amazonaws.com"}, KEYS)

        assert one.address() == other.address() == ("s3", "amazonaws.com", "archive")


class TestFolders:
    def test_a_folder_that_nobody_made_is_one_as_long_as_it_has_files(
        self, storage: S3Storage, server: S3Server, bucket: str
    ) -> None:
        server.client.put_object(Bucket=bucket, Key="d/e/f", Body=b"x")

        assert [entry.kind for entry in storage.list("/")] == [Kind.DIR]
        assert storage.mkdir("/d/e") is False
        assert server.keys(bucket) == ["d/e/f"]
        storage.delete("/d/e/f")
        with fails("not_found"):
            storage.stat("/d")

    def test_an_empty_folder_is_an_object_that_is_not_listed(
        self, storage: S3Storage, server: S3Server, bucket: str
    ) -> None:
        storage.mkdir("/d/e")

        assert server.keys(bucket) == ["d/e/"]
        assert (names(storage, "/d"), names(storage, "/d/e")) == (["e"], [])

    def test_all_pages_of_a_folder_are_listed(self, storage: S3Storage, server: S3Server, bucket: str) -> None:
        for number in range(PAGE + 5):
            server.client.put_object(Bucket=bucket, Key=f"f{number:03}", Body=b"x")
        server.client.put_object(Bucket=bucket, Key="z/f", Body=b"x")

        assert names(storage) == [*(f"f{number:03}" for number in range(PAGE + 5)), "z"]
        assert storage.mkdir("/z") is False  # on a page that one listing does not show

    def test_a_file_and_a_folder_of_one_name_are_both_listed(
        self, storage: S3Storage, server: S3Server, bucket: str
    ) -> None:
        for key in ("d", "d/f"):
            server.client.put_object(Bucket=bucket, Key=key, Body=b"x")

        assert sorted((entry.name, entry.kind) for entry in storage.list("/")) == [("d", Kind.DIR), ("d", Kind.FILE)]
        assert (get(storage, "/d"), get(storage, "/d/f")) == (b"x", b"x")


class TestLargeFiles:
    def test_they_go_up_and_down_in_parts(
        self, storage: S3Storage, server: S3Server, bucket: str, large: bytes
    ) -> None:
        put(storage, "/big", large)

        stored = server.client.head_object(Bucket=bucket, Key="big")
        assert stored["ETag"].endswith('-3"')
        assert get(storage, "/big") == large
        assert get(storage, "/big", offset=9_000_000) == large[9_000_000:]
        assert storage.digest("/big", "md5") is None
        assert server.uploads(bucket) == []

    def test_one_storage_takes_from_another(self, opened: Opener, large: bytes) -> None:
        source, target = opened(prefix="source"), opened(prefix="target")
        put(source, "/big", large)
        digest = hashlib.sha256()

        with source.open("/big") as reader:
            writer = target.write("/big", partial=PART)
            while writer.copy_from(reader, 8 << 20, digest):
                pass
            writer.commit()

        assert get(target, "/big") == large
        assert digest.digest() == hashlib.sha256(large).digest()

    def test_nothing_is_there_before_commit_and_nothing_left_after_discard(
        self, storage: S3Storage, server: S3Server, bucket: str, large: bytes
    ) -> None:
        writer = storage.write("/big", partial=PART)
        writer.write(large)
        storage.sync_all([writer])

        assert server.keys(bucket) == []
        assert server.uploads(bucket) == ["big"]
        writer.discard()
        assert server.uploads(bucket) == []

    def test_a_kept_upload_is_gone_on_with_to_the_byte(
        self, storage: S3Storage, server: S3Server, bucket: str, large: bytes
    ) -> None:
        writer, begun = storage.write("/big", partial=PART), 2 * PART_SIZE + 5
        writer.write(large[:begun])
        kept = writer.keep()
        assert kept == PartialFile(PART, begun)

        again = storage.write("/big", partial=LATER, resume=kept)
        again.write(large[begun:])
        again.commit()

        assert get(storage, "/big") == large
        assert (server.keys(bucket), server.uploads(bucket)) == (["big"], [])

    def test_a_kept_upload_can_be_cut_where_a_part_ends(self, storage: S3Storage, large: bytes) -> None:
        writer = storage.write("/big", partial=PART)
        writer.write(large[: 2 * PART_SIZE + 5])
        kept = writer.keep()

        with fails("not_found"):
            storage.write("/big", partial=LATER, resume=PartialFile(kept.name, PART_SIZE + 1))
        again = storage.write("/big", partial=LATER, resume=PartialFile(kept.name, PART_SIZE))
        again.write(b"end")
        again.commit()

        assert get(storage, "/big") == large[:PART_SIZE] + b"end"

    def test_parts_that_a_dead_worker_sent_after_what_was_kept_do_not_count(
        self, storage: S3Storage, server: S3Server, bucket: str, large: bytes
    ) -> None:
        writer = storage.write("/big", partial=PART)
        writer.write(large[: PART_SIZE + 5])
        kept = writer.keep()
        dead = storage.write("/big", partial=LATER, resume=kept)
        dead.write(b"x" * (2 * PART_SIZE))
        dead.sync()

        storage.sweep(["/big"], prefix=PREFIX, keep={kept.name})
        again = storage.write("/big", partial=PART.replace("-1.part", "-3.part"), resume=kept)
        again.write(large[PART_SIZE + 5 :])
        again.commit()

        assert get(storage, "/big") == large
        assert server.uploads(bucket) == []

    def test_uploads_that_nobody_goes_on_with_are_swept(
        self, storage: S3Storage, server: S3Server, bucket: str, large: bytes
    ) -> None:
        server.client.create_multipart_upload(Bucket=bucket, Key="bigger")
        for name in ("/big", "/kept"):
            writer = storage.write(name, partial=PART)
            writer.write(large[: PART_SIZE + 5])
            writer.sync()
        kept = writer.keep()

        storage.sweep(["/big", "/kept"], prefix=PREFIX, keep={kept.name})

        assert sorted(server.uploads(bucket)) == ["bigger", "kept"]
        storage.remove_partial("/kept", kept.name)
        assert server.uploads(bucket) == ["bigger"]

    def test_all_pages_of_partial_files_are_swept(self, storage: S3Storage, server: S3Server, bucket: str) -> None:
        for number in range(PAGE + 5):
            server.client.put_object(Bucket=bucket, Key=f"d/{PREFIX}{number}-1.part", Body=b"x")
        server.client.put_object(Bucket=bucket, Key=f"d/{PREFIX}1-1.part/f", Body=b"x")

        storage.sweep(["/d/big"], prefix=PREFIX, keep=())

        assert server.keys(bucket) == [f"d/{PREFIX}1-1.part/f"]

    def test_an_upload_without_the_checksums_of_its_parts_is_begun_anew(
        self, storage: S3Storage, server: S3Server, bucket: str
    ) -> None:
        upload = server.client.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
        metadata = {"timers-upload": upload, "timers-parts": "1"}
        server.client.put_object(Bucket=bucket, Key=PART, Body=b"x", Metadata=metadata)

        with fails("not_found"):
            storage.write("/big", partial=LATER, resume=PartialFile(PART, 1))

    def test_a_file_that_is_replaced_while_it_is_read_is_noticed(self, storage: S3Storage, large: bytes) -> None:
        put(storage, "/big", large)

        with storage.open("/big") as reader:
            reader.read(1)
            put(storage, "/big", large[::-1])
            with fails("source_changed"):
                while reader.read(1 << 20):
                    pass

    @pytest.mark.parametrize(
        ("left", "sent"), [(1, 0), (80 << 30, 0), (5 << 40, 0), (5 << 40, 9_000), (1 << 30, 9_999)]
    )
    def test_parts_grow_with_the_file_so_that_there_are_enough(self, left: int, sent: int) -> None:
        size = part_size(left, sent=sent)

        assert size >= PART_SIZE
        assert sent + left / size <= 10_000

    def test_a_commit_whose_answer_was_lost_is_seen_to_have_been_done(
        self, storage: S3Storage, server: S3Server, bucket: str, large: bytes
    ) -> None:
        writer = storage.write("/big", partial=PART)
        writer.write(large)
        writer.sync()
        (upload,) = server.client.list_multipart_uploads(Bucket=bucket)["Uploads"]
        ids = {"Bucket": bucket, "Key": "big", "UploadId": upload["UploadId"]}
        sent = server.client.list_parts(**ids)["Parts"]
        parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in sent]
        server.client.complete_multipart_upload(**ids, MultipartUpload={"Parts": parts})

        writer.commit()

        assert storage.stat("/big").size == len(large)

    def test_an_upload_that_somebody_removed_is_a_fault_that_may_heal(
        self, storage: S3Storage, server: S3Server, bucket: str, large: bytes
    ) -> None:
        writer = storage.write("/big", partial=PART)
        writer.write(large[: PART_SIZE + 1])
        writer.sync()
        storage.sweep(["/big"], prefix=PREFIX, keep=())

        with fails("storage_error"):
            writer.commit()
        writer.discard()
        assert names(storage) == []

    def test_a_storage_that_is_closed_under_a_writer_ends_it(self, storage: S3Storage, large: bytes) -> None:
        writer = storage.write("/big", partial=PART)
        writer.write(large[: PART_SIZE + 1])
        storage.close()

        with fails("connection_error"):
            writer.write(large)
        writer.discard()


def crc32(data: bytes) -> str:
    return b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


class TestChecksums:
    """The parts of large files, seen from between the storage and the store."""

    @pytest.fixture
    def storage(self, opened: Opener, relay: Relay) -> S3Storage:
        return opened(endpoint_url=relay.url)

    def test_parts_go_with_a_crc32_and_are_put_together_with_it(
        self, storage: S3Storage, relay: Relay, large: bytes
    ) -> None:
        put(storage, "/big", large)

        sent = sorted(relay.parts(), key=lambda part: part.path)
        pieces = [large[start : start + PART_SIZE] for start in range(0, len(large), PART_SIZE)]
        assert [part.headers["x-amz-checksum-crc32"] for part in sent] == [crc32(piece) for piece in pieces]
        assert not any("content-md5" in part.headers for part in sent)
        assert _stated_at_end(relay) == [crc32(piece) for piece in pieces]

    def test_an_upload_that_is_gone_on_with_ends_with_the_crc32_of_all_parts(
        self, storage: S3Storage, relay: Relay, large: bytes
    ) -> None:
        writer = storage.write("/big", partial=PART)
        writer.write(large[: 2 * PART_SIZE + 5])
        again = storage.write("/big", partial=LATER, resume=writer.keep())
        again.write(large[2 * PART_SIZE + 5 :])
        again.commit()

        pieces = [large[start : start + PART_SIZE] for start in range(0, len(large), PART_SIZE)]
        assert _stated_at_end(relay) == [crc32(piece) for piece in pieces]
        assert get(storage, "/big") == large

    @pytest.mark.parametrize("code", ["NotImplemented", "InvalidArgument", "InvalidRequest"])
    def test_a_store_that_refuses_crc32_gets_md5_and_is_asked_once(
        self, storage: S3Storage, relay: Relay, large: bytes, code: str
    ) -> None:
        relay.ask = lambda passing: error(400, code) if "x-amz-checksum-algorithm" in passing.headers else None
        data = large[: PART_SIZE + 1]

        for name in ("/one", "/two"):
            put(storage, name, data)

        assert all("content-md5" in part.headers for part in relay.parts())
        assert not any("x-amz-checksum-crc32" in part.headers for part in relay.parts())
        asked = [each for each in relay.passed if each.is_beginning]
        assert ["x-amz-checksum-algorithm" in each.headers for each in asked] == [True, False, False]
        assert _stated_at_end(relay) == []
        assert get(storage, "/two") == data

    def test_a_store_that_passes_over_crc32_gets_md5(self, storage: S3Storage, relay: Relay, large: bytes) -> None:
        relay.ask = lambda passing: _forget(passing, "x-amz-checksum-algorithm")

        put(storage, "/big", large[: PART_SIZE + 1])

        assert ["content-md5" in part.headers for part in relay.parts()] == [True, True]
        assert get(storage, "/big") == large[: PART_SIZE + 1]

    def test_a_part_whose_crc32_is_not_stated_is_sent_with_md5_as_well(
        self, storage: S3Storage, relay: Relay, large: bytes
    ) -> None:
        relay.say = lambda passing, answer: _leave_out(passing, answer, "x-amz-checksum-crc32")

        put(storage, "/big", large)

        with_md5 = [part for part in relay.parts() if "content-md5" in part.headers]
        assert sorted(crc32(part.body) for part in with_md5) == sorted(_stated_at_end(relay))
        assert get(storage, "/big") == large

    def test_a_part_that_arrived_as_other_bytes_never_gets_into_place(
        self, storage: S3Storage, relay: Relay, large: bytes
    ) -> None:
        def misstate(passing: Passing, answer: Answer) -> None:
            if passing.is_part:
                answer.headers["x-amz-checksum-crc32"] = crc32(b"other")

        put(storage, "/big", b"old")
        relay.say = misstate

        writer = storage.write("/big", partial=PART)
        writer.write(large[: PART_SIZE + 1])
        with fails("checksum_mismatch"):
            writer.commit()
        writer.discard()

        assert get(storage, "/big") == b"old"

    def test_what_is_no_matter_of_checksums_is_refused_as_it_is(self, storage: S3Storage, relay: Relay) -> None:
        relay.ask = lambda passing: error(403, "AccessDenied") if passing.is_beginning else None

        with fails("permission_denied"):
            put(storage, "/big", b"x" * (PART_SIZE + 1))

        assert len([each for each in relay.passed if each.is_beginning]) == 1


def _stated_at_end(relay: Relay) -> list[str]:
    return [
        found
        for passing in relay.passed
        if passing.is_end
        for found in re.findall(r"<ChecksumCRC32>(.*?)</ChecksumCRC32>", passing.body.decode())
    ]


def _forget(passing: Passing, header: str) -> None:
    passing.headers.pop(header, None)


def _leave_out(passing: Passing, answer: Answer, header: str) -> None:
    if passing.is_part:
        answer.headers.pop(header, None)


class TestReading:
    def test_the_store_states_digests_of_files_that_came_in_one_piece(
        self, storage: S3Storage, server: S3Server, bucket: str
    ) -> None:
        server.client.put_object(Bucket=bucket, Key="f", Body=b"x", ChecksumAlgorithm="SHA256")

        assert storage.digest("/f", "md5") == hashlib.md5(b"x").hexdigest()
        assert storage.digest("/f", "sha256") == hashlib.sha256(b"x").hexdigest()

    @pytest.mark.parametrize(
        ("quick", "sizes"),
        [
            (60.0, [RANGE_BYTES, RANGE_BYTES, LARGE_RANGE_BYTES, 1]),
            (0.0, [RANGE_BYTES, RANGE_BYTES, RANGE_BYTES, RANGE_BYTES, 1]),
        ],
    )
    def test_over_a_quick_line_the_pieces_grow(
        self, opened: Opener, server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, quick: float, sizes: Any
    ) -> None:
        data = random.Random(8).randbytes(sum(sizes))
        server.client.put_object(Bucket=bucket, Key="big", Body=data)
        monkeypatch.setattr(reading, "FAST_SECONDS_PER_RANGE", quick)

        with relaying(server.url) as relay:
            assert get(opened(endpoint_url=relay.url), "/big") == data

        asked = sorted(tuple(map(int, each.headers["range"][6:].split("-"))) for each in relay.passed)
        starts = [start for start, _ in asked]
        assert [end - start for start, end in itertools.pairwise([*starts, len(data)])] == sizes

    def test_a_connection_that_breaks_in_the_middle_is_made_again(self, opened: Opener) -> None:
        head = b'HTTP/1.1 206 Partial Content\r\nContent-Length: 10\r\nContent-Range: bytes 0-9/10\r\nETag: "e"\r\n\r\n'

        rest = head.replace(b"10", b"5", 1).replace(b"0-9", b"5-9") + b"56789"

        with scripted(says(head + b"01234"), says(rest)) as server:
            assert get(opened(endpoint_url=server.url("").rstrip("/")), "/f") == b"0123456789"

        assert server.head()["if-match"] == '"e"'
        assert server.head()["range"] == "bytes=5-9"

    def test_a_store_that_cannot_read_pieces_is_not_misread(self, opened: Opener) -> None:
        with scripted(answers(b"0123456789")) as server, fails("unsupported"):
            opened(endpoint_url=server.url("")).open("/f", offset=3)


LISTED = answers(b'<?xml version="1.0"?><ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>')


def says_error(code: str, status: str) -> Any:
    return answers(f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode(), status=status)


class TestRefusals:
    def test_a_server_that_is_down_is_named_and_may_heal(self, opened: Opener) -> None:
        storage = opened(endpoint_url=f"http://127.0.0.1:{free_port()}")

        with pytest.raises(ExternalError) as caught:
            storage.stat("/d/f")

        assert (caught.value.reason, caught.value.retryable) == ("connection_error", True)
        assert "/d/f" in caught.value.message

    def test_a_certificate_that_cannot_be_trusted_is_final(self, opened: Opener, tmp_path: Any) -> None:
        tls = certificate(tmp_path, "localhost").server()

        with scripted(answers(), tls=tls) as server, pytest.raises(ExternalError, match="certificate") as caught:
            opened(endpoint_url=server.url("", scheme="https", host="localhost")).stat("/f")

        assert (caught.value.reason, caught.value.retryable) == ("target_refused", False)

    def test_a_missing_bucket_is_named_and_final(self, opened: Opener) -> None:
        storage = opened(bucket="no-such-bucket")

        for attempt in (
            lambda: storage.stat("/"),
            lambda: storage.stat("/f"),
            lambda: list(storage.list("/")),
            lambda: storage.open("/f"),
            lambda: storage.write("/f", partial=PART).commit(),
            lambda: storage.mkdir("/d"),
            lambda: storage.delete("/f"),
        ):
            with pytest.raises(ExternalError, match="no-such-bucket") as caught:
                attempt()
            assert (caught.value.reason, caught.value.retryable) == ("not_found", False)

    def test_wrong_keys_are_named_and_final(self, opened: Opener) -> None:
        told = says_error("InvalidAccessKeyId", "403 Forbidden")

        with scripted(told) as server, pytest.raises(ExternalError) as caught:
            list(opened(endpoint_url=server.url("")).list("/"))

        assert (caught.value.reason, caught.value.retryable) == ("login_failed", False)
        assert KEYS["secret_access_key"] not in caught.value.message

    def test_wrong_keys_are_told_from_missing_rights_where_the_answer_has_no_words(self, opened: Opener) -> None:
        told = says_error("SignatureDoesNotMatch", "403 Forbidden")

        with scripted(answers(status="403 Forbidden"), told) as server, fails("login_failed"):
            opened(endpoint_url=server.url("")).stat("/f")

    def test_a_file_that_is_kept_from_us_is_refused(self, opened: Opener) -> None:
        with scripted(answers(status="403 Forbidden"), LISTED) as server, fails("permission_denied"):
            opened(endpoint_url=server.url("")).stat("/f")

    @pytest.mark.parametrize(
        ("code", "status", "reason", "heals"),
        [
            ("AccessDenied", 403, "permission_denied", False),
            ("SignatureDoesNotMatch", 403, "login_failed", False),
            ("ExpiredToken", 400, "login_failed", False),
            ("RequestTimeTooSkewed", 403, "login_failed", False),
            ("KeyTooLongError", 400, "name_too_long", False),
            ("InvalidObjectState", 403, "unsupported", False),
            ("PermanentRedirect", 301, "unsupported", False),
            ("QuotaExceeded", 403, "quota", True),
            ("XMinioStorageFull", 507, "no_space", True),
            ("SlowDown", 503, "unavailable", True),
            ("InternalError", 500, "storage_error", True),
            ("RequestTimeout", 400, "storage_error", True),
            ("NoSuchUpload", 404, "storage_error", True),
            ("BadDigest", 400, "checksum_mismatch", True),
            ("Unheard", 400, "unsupported", False),
            ("Unheard", 502, "unavailable", True),
        ],
    )
    def test_every_refusal_has_a_meaning(self, code: str, status: int, reason: str, heals: bool) -> None:
        answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}

        error = refusal_error(ClientError(answer, "GetObject"), "/a/b", "archive")

        assert (error.reason, error.retryable) == (reason, heals)
        assert "/a/b" in error.message

    def test_what_does_not_speak_s3_is_told(self, opened: Opener) -> None:
        page = answers(b"<html>Welcome<br></html>", "Content-Type: text/html")

        with scripted(page) as server, fails("storage_error"):
            list(opened(endpoint_url=server.url("")).list("/"))


class TestTargets:
    def test_an_address_that_was_not_opened_cannot_be_saved(self, settings: Any) -> None:
        settings.TIMERS_WEBHOOK_NETWORKS = ()

        for url in ("http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000", "https://10.0.0.1"):
            with pytest.raises(Invalid) as caught:
                S3Storage.clean({"bucket": "archive", "endpoint_url": url, **KEYS}, owner=None)
            assert list(caught.value.fields) == ["endpoint_url"]

    def test_every_connection_is_checked_again(self, opened: Opener, settings: Any) -> None:
        with scripted(LISTED) as server:
            storage = opened(endpoint_url=server.url("", host="localhost"))
            assert names(storage) == []

            settings.TIMERS_WEBHOOK_NETWORKS = ()
            with pytest.raises(ExternalError) as caught:
                names(storage)

        assert (caught.value.reason, caught.value.retryable) == ("target_refused", False)
        assert len(server.requests) == 1

    def test_nothing_is_called_before_the_first_question(self, opened: Opener) -> None:
        with scripted(LISTED) as server:
            storage = opened(endpoint_url=server.url(""))
            storage.address()

            assert server.requests == []

    def test_the_machine_around_has_no_say(
        self, opened: Opener, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        (tmp_path / "config").write_text("[profile other]\nendpoint_url = http://127.0.0.1:9\n")
        for name, value in {
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_PROFILE": "nobody",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_ACCESS_KEY_ID": "AKIDOFTHEMACHINE",
            "AWS_USE_FIPS_ENDPOINT": "true",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(client, "_session", [])

        with scripted(LISTED) as server:
            assert names(opened(endpoint_url=server.url(""))) == []

        assert f"Credential={KEYS['access_key_id']}/" in server.head()["authorization"]

    def test_clients_are_made_once_for_each_access(self) -> None:
        access = Access("http://127.0.0.1:9000", None, None, "ONE", "secret", None)

        assert client.client(access) is client.client(access._replace())
        assert client.client(access) is not client.client(access._replace(access_key_id="OTHER"))


class TestCleaning:
    def clean(self, **parameters: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return S3Storage.clean({"bucket": "archive", **KEYS, **parameters}, owner=None)

    def test_secrets_are_kept_apart(self) -> None:
        public, secrets = self.clean(session_token="token", region="eu-central-1", addressing="virtual")

        assert public == {
            "bucket": "archive",
            "access_key_id": KEYS["access_key_id"],
            "region": "eu-central-1",
            "addressing": "virtual",
        }
        assert secrets == {"secret_access_key": KEYS["secret_access_key"], "session_token": "token"}

    @pytest.mark.parametrize(
        ("given", "kept"), [("a/b", "a/b/"), ("/a/b/", "a/b/"), ("a", "a/"), ("/", None), ("", None), (None, None)]
    )
    def test_a_prefix_has_no_slash_before_and_one_behind(self, given: Any, kept: Any) -> None:
        assert self.clean(prefix=given)[0].get("prefix") == kept

    def test_an_endpoint_is_kept_without_a_slash_at_its_end(self) -> None:
        public, _ = self.clean(endpoint_url="http://127.0.0.1:9000/")

        assert public["endpoint_url"] == "http://127.0.0.1:9000"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("bucket", value) for value in (None, "", "ab", "Upper", "a_b", "a..b", "1.2.3.4", "-ab", "a/b", 7)),
            *(("bucket", value) for value in ("xn--a", "a--x-s3", "a-s3alias", "arn:aws:s3:::a", "a" * 64)),
            *(("prefix", value) for value in ("a//b", "a/../b", "./a", "a\0", "\udcff", 7, "a" * 600)),
            *(("endpoint_url", value) for value in ("s3.example.org", "ftp://a.org", "https://u:p@a.org", 7)),
            *(
                ("endpoint_url", value)
                for value in ("https://a.org/?x=1", "https://a.org/#x", "https://169.254.169.254")
            ),
            *(("region", value) for value in ("eu central", "a.b", "-a", "a" * 70, 7)),
            *(("addressing", value) for value in ("auto", 7)),
            *(("access_key_id", value) for value in (None, "", "a b", 7)),
            *(("secret_access_key", value) for value in (None, "", "***", "a b c d e", 7)),
            ("session_token", "***"),
            ("profile", "default"),
        ],
    )
    def test_what_cannot_work_is_refused_by_its_name(self, field: str, value: Any) -> None:
        with pytest.raises(Invalid) as caught:
            self.clean(**{field: value})

        assert list(caught.value.fields) == [field]
