"""The client: what each method sends, and what it makes of the answer."""

from __future__ import annotations

import datetime as dt
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import pytest

from tests.client import programs
from tests.client.conftest import RecordingSite
from tests.loopback import answers, free_port, says, scripted, stays_silent
from timers.client import APIResponse, TimersAPIError, TimersClient, TimersConnectionError, TransferTimer
from timers.http import ExternalError, Response

ID = UUID("11111111-2222-4333-8444-555555555555")
TIMER = {"timer": {"id": str(ID), "name": "a"}}


# Methods


@pytest.mark.parametrize(
    ("call", "line", "document"),
    [
        (lambda c: c.create_timer({"name": "a"}), "POST /api/v1/timers", {"timer": {"name": "a"}}),
        (lambda c: c.create_timer({"timer": {"name": "a"}}), "POST /api/v1/timers", {"timer": {"name": "a"}}),
        (lambda c: c.get_timer(ID), f"GET /api/v1/timers/{ID}", None),
        (lambda c: c.list_timers(), "GET /api/v1/timers", None),
        (lambda c: c.update_timer(ID, {"name": "b"}), f"PATCH /api/v1/timers/{ID}", {"name": "b"}),
        (lambda c: c.delete_timer(str(ID)), f"DELETE /api/v1/timers/{ID}", None),
        (lambda c: c.pause_timer(ID), f"POST /api/v1/timers/{ID}/pause", None),
        (lambda c: c.pause_timer(ID, reason="why"), f"POST /api/v1/timers/{ID}/pause", {"reason": "why"}),
        (lambda c: c.resume_timer(ID), f"POST /api/v1/timers/{ID}/resume", None),
        (lambda c: c.resume_timer(ID, run_missed=True), f"POST /api/v1/timers/{ID}/resume", {"run_missed": True}),
        (lambda c: c.run_timer(ID), f"POST /api/v1/timers/{ID}/run", None),
        (lambda c: c.create_job({"name": "j"}), "POST /api/v1/jobs", {"name": "j"}),
        (lambda c: c.get_timer_executions(ID), f"GET /api/v1/timers/{ID}/executions", None),
        (lambda c: c.get_execution(ID), f"GET /api/v1/executions/{ID}", None),
        (lambda c: c.cancel_execution(ID), f"POST /api/v1/executions/{ID}/cancel", None),
        (
            lambda c: c.preview_schedule({"type": "once"}),
            "POST /api/v1/schedules/preview",
            {"schedule": {"type": "once"}, "limit": 10},
        ),
    ],
)
def test_a_method_is_an_endpoint(
    client: TimersClient, site: RecordingSite, call: Callable[[TimersClient], Any], line: str, document: Any
) -> None:
    site.answer(TIMER, status=201)

    answer = call(client)

    assert (site.last.line, site.last.document) == (line, document)
    assert site.last.headers["Authorization"] == "Bearer a-token"
    assert site.last.headers.get("Content-Type") == ("application/json" if document is not None else None)
    assert (answer.http_status, answer["timer"]["id"]) == (201, str(ID))


def test_lists_can_be_cut_and_filtered(client: TimersClient, site: RecordingSite) -> None:
    client.list_timers(limit=5, marker="m+/=", fields=["id", "name"], query_params={"tag": "a:b", "q": "ü x"})

    assert site.last.query == {"limit": "5", "marker": "m+/=", "fields": "id,name", "tag": "a:b", "q": "ü x"}


def test_query_parameters_have_a_wire_form_too(client: TimersClient, site: RecordingSite) -> None:
    instant = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)

    client.get_timer_executions(ID, limit=3, query_params={"since": instant, "flag": True, "none": None})

    assert site.last.query == {"limit": "3", "since": "2026-03-02T00:00:00+00:00", "flag": "true"}


def test_instants_in_plain_dicts_are_sent_in_wire_form(client: TimersClient, site: RecordingSite) -> None:
    client.update_timer(ID, {"schedule": {"start": dt.datetime(2026, 3, 2, tzinfo=dt.UTC)}, "id": ID})

    assert site.last.document == {"schedule": {"start": "2026-03-02T00:00:00+00:00"}, "id": str(ID)}


