"""Kinds from outside the package are seen everywhere: forms, API, OpenAPI document, pages, engine, notifications."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests.api.conftest import Caller
from tests.contracts import new_kinds
from tests.contracts.action import ActionContract
from tests.contracts.channel import ChannelContract
from tests.contracts.new_kinds import DailySchedule, DrawerStorage, EchoAction, PagerChannel
from tests.contracts.schedule import ScheduleContract
from tests.contracts.storage import StorageContract
from tests.engine.steps import begin_due, claim_at, end
from tests.web.timers.test_form import errors_at, values_of
from timers import clock, kinds
from timers.actions.base import OutcomeKind
from timers.api import openapi
from timers.clock import Clock
from timers.engine.worker.execute import RunningAttempt, carry_out
from timers.models import Collection, Execution, Notice, Timer
from timers.queries.timers import listing
from timers.services.notifications import delivery
from timers.services.notifications.delivery import Message
from timers.services.timers import definition_cache
from timers.storages.memory import PLACES

ECHO = {"text": "hello", "times": 2, "key": "very secret"}
DAILY = {"type": "daily", "hour": 13}


@pytest.fixture(autouse=True)
def added_kinds(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings of an operator who added these kinds, read as at the start."""
    for name, entries in new_kinds.SETTINGS.items():
        monkeypatch.setattr(kinds.REGISTRIES[name], "_entries", dict(kinds.REGISTRIES[name]._entries))
        setattr(settings, name, entries)
    kinds.register_added()
    definition_cache.forget()
    yield
    PagerChannel.received.clear()
    PLACES.clear()


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: now)


@pytest.fixture
def caller(owner: Any, still_clock: None) -> Caller:
    return Caller(owner)


@pytest.fixture
def owners_browser(owner: Any, still_clock: None) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def text_of(owners_browser: Client, address: str, **query: Any) -> str:
    """Return the page without the white space beside its tags."""
    page = html.unescape(owners_browser.get(address, query).content.decode())
    return re.sub(r"\s*(<[^>]*>)\s*", r"\1", page)


def create(caller: Caller, **fields: Any) -> dict[str, Any]:
    """Create a timer by the API, an echo of every day unless `fields` say otherwise."""
    document = {"timer_type": "echo", "name": "Repeat it", "schedule": DAILY, "body": ECHO, **fields}
    answer = caller.post("/timers", {"timer": document})
    assert answer.status_code == 201, answer.json()
    return dict(answer.json()["timer"])


def form_of_echo(**changes: Any) -> dict[str, Any]:
    """Return what a owners_browser sends for a good echo of every day."""
    action = {"action": "echo", "echo_text": "hello", "echo_times": "2", "echo_key": "very secret"}
    return {**action, "name": "Repeat it", "when": "daily", "daily_hour": "13", "timezone": "UTC", **changes}


def described(name: str) -> dict[str, Any]:
    """Return the properties of a document that callers send, from the OpenAPI document."""
    return dict(openapi.document()["components"]["schemas"][name]["properties"])


# The contracts


class TestEcho(ActionContract):
    action = EchoAction
    good = [ECHO, {"text": "hello", "loud": True}]
    bad = [({"times": 2}, "text"), ({**ECHO, "times": 10}, "times"), ({**ECHO, "loud": "yes"}, "loud")]

    @pytest.fixture
    def runnable(self) -> dict[str, Any]:
        return ECHO


class TestDaily(ScheduleContract):
    documents = [DAILY, {"type": "daily", "hour": 0}]


class TestDrawer(StorageContract):
    @pytest.fixture
    def storage(self) -> Iterator[DrawerStorage]:
        with DrawerStorage({"name": "left"}, {"pin": "1234"}) as storage:
            yield storage


class TestPager(ChannelContract):
    channel = PagerChannel
    good = ["pager:ana"]
    bad = ["pager:", "pager:7", "fax:ana"]

    @pytest.fixture
    def taking(self) -> str:
        return "ana"

    @pytest.fixture
    def refusing(self) -> str:
        return "broken"

    @pytest.fixture
    def moody(self) -> str:
        return "busy"

    @pytest.fixture
    def unreachable(self) -> str:
        return "busy"

    @pytest.fixture
    def arrived(self) -> Callable[[], list[tuple[str, str, str]]]:
        return lambda: [(str(page.id), page.subject, page.text) for page in PagerChannel.received]


# The settings


