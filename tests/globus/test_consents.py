"""Mapped collections: apps have to be let into them one by one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.globus.conftest import Caller, body_between, by_hand, token_request, tokens_for
from tests.globus.running import copy_all, run_due
from timers import clock
from timers.models import Collection, Timer
from timers.scopes import TIMERS, TIMERS_SERVER, TRANSFER, TRANSFER_SERVER, data_access
from timers.services.people import consents, tokens

pytestmark = pytest.mark.django_db

Pair = tuple[Collection, Collection]


def files_of(pair: Pair) -> str:
    return " ".join(f"*{data_access(each.pk)}" for each in pair)


def transfer_token(owner: Any, needs: str = "") -> Caller:
    scope = f"{TRANSFER}[{needs}]" if needs else TRANSFER
    return Caller(tokens_for(owner, scope)[TRANSFER_SERVER]["access_token"])


def timers_token(owner: Any, needs: str = "") -> Caller:
    scope = f"{TIMERS}[{TRANSFER}[{needs}]]" if needs else f"{TIMERS}[{TRANSFER}]"
    return Caller(tokens_for(owner, scope)[TIMERS_SERVER]["access_token"])


def test_an_app_that_was_not_let_in_is_told_what_to_ask_for(owner: Any, mapped: Pair) -> None:
    here = mapped[0]
    calls = transfer_token(owner)

    refused = [
        calls.post("/v0.10/transfer", body_between(*mapped)),
        calls.get(f"/v0.10/operation/endpoint/{here.pk}/ls"),
        calls.post("/v0.10/delete", {"endpoint": str(here.pk), "DATA": [{"path": "/file.txt"}]}),
    ]

    assert [(each.status_code, each.json()["code"]) for each in refused] == [(403, "ConsentRequired")] * 3
    wanted = f"{TRANSFER}[*{data_access(here.pk)}]"
    assert wanted in refused[0].json()["required_scopes"]
    assert refused[1].json()["required_scopes"] == [wanted]
    assert refused[1].json()["authorization_parameters"]["required_scopes"] == [wanted]
    assert calls.get(f"/v0.10/endpoint/{here.pk}").status_code == 200


def test_an_app_that_was_let_in_may(owner: Any, mapped: Pair) -> None:
    calls = transfer_token(owner, files_of(mapped))

    assert calls.post("/v0.10/transfer", body_between(*mapped)).status_code == 202
    assert calls.get(f"/v0.10/operation/endpoint/{mapped[0].pk}/ls").status_code == 200


def test_what_timers_were_let_into_is_not_open_to_transfers(owner: Any, mapped: Pair) -> None:
    timers_token(owner, files_of(mapped))

    assert transfer_token(owner).post("/v0.10/transfer", body_between(*mapped)).status_code == 403


def test_tokens_made_by_hand_and_keys_have_all_consents(owner: Any, mapped: Pair) -> None:
    key, secret = tokens.create_key(owner=owner, name="key", now=clock.now())
    fields = {"grant_type": "client_credentials", "scope": TRANSFER}
    token = token_request((str(key.client_id), secret), **fields).json()["access_token"]

    for calls in (by_hand(owner), Caller(token)):
        assert calls.post("/v0.10/transfer", body_between(*mapped)).status_code == 202


def test_a_guest_collection_asks_for_nothing(owner: Any, collections: Pair) -> None:
    assert transfer_token(owner).post("/v0.10/transfer", body_between(*collections)).status_code == 202


def test_a_collection_of_high_assurance_asks_for_nothing(owner: Any, mapped: Pair) -> None:
    for each in mapped:
        each.high_assurance = True
        each.save()

    assert transfer_token(owner).post("/v0.10/transfer", body_between(*mapped)).status_code == 202


@pytest.mark.parametrize("schedule", [{"type": "once"}, {"type": "recurring", "interval_seconds": 3600}])
def test_a_timer_whose_app_was_not_let_in_stands_still_until_it_is(
    owner: Any, mapped: Pair, tmp_path: Path, schedule: dict[str, Any]
) -> None:
    calls = timers_token(owner)
    document = {"timer_type": "transfer", "schedule": schedule, "body": body_between(*mapped)}
    response = calls.post("/v2/timer", {"timer": document})
    job_id = response.json()["timer"]["job_id"]

    run_due(clock.now())
    stopped = calls.get(f"/jobs/{job_id}").json()
    timers_token(owner, files_of(mapped))
    resumed = calls.post(f"/jobs/{job_id}/resume", {"update_credentials": True})
    run_due(clock.now())
    copy_all()

    assert response.status_code == 201
    assert (stopped["status"], stopped["results"]["data"][0]["status"]) == ("inactive", 403)
    reason = stopped["inactive_reason"]
    assert (reason["cause"], reason["detail"]["code"]) == ("globus_auth_requirements", "ConsentRequired")
    parameters = reason["detail"]["authorization_parameters"]
    assert parameters["session_message"] == "Missing data_access consent"
    assert set(parameters["required_scopes"]) == {f"{TIMERS}[{TRANSFER}[*{data_access(each.pk)}]]" for each in mapped}
    assert resumed.status_code == 200
    assert (tmp_path / "there" / "copy.txt").read_text() == "four"
    done = calls.get(f"/jobs/{job_id}").json()
    assert (done["status"], done["n_runs"], done["n_errors"]) == (
        "ended" if schedule["type"] == "once" else "loaded",
        2,
        1,
    )


def test_a_timer_made_by_another_app_is_taken_over_on_resume(owner: Any, mapped: Pair, tmp_path: Path) -> None:
    document = {"timer_type": "transfer", "schedule": {"type": "once"}, "body": body_between(*mapped)}
    job_id = timers_token(owner).post("/v2/timer", {"timer": document}).json()["timer"]["job_id"]
    run_due(clock.now())

    by_hand(owner).post(f"/jobs/{job_id}/resume")  # decided by the reason for which it stands still
    run_due(clock.now())
    copy_all()

    assert (tmp_path / "there" / "copy.txt").exists()


def test_a_timer_that_people_make_needs_no_consents(owner: Any, mapped: Pair, tmp_path: Path) -> None:
    document = {"timer_type": "transfer", "schedule": {"type": "once"}, "body": body_between(*mapped)}
    by_hand(owner).post("/v2/timer", {"timer": document})

    run_due(clock.now())
    copy_all()

    assert (tmp_path / "there" / "copy.txt").exists()


def test_consents_that_are_withdrawn_end_tokens_and_stop_timers(owner: Any, mapped: Pair) -> None:
    calls = timers_token(owner, files_of(mapped))
    start = (clock.now() + timedelta(minutes=5)).isoformat()
    document = {
        "timer_type": "transfer",
        "schedule": {"type": "once", "datetime": start},
        "body": body_between(*mapped),
    }
    job_id = calls.post("/v2/timer", {"timer": document}).json()["timer"]["job_id"]
    timer = Timer.objects.select_related("origin").get(pk=job_id)
    assert timer.origin.client_id is not None

    consents.withdraw(owner=owner, client_id=timer.origin.client_id, now=clock.now())
    run_due(clock.now() + timedelta(minutes=6))

    assert calls.get("/jobs/").status_code == 401
    assert by_hand(owner).get(f"/jobs/{job_id}").json()["status"] == "inactive"