@pytest.mark.parametrize("bad", ["", " ", "..", "/"])
def test_an_empty_id_cannot_reach_another_place(client: TimersClient, site: RecordingSite, bad: str) -> None:
    with pytest.raises(ValueError, match="id"):
        client.delete_timer(bad)

    assert site.requests == []


def test_a_strange_id_stays_one_part_of_the_path(client: TimersClient, site: RecordingSite) -> None:
    client.get_timer("a/../b?c#d")

    assert site.last.target == "/api/v1/timers/a%2F..%2Fb%3Fc%23d"


def test_data_access_is_remembered_and_nothing_is_sent(client: TimersClient, site: RecordingSite) -> None:
    chained = client.add_app_transfer_data_access_scope("a").add_app_transfer_data_access_scope([ID, "b"])

    assert chained is client
    assert client.data_access_collections == {"a", "b", str(ID)}
    assert site.requests == []


# Pages and waiting


def test_every_page_is_fetched_when_it_is_needed(client: TimersClient, site: RecordingSite) -> None:
    site.answer({"timers": [{"id": 1}, {"id": 2}], "marker": "next"}, {"timers": [{"id": 3}], "marker": None})

    timers = client.iter_timers(page_size=2, query_params={"status": "active"})

    assert next(timers) == {"id": 1}
    assert len(site.requests) == 1
    assert list(timers) == [{"id": 2}, {"id": 3}]
    assert site.last.query == {"status": "active", "limit": "2", "marker": "next"}


def test_executions_are_walked_through_likewise(client: TimersClient, site: RecordingSite) -> None:
    site.answer({"executions": [{"id": 1}], "marker": "m"}, {"executions": [], "marker": None})

    assert list(client.iter_executions(ID)) == [{"id": 1}]
    assert site.last.line == f"GET /api/v1/timers/{ID}/executions"


def test_it_waits_until_an_execution_has_finished(client: TimersClient, site: RecordingSite) -> None:
    site.answer({"status": "pending"}, {"status": "retrying"}, {"status": "completed", "id": 1})

    assert client.wait_for_execution(ID, timeout=5, poll=0.001).data == {"status": "completed", "id": 1}
    assert len(site.requests) == 3


def test_it_does_not_wait_for_ever(client: TimersClient, site: RecordingSite) -> None:
    site.answer({"status": "running"})

    with pytest.raises(TimeoutError, match="is running"):
        client.wait_for_execution(ID, timeout=0.02, poll=0.005)


# Answers


def test_an_answer_behaves_like_its_document() -> None:
    answer = APIResponse(200, {"a": 1}, {"x": "y"})

    assert (answer["a"], answer.get("a"), answer.get("b"), answer.get("b", 2)) == (1, 1, None, 2)
    assert ("a" in answer, "b" in answer, list(answer), len(answer)) == (True, False, ["a"], 1)
    assert (answer.data, answer.http_status, answer.headers) == ({"a": 1}, 200, {"x": "y"})
    assert str(answer) == '{\n  "a": 1\n}'


# Errors


def error_of(call: Callable[[], Any]) -> TimersAPIError:
    with pytest.raises(TimersAPIError) as caught:
        call()
    return caught.value


def test_a_refusal_says_what_is_wrong(client: TimersClient, site: RecordingSite) -> None:
    fields = {"schedule.interval_seconds": ["At least 0.1."]}
    site.answer({"error": {"code": "invalid", "message": "It cannot work.", "fields": fields}}, status=400)

    error = error_of(lambda: client.create_timer({}))

    assert (error.http_status, error.code, error.message, error.fields) == (400, "invalid", "It cannot work.", fields)
    assert str(error) == "It cannot work. (400 invalid)\n  schedule.interval_seconds: At least 0.1."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_the_sentence_says_is_not_said_again(client: TimersClient, site: RecordingSite) -> None:
    fields = {"name": ["Too long."], "tags": ["At most 100."]}
    site.answer({"error": {"code": "invalid", "message": "name: Too long.", "fields": fields}}, status=400)

    assert str(error_of(lambda: client.create_timer({}))) == "name: Too long. (400 invalid)\n  tags: At most 100."


@pytest.mark.parametrize(
    ("status", "document", "code"),
    [(502, b"<html>Bad Gateway</html>", "error"), (404, {"detail": "?"}, "error"), (200, b"<html>", "bad_answer")],
)
def test_an_answer_of_another_kind_is_an_error_too(
    client: TimersClient, site: RecordingSite, status: int, document: Any, code: str
) -> None:
    site.answer(document, status=status)

    error = error_of(lambda: client.get_timer(ID))

    assert (error.http_status, error.code) == (status, code)


