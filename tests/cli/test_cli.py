"""The command line against the site itself: what it sends, prints and how it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_collection
from timers import clock
from timers.cli.main import main
from timers.client import TimersClient
from timers.http import ExternalError, Response
from timers.models import Timer
from timers.services.people import tokens

pytestmark = pytest.mark.django_db

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(owner: Any, capsys: pytest.CaptureFixture[str]) -> Command:
    """Carry out a command as the owner; return the exit status and what was printed."""
    token = tokens.create_token(owner=owner, name="tests", now=clock.now())[1]
    django = Client()

    def transport(method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, **_: Any) -> Response:
        sent = {name: value for name, value in headers.items() if name != "Content-Type"}
        path = url.removeprefix("http://testserver")
        got = django.generic(method, path, body or b"", content_type="application/json", headers=sent)
        return Response(status=got.status_code, headers={}, body=got.content, truncated=False)

    def command(*words: object) -> tuple[int, str, str]:
        client = TimersClient("http://testserver", token, transport=transport)
        try:
            status = main([str(word) for word in words], client=client)
        except SystemExit as end:  # the parser's own way to say that it did not understand
            status = int(end.code or 0)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return command


@pytest.fixture
def ends(owner: Any, tmp_path: Path, settings: Any) -> tuple[object, ...]:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here, there = (make_collection(owner, tmp_path / name).pk for name in ("here", "there"))
    return ("--source-endpoint", here, "--dest-endpoint", there)


def made() -> tuple[Timer, dict[str, Any]]:
    timer = Timer.objects.select_related("definition").get()
    assert timer.definition is not None
    return timer, {"schedule": timer.definition.schedule, **timer.definition.body}


def test_a_transfer_with_several_items_is_scheduled(run: Command, ends: tuple[object, ...]) -> None:
    items = ("--item", "/file1.txt", "/~/new1.txt", "false", "--item", "/folder/", "/~/new/", "true")
    when = ("--interval", "28800", "--start", "2027-01-01T12:34:56+01:00", "--stop-after-runs", 3)

    status, printed, _ = run(
        "job",
        "transfer",
        "--name",
        "example-job",
        *when,
        *ends,
        *items,
        "--sync-level",
        "checksum",
        "--verify-checksum",
    )

    timer, definition = made()
    assert (status, timer.name, timer.action) == (0, "example-job", "transfer")
    assert [item["recursive"] for item in definition["DATA"]] == [False, True]
    assert (definition["sync_level"], definition["verify_checksum"]) == (3, True)
    assert definition["schedule"] == {
        "type": "recurring",
        "interval_seconds": 28_800,
        "start": "2027-01-01T11:34:56+00:00",
        "end": {"condition": "iterations", "n": 3},
    }
    assert str(timer.pk) in printed
    assert "Interval:        8:00:00" in printed


def test_items_may_come_from_a_file(run: Command, ends: tuple[object, ...], tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("/a.txt, /b.txt\n/folder/,/copy/,true\n\n")

    status, _, _ = run("job", "transfer", "--name", "x", *ends, "--items-file", tmp_path / "items.csv")

    assert status == 0
    assert [item["recursive"] for item in made()[1]["DATA"]] == [False, True]


@pytest.mark.parametrize(
    ("text", "seconds"), [("600", 600), ("90s", 90), ("1h30m", 5400), ("2d", 172_800), ("1w", 604_800), ("0.5", 0.5)]
)
def test_an_interval_has_units(run: Command, text: str, seconds: float) -> None:
    run("job", "submit", "--name", "x", "--interval", text, "--action-url", "https://hooks.example.org/")

    assert made()[1]["schedule"]["interval_seconds"] == seconds


def test_a_start_without_an_offset_is_local_time(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        run(
            "job",
            "submit",
            "--name",
            "x",
            "--start",
            "2027-01-01 09:00:00",
            "--action-url",
            "https://hooks.example.org/",
        )
    finally:
        monkeypatch.undo()
        time.tzset()

    assert made()[1]["schedule"] == {"type": "once", "datetime": "2027-01-01T00:00:00+00:00"}


def test_an_action_is_a_webhook_with_the_body_as_given(run: Command, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"any": ["thing"]}')
    url = ("--action-url", "https://hooks.example.org/run")

    status, printed, _ = run(
        "job", "submit", "-F", "json", "--name", "x", *url, "--action-file", tmp_path / "body.json"
    )

    timer, definition = made()
    assert (status, json.loads(printed)["timer"]["id"]) == (0, str(timer.pk))
    assert (timer.action, definition["url"], definition["json"]) == ("webhook", url[1], {"any": ["thing"]})


def test_an_action_that_is_a_transfer_becomes_one(run: Command, ends: tuple[object, ...]) -> None:
    items = [{"source_path": "/~/file1.txt", "destination_path": "/~/new_file1.txt"}]
    inner = {"source_endpoint_id": str(ends[1]), "destination_endpoint_id": str(ends[3]), "transfer_items": items}
    url = ("--action-url", "https://actions.automate.globus.org/transfer/transfer/run")

    status, _, _ = run(
        "job", "submit", "--name", "tutorial", "--interval", 600, *url, "--action-body", json.dumps({"body": inner})
    )

    timer, definition = made()
    assert (status, timer.action, definition["DATA"]) == (0, "transfer", items)


def test_jobs_are_listed_looked_at_and_steered(run: Command) -> None:
    run("job", "submit", "--name", "one", "--interval", "1h", "--action-url", "https://hooks.example.org/")
    job_id = made()[0].pk

    paused = run("job", "pause", job_id, "--reason", "later")
    table = run("job", "list")
    listed = json.loads(run("-F", "json", "job", "list", "--status", "paused")[1])
    resumed = run("job", "resume", job_id)
    ran = json.loads(run("job", "run", job_id, "-F", "json")[1])
    looked = run("job", "status", job_id)
    everything = json.loads(run("job", "status", "--all", "-F", "json")[1])
    deleted = json.loads(run("job", "delete", job_id, "-F", "json")[1])

    assert "Status:          paused" in paused[1]
    assert table[1].splitlines()[0].startswith("Name | Job ID")
    assert [each["name"] for each in listed["timers"]] == ["one"]
    assert "Status:          active" in resumed[1]
    assert ran["execution"]["trigger"] == "manual"
    assert "Last Run Result: not run" in looked[1]
    assert everything["timer"]["id"] == str(job_id)
    assert deleted["timer"]["status"] == "deleted"
    assert run("job", "list")[1] == "There are no jobs.\n"


def test_what_the_site_refuses_is_1_and_does_not_stop_the_others(run: Command) -> None:
    run("job", "submit", "--name", "one", "--interval", "1h", "--action-url", "https://hooks.example.org/")
    job_id = made()[0].pk

    status, printed, complaint = run("job", "pause", "nonsense", job_id)

    assert status == 1
    assert "There is no timer with the id nonsense." in complaint
    assert "paused" in printed


def test_a_site_that_is_not_there_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    def nowhere(*_: Any, **__: Any) -> Response:
        raise ExternalError("The connection failed: refused.", retryable=True, reason="connection_error")

    status = main(["job", "list"], client=TimersClient("http://127.0.0.1:1", "t", transport=nowhere))

    assert status == 1
    assert "The connection failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["job"],
        ["job", "status"],
        ["job", "nonsense"],
        ["job", "submit", "--name", "x"],
        ["job", "submit", "--name", "x", "--action-url", "https://x.example", "--interval", "often"],
        ["job", "submit", "--name", "x", "--action-url", "https://x.example", "--start", "soon"],
        ["job", "submit", "--name", "x", "--action-url", "https://x.example", "--action-body", "{"],
        ["job", "submit", "--name", "x", "--action-url", "https://x.example", "--action-file", "/no/such/file"],
        ["job", "submit", "--name", "x", "--action-url", "https://x.example", "--stop-after-runs", "3"],
        ["job", "submit", "--name", "x", "--action-url", "https://actions.example/transfer/transfer/run"],
        ["job", "transfer", "--name", "x", "--source-endpoint", "a", "--dest-endpoint", "b"],
        [
            "job",
            "transfer",
            "--name",
            "x",
            "--source-endpoint",
            "a",
            "--dest-endpoint",
            "b",
            "--item",
            "a",
            "b",
            "maybe",
        ],
    ],
)
def test_words_that_cannot_be_understood_are_2(run: Command, words: list[str]) -> None:
    status, _, complaint = run(*words)

    assert status == 2
    assert "usage:" in complaint


def test_without_an_address_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TIMERS_URL", raising=False)

    assert main(["job", "list"]) == 2
    assert "TIMERS_URL" in capsys.readouterr().err
