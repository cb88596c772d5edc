"""Whatever a client sends, it is told what is wrong with it: never a 5xx, and nothing is made."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.globus.conftest import Caller
from timers.models import Timer, Transfer

STRANGE = (None, True, -1, 1e300, "", "x", "\0", [], {}, [[None]], {"a": {"b": 1}}, 2**70)


def _places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value of a document."""
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inside:
        yield (*path, key)
        yield from _places(value, (*path, key))


def _with(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def documents(transfer: dict[str, Any]) -> dict[str, Any]:
    """Return a document for every path that takes one."""
    start = "2026-12-01T12:00:00+00:00"
    ends = {
        "source_endpoint_id": transfer["source_endpoint"],
        "destination_endpoint_id": transfer["destination_endpoint"],
    }
    items = [{"source_path": "/file.txt", "destination_path": "/b", "recursive": False}]
    end = {"condition": "time", "datetime": "2026-12-04T09:00:00+00:00"}
    recurring = {"type": "recurring", "interval_seconds": 3600, "start": start, "end": end}
    rule = {"DATA_TYPE": "filter_rule", "method": "include", "name": "*.txt", "type": "file"}
    options = {
        "sync_level": 1,
        "label": "l",
        "filter_rules": [rule],
        "deadline": "2027-01-01 00:00:00",
        "verify_checksum": True,
    }
    return {
        "/v2/timer": {
            "timer": {"timer_type": "transfer", "name": "n", "schedule": recurring, "body": {**transfer, **options}}
        },
        "/jobs/": {
            "name": "n",
            "start": start,
            "interval": 86400.0,
            "stop_after": {"date": "2026-12-31T00:00:00+00:00", "n_runs": 3},
            "stop_after_n": None,
            "scope": None,
            "callback_url": "https://actions.automate.globus.org/transfer/transfer/run",
            "callback_body": {"body": {**ends, "transfer_items": items, "label": "x", "sync_level": 3}},
        },
        "/v0.10/transfer": {**transfer, **options, "submission_id": "eeeeeeee-0000-4000-8000-000000000006"},
        "/v0.10/delete": {
            "DATA_TYPE": "delete",
            "endpoint": transfer["source_endpoint"],
            "recursive": False,
            "DATA": [{"DATA_TYPE": "delete_item", "path": "/file.txt"}],
        },
        "/v2/api/clients": {"client": {"template_id": "95fdeba8-fac2-42bd-a357-e068d82ff78e", "name": "Globus CLI"}},
    }


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/v2/timer", "/jobs/", "/v0.10/transfer", "/v0.10/delete", "/v2/api/clients"])
def test_no_value_of_any_field_breaks_it(owner_calls: Caller, transfer_body: dict[str, Any], path: str) -> None:
    document = documents(transfer_body)[path]
    assert owner_calls.post(path, document).status_code in (201, 202)
    broken = []
    for number, place in enumerate(_places(document)):
        # every field meets some of the values, and every value some of the fields
        for value in STRANGE[number % 3 :: 3]:
            response = owner_calls.post(path, _with(document, place, value))
            if response.status_code >= 500 or response["Content-Type"] != "application/json":
                broken.append((place, value, response.status_code))

    assert broken == []


@pytest.mark.django_db
def test_errors_of_timers_name_the_field_in_words_alone(owner_calls: Caller, transfer_body: dict[str, Any]) -> None:
    document = documents(transfer_body)["/v2/timer"]
    document["timer"]["body"]["DATA"][0]["source_path"] = 7

    response = owner_calls.post("/v2/timer", document)

    (wrong,) = response.json()["detail"]
    assert response.status_code == 422
    assert wrong["loc"] == ["body", "timer", "body", "DATA", "0", "source_path"]
    assert not Timer.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"{", b"\xff", b'{"a": NaN}', b"[" * 200_000])
def test_a_body_that_is_no_object_is_refused(owner_calls: Caller, raw: bytes) -> None:
    for path, status in (("/v2/timer", 422), ("/jobs/", 422), ("/v0.10/transfer", 400), ("/v2/api/clients", 400)):
        response = owner_calls.client.generic("POST", "/globus" + path, raw, content_type="application/json")

        assert (response.status_code, response["Content-Type"]) == (status, "application/json")
    assert not Timer.objects.exists()
    assert not Transfer.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        "/jobs/?order=nonsense",
        "/jobs/?filter_status=broken",
        "/jobs/?submitted_after=yesterday",
        "/jobs/?result_count=many",
        "/jobs/?filter_name=%00",
        "/v0.10/task_list?filter=nonsense",
        "/v0.10/task_list?filter=status:BROKEN",
        "/v0.10/task_list?filter=request_time:x,y",
        "/v0.10/task_list?orderby=nonsense",
        "/v0.10/task_list?limit=x",
        "/v0.10/task_list?offset=-1",
    ],
)
def test_a_query_that_cannot_work_is_refused(owner_calls: Caller, path: str) -> None:
    response = owner_calls.get(path)

    assert response.status_code in (400, 422)
    assert response["Content-Type"] == "application/json"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "status", "word"),
    [
        ("GET", "/nothing", 404, "error"),
        ("GET", "/jobs/a/b", 404, "error"),
        ("GET", "/v2/timer", 405, "error"),
        ("PUT", "/jobs/", 405, "error"),
        ("POST", "/v0.10/nothing", 404, "resource"),
        ("POST", "/v2/api/nothing", 404, "errors"),
        ("GET", "/v2/oauth2/token", 405, "error"),
        ("POST", "/jwk.json", 405, "errors"),
        ("POST", "/.well-known/openid-configuration", 405, "errors"),
    ],
)
def test_a_path_that_is_none_answers_as_its_service_does(
    owner_calls: Caller, method: str, path: str, status: int, word: str
) -> None:
    response = owner_calls.send(method, path, {} if method != "GET" else None)

    assert (response.status_code, response["Content-Type"]) == (status, "application/json")
    assert word in response.json()


@pytest.mark.django_db
def test_an_error_of_transfer_names_the_path_within_the_service(owner_calls: Caller) -> None:
    refused, unknown = owner_calls.post("/v0.10/transfer", {}), owner_calls.get("/v0.10/nothing")

    assert (refused.json()["resource"], unknown.json()["resource"]) == ("/v0.10/transfer", "/v0.10/nothing")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["token", "token/revoke", "token/validate", "token/introspect"])
def test_a_form_that_cannot_be_read_is_refused_in_the_words_of_oauth(owner_calls: Caller, path: str) -> None:
    many = b"&".join(b"a=b" for _ in range(2_000))
    for raw, kind in ((b"--x", "multipart/form-data"), (many, "application/x-www-form-urlencoded")):
        response = owner_calls.client.generic("POST", f"/globus/v2/oauth2/{path}", raw, content_type=kind)

        assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