def test_an_empty_answer_is_an_empty_document(client: TimersClient, site: RecordingSite) -> None:
    site.answer(b"", status=204)

    assert client.delete_timer(ID).data == {}


def test_a_redirect_is_not_followed_with_the_token() -> None:
    with scripted(answers(b"", "Location: https://elsewhere.example/", status="301 Moved")) as moved:
        error = error_of(TimersClient(moved.url(), "t").list_timers)

    assert (error.http_status, error.code) == (301, "redirect")
    assert "https://elsewhere.example/" in error.message


# Connections


def test_what_can_be_repeated_is_repeated_once_when_the_connection_breaks() -> None:
    with scripted(says(b""), answers(b'{"timer": {"id": "1"}}', status="201 Created")) as server:
        answer = TimersClient(server.url(), "t").create_timer({"name": "a"})

    assert answer["timer"]["id"] == "1"
    keys = [server.head(number)["idempotency-key"] for number in (0, 1)]
    assert keys[0] == keys[1]
    assert UUID(keys[0]).version == 4


def test_two_creations_have_two_keys(client: TimersClient, site: RecordingSite) -> None:
    for create in (client.create_timer, client.create_timer, client.create_job):
        create({"name": "a"})
    client.run_timer(ID)

    assert len({request.headers["Idempotency-Key"] for request in site.requests}) == 4


@pytest.mark.parametrize(
    ("call", "requests"),
    [
        (lambda c: c.get_timer(ID), 2),
        (lambda c: c.create_timer({}), 2),
        (lambda c: c.update_timer(ID, {}), 1),
        (lambda c: c.delete_timer(ID), 1),
        (lambda c: c.cancel_execution(ID), 1),
    ],
)
def test_nothing_is_repeated_more_than_that(call: Callable[[TimersClient], Any], requests: int) -> None:
    with scripted(says(b"")) as server:
        error = error_of(lambda: call(TimersClient(server.url(), "t")))

    assert (error.http_status, error.code) == (0, "connection_error")
    assert isinstance(error, TimersConnectionError)
    assert len(server.requests) == requests


def test_a_call_that_takes_too_long_is_not_repeated() -> None:
    with scripted(stays_silent) as server:
        error = error_of(TimersClient(server.url(), "t", timeout=0.1).list_timers)

    assert error.code == "timed_out"
    assert len(server.requests) == 1


def test_nobody_listening_is_an_error_that_names_the_site() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    error = error_of(TimersClient(url, "t").list_timers)

    assert str(error) == f"{url}: The connection failed: Connection refused."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("ending", ["", "/", "/api/v1", "/api/v1/", "//"])
def test_the_site_may_be_given_in_several_ways(site: RecordingSite, ending: str) -> None:
    client = TimersClient(site.base_url + ending, "t")
    client.list_timers()

    assert client.base_url == site.base_url
    assert site.last.line == "GET /api/v1/timers"


def test_a_site_below_a_path_keeps_it(site: RecordingSite) -> None:
    TimersClient(f"{site.base_url}/tools/timers/", "t").list_timers()

    assert site.last.line == "GET /tools/timers/api/v1/timers"