def test_the_environment_adds_kinds() -> None:
    variables = {
        setting: ",".join(f"{kind}={path}" for kind, path in entries.items())
        for setting, entries in new_kinds.SETTINGS.items()
    }
    program = (
        "import django; django.setup(); from timers.kinds import REGISTRIES as all; print(*map(list, all.values()))"
    )

    outcome = _python(program, variables)

    assert {kind for entries in new_kinds.SETTINGS.values() for kind in entries} <= set(
        re.findall(r"\w+", outcome.stdout)
    )


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("echo", "TIMERS_ACTIONS must list kinds as kind=package.module.Class; 'echo' is none."),
        ("echo=tests.contracts.new_kinds.Missing", "timers.E003"),
        ("other=tests.contracts.new_kinds.EchoAction", "its class calls itself 'echo'"),
        ("webhook=tests.contracts.new_kinds.EchoAction", "is registered twice"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named_at_the_start(entry: str, complaint: str) -> None:
    program = "import django; django.setup(); from django.core.management import call_command; call_command('check')"

    outcome = _python(program, {"TIMERS_ACTIONS": entry})

    assert outcome.returncode != 0
    assert complaint in outcome.stderr


def _python(program: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, **variables, "DJANGO_SETTINGS_MODULE": "timersite.settings"}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=root, env=environment, capture_output=True, text=True, check=False
    )


# An action


@pytest.mark.django_db
def test_a_new_action_is_created_listed_filtered_and_changed_by_the_api(caller: Caller) -> None:
    timer = create(caller)
    create(caller, timer_type="note", name="Other", body={"free": ["form"]})

    assert timer["body"] == {**ECHO, "key": "***"}
    assert [row["name"] for row in caller.get("/timers", action="echo").json()["timers"]] == ["Repeat it"]
    changed = caller.patch(f"/timers/{timer['id']}", {"body": {"text": "bye", "key": "***"}}).json()["timer"]
    assert changed["body"] == {"text": "bye", "key": "***"}
    stored = Timer.objects.get(pk=timer["id"]).definition
    assert stored is not None
    assert stored.secrets == {"key": "very secret"}
    refused = caller.patch(f"/timers/{timer['id']}", {"body": {"times": "many"}})
    assert set(refused.json()["error"]["fields"]) == {"body.text", "body.times"}


@pytest.mark.django_db
def test_a_new_action_is_carried_out_and_shown(caller: Caller, owners_browser: Client, now: datetime) -> None:
    timer = create(caller)

    execution = carry_out_next(now + timedelta(hours=1))

    assert execution.result == {"value": "hello hello", "key": len(ECHO["key"])}
    assert caller.get(f"/executions/{execution.pk}").json()["result"]["value"] == "hello hello"
    assert [row["id"] for row in caller.get("/executions", action="echo").json()["executions"]] == [str(execution.pk)]
    page = text_of(owners_browser, f"/executions/{execution.pk}/")
    assert "hello hello" in page
    page = text_of(owners_browser, f"/timers/{timer['id']}/")
    assert "Echo" in page
    assert "says hello" in page
    page = text_of(owners_browser, "/", action="echo")
    assert "Repeat it" in page
    assert '<option value="echo" selected>Echo</option>' in page
    assert 'href="#i-retry"/></svg>Echo' in page
    assert "hello hello" in text_of(owners_browser, "/activity/", action="echo")


def carry_out_next(at: datetime) -> Execution:
    """Claim what is due at an instant and carry one execution out, as a worker does."""
    claim_at(at)
    (begun,) = begin_due(at)
    attempt = RunningAttempt(begun)
    with ThreadPoolExecutor(1) as worker:  # the connection of this thread stays open
        outcome = worker.submit(lambda: carry_out(attempt, attempt.begin(Clock()))).result()
    assert outcome.ending is OutcomeKind.COMPLETED, outcome
    end([begun], outcome, at)
    return Execution.objects.get(pk=begun.execution_id)


@pytest.mark.django_db
def test_a_new_action_and_schedule_are_chosen_saved_and_edited_in_the_form(owners_browser: Client) -> None:
    page = text_of(owners_browser, "/timers/new/")
    for choice in ("Echo", "Note", "Daily"):
        assert re.search(rf'<input type="radio"[^>]*>\s*{choice}</label>', page), choice
    for label in ("Text to repeat", "Times", "Secret key", "Body", "Hour of the day"):
        assert f">{label}</label>" in page, label

    response = owners_browser.post("/timers/new/", form_of_echo())

    timer = Timer.objects.get()
    assert response["Location"] == f"/timers/{timer.pk}/"
    assert timer.definition is not None
    assert timer.definition.body == {**ECHO, "key": "***"}
    assert timer.definition.schedule == DAILY
    page = text_of(owners_browser, f"/timers/{timer.pk}/edit/")
    assert "very secret" not in page
    values = values_of(page)
    assert (values["echo_text"], values["echo_times"], values["daily_hour"]) == (["hello"], ["2"], ["13"])

    owners_browser.post(f"/timers/{timer.pk}/edit/", {**values, "echo_text": "bye", "daily_hour": "14"})

    timer.refresh_from_db()
    assert timer.definition.body == {"text": "bye", "times": 2, "key": "***"}
    assert timer.definition.secrets == {"key": "very secret"}
    assert timer.definition.schedule == {"type": "daily", "hour": 14}


