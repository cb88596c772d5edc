"""Health, readiness and metrics."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from tests.factories import make_webhook_timer
from tests.web.conftest import ran
from timers.models import Process, Schedule
from timers.services.people import tokens
from timers.web.system import health

pytestmark = pytest.mark.django_db


def test_the_process_is_healthy_when_it_answers(client: Client) -> None:
    assert client.get("/healthz").status_code == 200


@pytest.mark.usefixtures("alive")
def test_the_service_is_ready_when_dispatcher_and_cluster_are_alive(client: Client) -> None:
    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (200, {"status": "ready", "missing": []})


def test_without_them_it_says_what_is_missing(client: Client) -> None:
    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    assert response.json()["missing"] == ["dispatcher", "cluster"]


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize(
    ("role", "seconds", "missing"),
    [("dispatcher", 11, ["dispatcher"]), ("cluster", 16, ["cluster"]), ("cluster", 14, [])],
)
def test_an_old_sign_of_life_counts_for_nothing(
    client: Client, now: datetime, role: str, seconds: int, missing: list[str]
) -> None:
    Process.objects.filter(role=role).update(seen_at=now - timedelta(seconds=seconds))

    assert client.get("/readyz").json()["missing"] == missing


@pytest.mark.usefixtures("alive")
def test_a_database_that_is_not_migrated_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_unmigrated", lambda: True)

    assert client.get("/readyz").json()["missing"] == ["migrations"]


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_metrics_count_executions_and_how_late_they_started(admins_browser: Client, owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    Schedule.objects.filter(timer=timer).update(run_count=6, failure_count=2, cancelled_count=1)
    ran(timer, now, started_at=now + timedelta(milliseconds=30))
    ran(timer, now - timedelta(hours=2), started_at=now)
    ran(make_webhook_timer(owner), now, status="running", started_at=now + timedelta(seconds=3))

    found = samples(admins_browser.get("/metrics").content.decode())

    assert found["timers_executions_total", (("action", "webhook"), ("status", "completed"))] == 3
    assert found["timers_executions_total", (("action", "webhook"), ("status", "failed"))] == 2
    assert found["timers_executions_total", (("action", "webhook"), ("status", "cancelled"))] == 1
    assert found["timers_running", ()] == 1
    assert found["timers_due", ()] == 2
    assert found["timers_dispatch_lateness_seconds_bucket", (("le", "0.025"),)] == 0
    assert found["timers_dispatch_lateness_seconds_bucket", (("le", "0.05"),)] == 1
    assert found["timers_dispatch_lateness_seconds_bucket", (("le", "5.0"),)] == 2
    assert found["timers_dispatch_lateness_seconds_count", ()] == 2
    assert found["timers_dispatch_lateness_seconds_sum", ()] == pytest.approx(3.03)


def test_metrics_of_an_empty_service_are_zero(admins_browser: Client) -> None:
    found = samples(admins_browser.get("/metrics").content.decode())

    assert found["timers_due", ()] == 0
    assert found["timers_dispatch_lateness_seconds_count", ()] == 0


def test_metrics_are_for_administrators(client: Client, owners_browser: Client) -> None:
    assert client.get("/metrics").status_code == 401
    assert owners_browser.get("/metrics").status_code == 403


def test_metrics_open_with_their_own_token_and_with_an_administrators(
    client: Client, admin: Any, owner: Any, now: datetime, settings: Any
) -> None:
    settings.TIMERS_METRICS_TOKEN = "only-metrics"
    _, of_admin = tokens.create_token(owner=admin, name="a", now=now)
    _, of_owner = tokens.create_token(owner=owner, name="b", now=now)

    def status(token: str) -> int:
        return client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code

    assert [status(token) for token in ("only-metrics", of_admin, of_owner, "wrong")] == [200, 200, 403, 401]