def test_address_and_token_come_from_the_environment(site: RecordingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMERS_URL", site.base_url)
    monkeypatch.setenv("TIMERS_TOKEN", "from-outside")

    with TimersClient() as client:
        client.list_timers()

    assert site.last.headers["Authorization"] == "Bearer from-outside"


@pytest.mark.parametrize("token", ["two\nlines", "two words", "→"])
def test_a_token_that_cannot_be_sent_is_refused_at_once(token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        TimersClient("http://127.0.0.1", token)


@pytest.mark.parametrize(
    "url",
    [
        *(None, "", "example.org", "ftp://example.org", "http://example.org/?a=b"),
        *("http://127.0.0.1:99999", "http://127.0.0.1:x", "http://[::1", "http://a b"),
    ],
)
def test_an_address_is_needed(url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIMERS_URL", raising=False)

    with pytest.raises(ValueError, match=r"TIMERS_URL|127\.0\.0\.1"):
        TimersClient(url)


def test_without_a_token_none_is_sent(site: RecordingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIMERS_TOKEN", raising=False)

    TimersClient(site.base_url).list_timers()

    assert "Authorization" not in site.last.headers


def test_the_transport_can_be_replaced() -> None:
    calls: list[tuple[str, str, bytes | None]] = []

    def transport(
        method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, timeout: float, max_bytes: int
    ) -> Response:
        calls.append((method, url, body))
        if len(calls) == 1:
            raise ExternalError("Broken.", retryable=True, reason="connection_error")
        return Response(status=200, body=b'{"timers": []}')

    answer = TimersClient("http://site.example", "t", transport=transport).list_timers()

    assert answer["timers"] == []
    assert calls == [("GET", "http://site.example/api/v1/timers", None)] * 2


# Programs of the text


@pytest.mark.parametrize("dates", [programs.LITERAL, programs.TO_COME])
def test_the_daily_backup_of_the_text(client: TimersClient, site: RecordingSite, dates: programs.Dates) -> None:
    site.answer(TIMER, status=201)

    assert programs.daily_backup(client, "from", "to", dates) == str(ID)

    assert site.last.document == {
        "timer": {
            "timer_type": "transfer",
            "name": "Daily Data Backup",
            "schedule": {
                "type": "recurring",
                "interval_seconds": 86_400,
                "start": f"{2024 + dates.years}-12-01T02:00:00Z",
            },
            "body": {
                "DATA_TYPE": "transfer",
                "source_endpoint": "from",
                "destination_endpoint": "to",
                "label": "Automated Daily Backup",
                "DATA": [
                    {
                        "DATA_TYPE": "transfer_item",
                        "source_path": "/data/current/",
                        "destination_path": "/backup/daily/",
                        "recursive": True,
                    }
                ],
            },
        }
    }


def test_the_other_creations_of_the_text(client: TimersClient, site: RecordingSite) -> None:
    site.answer(TIMER, status=201)

    programs.maintenance_window(client, "from", "to")
    assert dt.datetime.fromisoformat(site.last.document["timer"]["schedule"]["datetime"]).tzinfo is not None
    programs.multi_path_sync(client, "from", "to")
    assert (site.last.document["timer"]["body"]["sync_level"], len(site.last.document["timer"]["body"]["DATA"])) == (
        3,
        3,
    )
    programs.flow_trigger(client)
    assert site.last.document == {
        "name": "Periodic Flow Trigger",
        "callback_url": programs.CALLBACK_URL,
        "interval": 86_400,
        "start_time": "2024-12-01T00:00:00Z",
    }


def test_the_management_of_the_text(client: TimersClient, site: RecordingSite) -> None:
    site.answer(TIMER)

    assert len(programs.manage_timer(client, str(ID))) == 4

    lines = [request.line.replace("/api/v1/timers/", "") for request in site.requests]
    assert lines == [f"POST {ID}/pause", f"POST {ID}/resume", f"PATCH {ID}", f"DELETE {ID}"]


def test_the_monitor_of_the_text_sees_success(client: TimersClient, site: RecordingSite) -> None:
    waits: list[float] = []
    site.answer(
        {"executions": [{"id": "1", "status": "running"}]}, {"executions": [{"id": "1", "status": "completed"}]}
    )

    assert programs.monitor_timer_execution(client, str(ID), timeout=10, wait=waits.append)

    assert waits == [30]


def test_the_monitor_of_the_text_sees_failure(client: TimersClient, site: RecordingSite) -> None:
    failed = {"id": "1", "status": "failed", "error_message": "no", "failure_reason": "lost"}
    site.answer({"executions": [failed]}, failed)

    assert not programs.monitor_timer_execution(client, str(ID), timeout=10, wait=lambda seconds: None)

    assert site.last.line == "GET /api/v1/executions/1"


def test_a_timer_made_from_dicts_is_the_same() -> None:
    assert TransferTimer(name="a", schedule={"type": "once"}, body={"DATA": []}) == {
        "timer_type": "transfer",
        "name": "a",
        "schedule": {"type": "once"},
        "body": {"DATA": []},
    }


def test_it_can_be_imported_without_django() -> None:
    code = "import timers.client, sys; assert not {'django', 'requests'} & set(sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
