"""One front: bodies in any framing, and queries, are read alike at all three machine interfaces."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.test import Client

from timers.services.people import tokens

PATHS = {"native": "/api/v1/timers", "globus": "/globus/jobs/", "conductor": "/conductor/api/workflow"}


@pytest.fixture
def headers(owner: Any, now: Any) -> dict[str, str]:
    _, secret = tokens.create_token(owner=owner, name="front", now=now)
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}", "HTTP_X_AUTHORIZATION": secret}


def post(path: str, body: bytes, headers: dict[str, str], *, chunked: bool = False) -> Any:
    more: dict[str, Any] = {"CONTENT_LENGTH": str(len(body))}
    if chunked:
        more = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    return Client().generic("POST", path, body, content_type="application/json", **headers, **more)


@pytest.mark.django_db
@pytest.mark.parametrize("interface", PATHS)
def test_a_body_in_chunks_is_the_same_body(interface: str, headers: dict[str, str]) -> None:
    body = b'{"name": "a name", "unknown_field": 1}'

    whole, chunks = (post(PATHS[interface], body, headers, chunked=chunked) for chunked in (False, True))

    assert whole.status_code in (400, 404, 422)
    assert chunks.status_code == whole.status_code
    assert chunks.content == whole.content


@pytest.mark.django_db
@pytest.mark.parametrize("interface", PATHS)
@pytest.mark.parametrize(
    "body",
    [b"{", b"[" * 100_000, b'{"a": NaN}', b'{"a": "\\u0000"}', b"\xff"],
    ids=["cut off", "deep", "NaN", "NUL", "not UTF-8"],
)
def test_a_body_that_cannot_be_kept_is_bad_input(interface: str, body: bytes, headers: dict[str, str]) -> None:
    assert post(PATHS[interface], body, headers).status_code in (400, 422)


@pytest.mark.django_db
@pytest.mark.parametrize("interface", PATHS)
def test_a_body_beyond_ten_mebibytes_is_too_large(interface: str, headers: dict[str, str]) -> None:
    body = b'{"a": "' + b"x" * (10 * 1024 * 1024) + b'"}'

    assert post(PATHS[interface], body, headers).status_code == 413


@pytest.mark.django_db
@pytest.mark.parametrize("interface", PATHS)
@pytest.mark.parametrize("query", ["?limit=%00", "?a%00b=1"])
def test_a_query_that_no_database_can_compare_is_bad_input(interface: str, query: str, headers: dict[str, str]) -> None:
    path = {"conductor": "/conductor/api/scheduler/schedules"}.get(interface, PATHS[interface])

    assert Client().get(path + query, **headers).status_code in (400, 422)