@pytest.mark.django_db
def test_complaints_about_new_kinds_lead_to_their_fields(owners_browser: Client) -> None:
    response = owners_browser.post("/timers/new/", form_of_echo(echo_text="", echo_times="12", daily_hour=""))

    assert response.status_code == 200
    assert "echo_times" in errors_at(response)
    response = owners_browser.post("/timers/new/", form_of_echo(echo_text="", daily_hour=""))
    assert {"echo_text", "daily_hour"} & set(errors_at(response))


@pytest.mark.django_db
def test_an_action_that_declares_nothing_has_its_body_as_json(owners_browser: Client) -> None:
    owners_browser.post("/timers/new/", form_of_echo(action="note", note_body='{"free": ["form"]}'))

    timer = Timer.objects.get()
    assert timer.definition is not None
    assert timer.definition.body == {"free": ["form"]}
    assert '"free"' in text_of(owners_browser, f"/timers/{timer.pk}/edit/")
    assert errors_at(owners_browser.post("/timers/new/", form_of_echo(action="note", note_body="{"))) == ["note_body"]


def test_the_openapi_document_describes_a_new_action() -> None:
    timer = described("NewTimer")

    assert timer["timer_type"]["enum"][-2:] == ["echo", "note"]
    (echo,) = [body for body in timer["body"]["anyOf"] if body.get("title") == "Echo"]
    assert echo["required"] == ["text"]
    assert echo["properties"]["times"] == {"type": "integer", "minimum": 1, "maximum": 9}


@pytest.mark.django_db
def test_new_kinds_have_no_words_in_the_dialects_of_others(caller: Caller, owner: Any) -> None:
    """Globus and Conductor clients could not read them, so their lists leave them out."""
    hourly = {"type": "recurring", "interval_seconds": 3600}
    hook = {"timer_type": "webhook", "body": {"url": "https://hooks.example.org/"}}
    create(caller, schedule=hourly, name="A new action")
    create(caller, **hook, name="A new schedule")
    create(caller, **hook, schedule=hourly, name="Known")

    jobs = Caller(owner).client.get("/globus/jobs/").json()["jobs"]

    assert [job["name"] for job in jobs] == ["Known"]


# A schedule


@pytest.mark.django_db
def test_a_new_schedule_is_previewed_and_described(caller: Caller, owners_browser: Client, now: datetime) -> None:
    answer = caller.post("/schedules/preview", {"schedule": DAILY, "limit": 2}).json()
    assert answer["next"] == ["2026-03-02T13:00:00+00:00", "2026-03-03T13:00:00+00:00"]
    assert answer["description"] == "Every day at 13 o'clock UTC"
    refused = caller.post("/schedules/preview", {"schedule": {"type": "daily", "hour": 24}})
    assert set(refused.json()["error"]["fields"]) == {"schedule.hour"}

    timer = create(caller, schedule={**DAILY, "end": {"condition": "iterations", "n": 3}})

    assert timer["next_run"] == "2026-03-02T13:00:00+00:00"
    assert "Every day at 13 o'clock UTC, 3 times" in text_of(owners_browser, f"/timers/{timer['id']}/")
    assert "Every day at 13 o'clock UTC" in text_of(owners_browser, "/")
    row = listing.timer_row(Timer.objects.select_related("schedule", "definition").get(), now=now)
    assert row.schedule.rule.startswith(DailySchedule(hour=13).describe())
    carry_out_next(now + timedelta(hours=1))
    assert caller.get(f"/timers/{timer['id']}").json()["timer"]["next_run"] == "2026-03-03T13:00:00+00:00"


@pytest.mark.django_db
def test_the_form_gives_a_new_schedule_its_bounds(owners_browser: Client) -> None:
    owners_browser.post("/timers/new/", form_of_echo(ends="iterations", runs="3", start="2026-03-05T00:00:00"))

    timer = Timer.objects.get()
    assert timer.definition is not None
    assert timer.definition.schedule["end"] == {"condition": "iterations", "n": 3}
    assert timer.definition.schedule["start"] == "2026-03-05T00:00:00+00:00"


