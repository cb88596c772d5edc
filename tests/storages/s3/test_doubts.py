"""ETags that are no MD5 of ours: a reason to read back, and never one to delete."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from tests.contracts.storage import PART, get, put
from tests.storages.relay import Answer, Passing, Relay
from tests.storages.s3.conftest import fails
from tests.storages.s3_server import S3Server
from timers.storages.s3 import S3Storage
from timers.storages.s3.writing import MIN_PART_BYTES

STRANGE = hashlib.md5(b"of something else").hexdigest()
LATER = PART.replace("-1.part", "-2.part")
ETAGS = [f'"{STRANGE}"', STRANGE, f'"{STRANGE.upper()}"', '"0123"', '""', f'"{STRANGE}-1"', 'W/"weak"']


def spoils_etags(etag: str) -> Callable[[Passing, Answer], None]:
    """Return what gives uploads a strange ETag; the server still knows parts by theirs."""

    def say(passing: Passing, answer: Answer) -> None:
        if passing.method == "PUT" and not passing.is_part:
            answer.headers["etag"] = etag

    return say


def only_md5(passing: Passing) -> None:
    """Let the store know nothing of CRC32."""
    for header in [name for name in passing.headers if name.startswith("x-amz-checksum")]:
        del passing.headers[header]


def strange_part_etags(relay: Relay) -> None:
    """Let the store answer parts with strange ETags, and take these back at the end."""
    real: dict[str, str] = {}

    def say(passing: Passing, answer: Answer) -> None:
        if passing.is_part:
            strange = hashlib.md5(answer.headers["etag"].encode()).hexdigest()
            real[strange] = answer.headers["etag"].strip('"')
            answer.headers["etag"] = f'"{strange}"'
        if passing.method == "GET" and "uploadId=" in passing.path:
            for strange, etag in real.items():
                answer.body = answer.body.replace(etag.encode(), strange.encode())
            answer.headers["content-length"] = str(len(answer.body))

    def ask(passing: Passing) -> None:
        only_md5(passing)
        if passing.is_end:
            for strange, etag in real.items():
                passing.body = passing.body.replace(strange.encode(), etag.encode())
            passing.headers["content-length"] = str(len(passing.body))

    relay.ask, relay.say = ask, say


@pytest.mark.parametrize("etag", ETAGS)
def test_a_strange_etag_of_a_small_file_changes_nothing(
    relayed: S3Storage, relay: Relay, server: S3Server, bucket: str, etag: str
) -> None:
    put(relayed, "/doc", b"old")
    relay.say = spoils_etags(etag)

    put(relayed, "/doc", b"new")
    put(relayed, "/empty", b"")

    assert (get(relayed, "/doc"), get(relayed, "/empty")) == (b"new", b"")
    assert [passing for passing in relay.passed if passing.method == "DELETE"] == []


def test_the_md5_goes_with_the_file_for_the_store_to_check(relayed: S3Storage, relay: Relay) -> None:
    relay.say = spoils_etags(f'"{STRANGE}"')

    put(relayed, "/doc", b"new")

    assert relay.passed[0].headers["content-md5"]
    assert [passing.method for passing in relay.passed] == ["PUT", "GET"]


def test_a_store_with_etags_of_its_own_states_no_md5(relayed: S3Storage, relay: Relay) -> None:
    put(relayed, "/doc", b"new")
    assert relayed.digest("/doc", "md5") == hashlib.md5(b"new").hexdigest()
    relay.say = lambda passing, answer: answer.headers.update(etag=f'"{STRANGE}"')

    put(relayed, "/doc", b"new")

    assert relayed.digest("/doc", "md5") is None


def test_what_a_store_changed_on_its_way_is_told_and_stays(
    relayed: S3Storage, relay: Relay, server: S3Server, bucket: str
) -> None:
    def damage(passing: Passing) -> None:
        if passing.method == "PUT":
            del passing.headers["content-md5"]
            passing.body = b"NEW"

    relay.ask = damage

    with fails("checksum_mismatch"):
        put(relayed, "/doc", b"new")

    assert server.keys(bucket) == ["doc"]
    assert [passing for passing in relay.passed if passing.method == "DELETE"] == []


def test_keys_that_may_only_write_are_enough(relayed: S3Storage, relay: Relay, server: S3Server, bucket: str) -> None:
    relay.ask = lambda passing: Answer(403, {}, b"") if passing.method == "GET" else None
    relay.say = spoils_etags(f'"{STRANGE}"')

    put(relayed, "/doc", b"new")

    assert server.keys(bucket) == ["doc"]


def test_strange_etags_of_parts_are_read_back_at_the_end(
    relayed: S3Storage, relay: Relay, server: S3Server, bucket: str, large: bytes
) -> None:
    put(relayed, "/big", b"old")
    strange_part_etags(relay)

    put(relayed, "/big", large)

    assert get(relayed, "/big") == large
    assert server.uploads(bucket) == []
    assert [passing for passing in relay.passed if passing.method == "DELETE"] == []


def test_an_upload_with_strange_etags_is_resumed_and_read_back(
    relayed: S3Storage, relay: Relay, server: S3Server, bucket: str, large: bytes
) -> None:
    strange_part_etags(relay)
    writer = relayed.write("/big", partial=PART)
    writer.write(large[: 2 * MIN_PART_BYTES + 5])
    kept = writer.keep()
    again = relayed.write("/big", partial=LATER, resume=kept)
    again.write(large[kept.size :])
    read_before = len([passing for passing in relay.passed if passing.method == "GET"])

    again.commit()

    assert len([passing for passing in relay.passed if passing.method == "GET"]) > read_before
    assert get(relayed, "/big") == large
    assert server.keys(bucket) == ["big"]


def test_parts_that_a_store_changed_are_told_and_the_object_stays(
    relayed: S3Storage, relay: Relay, server: S3Server, bucket: str
) -> None:
    def damage(passing: Passing) -> None:
        only_md5(passing)
        if passing.is_part:
            passing.headers.pop("content-md5", None)
            passing.body = passing.body.replace(b"x", b"y")

    relay.ask = damage

    with fails("checksum_mismatch"):
        put(relayed, "/big", b"x" * (MIN_PART_BYTES + 1))

    assert server.keys(bucket) == ["big"]
    assert [passing for passing in relay.passed if passing.method == "DELETE"] == []


def test_the_old_object_is_there_until_the_new_one_is_whole(
    storage: S3Storage, server: S3Server, bucket: str, large: bytes
) -> None:
    put(storage, "/big", b"old")
    writer = storage.write("/big", partial=PART)
    writer.write(large)
    writer.sync()

    assert get(storage, "/big") == b"old"
    writer.discard()
    assert get(storage, "/big") == b"old"
    assert server.uploads(bucket) == []


def test_an_upload_whose_end_was_not_answered_is_known_by_its_content_where_etags_are_strange(
    relayed: S3Storage, relay: Relay, server: S3Server, bucket: str, large: bytes
) -> None:
    strange_part_etags(relay)
    ask, ends = relay.ask, []

    def lose_first_answer(passing: Passing) -> Answer | None:
        ask(passing)
        if passing.is_end:
            ends.append(passing)
        return None

    def say(passing: Passing, answer: Answer, spoil: Callable[[Passing, Answer], None] = relay.say) -> None:
        spoil(passing, answer)
        if passing.is_end and len(ends) == 1:
            answer.status, answer.body = 503, b""
            answer.headers["content-length"] = "0"
        if passing.method == "HEAD":
            answer.headers["etag"] = f'"{STRANGE}"'

    relay.ask, relay.say = lose_first_answer, say

    put(relayed, "/big", large)

    assert len(ends) == 2
    assert get(relayed, "/big") == large