def test_the_openapi_document_describes_a_new_schedule() -> None:
    daily = described("NewTimer")["schedule"]["oneOf"][-1]

    assert daily["required"] == ["type", "hour"]
    assert list(daily["properties"]) == ["type", "hour", "start", "end", "window"]


# A storage


@pytest.mark.django_db
def test_a_new_storage_is_chosen_saved_and_edited_in_the_form(owners_browser: Client) -> None:
    page = text_of(owners_browser, "/collections/new/", kind="drawer")
    assert re.search(r'<a href="\?kind=drawer" aria-current="true">Drawer</a>', page)
    for label in ("Name on the drawer", "Pin"):
        assert f">{label}</label>" in page
    assert "A drawer of this process" in page

    owners_browser.post("/collections/new/?kind=drawer", {"display_name": "Desk", "name": "left", "pin": "1234"})

    collection = Collection.objects.get()
    assert (collection.kind, collection.storage, collection.secrets) == ("drawer", {"name": "left"}, {"pin": "1234"})
    page = text_of(owners_browser, f"/collections/{collection.pk}/edit/")
    assert 'value="left"' in page
    assert "1234" not in page
    owners_browser.post(f"/collections/{collection.pk}/edit/", {"display_name": "Table", "name": "left", "pin": ""})
    collection.refresh_from_db()
    assert (collection.display_name, collection.secrets) == ("Table", {"pin": "1234"})
    owners_browser.post(f"/collections/{collection.pk}/edit/", {"display_name": "Table", "name": "right", "pin": ""})
    collection.refresh_from_db()
    assert collection.storage == {"name": "left"}  # whoever moves it gives the secret again


@pytest.mark.django_db
def test_a_new_storage_is_made_tested_and_browsed(caller: Caller, owners_browser: Client) -> None:
    document = {"display_name": "Desk", "storage": {"kind": "drawer", "name": "left", "pin": "1234"}}
    made = caller.post("/collections", document)
    assert made.status_code == 201
    assert made.json()["storage"] == {"kind": "drawer", "name": "left"}
    address = f"/collections/{made.json()['id']}"
    assert [row["display_name"] for row in caller.get("/collections").json()["collections"]] == ["Desk"]
    refused = caller.post("/collections", {**document, "storage": {"kind": "drawer", "colour": "red"}})
    assert {"storage.name", "storage.pin", "storage.colour"} == set(refused.json()["error"]["fields"])

    with DrawerStorage({"name": "left"}, {}) as storage:
        storage.mkdir("/letters")

    assert [entry["name"] for entry in caller.get(f"{address}/ls").json()["entries"]] == ["letters"]
    assert caller.post(f"{address}/test").json()["status"] == "reachable"
    page = text_of(owners_browser, f"{address}/")
    assert "letters" in page
    assert "drawer left" in page
    assert "</svg>reachable</span>" in page
    assert "Drawer" in text_of(owners_browser, "/collections/")


def test_the_openapi_document_describes_a_new_storage() -> None:
    drawer = described("NewCollection")["storage"]["oneOf"][-1]

    assert drawer["required"] == ["kind", "name", "pin"]
    assert drawer["properties"]["kind"]["enum"] == ["drawer"]


# A channel


@pytest.mark.django_db
def test_a_new_channel_is_named_by_the_form_and_the_api(caller: Caller, owners_browser: Client) -> None:
    assert "or pager:name." in text_of(owners_browser, "/timers/new/")
    owners_browser.post("/timers/new/", form_of_echo(notify="pager:ana"))
    timer = create(caller, policies={"notify": ["pager:bob"]})

    assert timer["policies"]["notify"] == ["pager:bob"]
    assert "pager:bob" in text_of(owners_browser, f"/timers/{timer['id']}/")
    assert Timer.objects.filter(definition__policies__notify=["pager:ana"]).count() == 1
    refused = caller.patch(f"/timers/{timer['id']}", {"policies": {"notify": ["pager:7"]}})
    assert refused.json()["error"]["fields"] == {"policies.notify": ["'7' is no name of a pager."]}
    assert "pager:name" in described("NewTimer")["policies"]["description"]


@pytest.mark.django_db
def test_a_new_channel_delivers_notifications(owner: Any, now: datetime) -> None:
    message = Message(
        type="timer.failed", subject="It failed", text="So it is.", data={}, object_kind="timer", object_id=uuid4()
    )
    (notice,) = delivery.announce(message, owner=owner, recipients=["pager:ana"], now=now)

    taken = delivery.take(notice.pk, now=now)
    assert taken is not None
    assert delivery.deliver(taken, now=now) is None
    delivery.sent(taken, now=now)

    assert [(page.target, page.subject) for page in PagerChannel.received] == [("ana", "It failed")]
    assert Notice.objects.get().status == "sent"
