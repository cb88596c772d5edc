"""Clusters that live, and the executions that are for one of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django_q.models import OrmQ

from tests.engine.steps import begin_due, claim_at, end, seconds
from tests.factories import make_code_timer
from timers.actions.base import Outcome
from timers.models import Execution
from timers.services.executions import cluster_routing
from timers.services.executions.begin import begin

pytestmark = pytest.mark.django_db

FUNCTION = "timers.last_hour"


def spread(owner: Any, now: datetime) -> list[Execution]:
    """Return the executions of one occurrence that runs on the clusters a, b and c, begun by a."""
    make_code_timer(owner, body={"function": FUNCTION, "on": "every"})
    for name in "abc":
        cluster_routing.beat(name, functions=[FUNCTION], now=now)
    claim_at(now)
    OrmQ.objects.all().delete()
    begin([Execution.objects.get().pk], owner="w1", now=now, cluster="a")
    return list(Execution.objects.order_by("cluster"))


def test_a_cluster_lives_until_it_leaves_or_falls_silent(now: datetime, db: None) -> None:
    cluster_routing.beat("a", functions=["one"], now=now)
    cluster_routing.beat("b", functions=["two"], now=now - cluster_routing.ALIVE)
    cluster_routing.beat("c", functions=[], now=now)
    cluster_routing.leave("c")

    assert cluster_routing.alive(now=now) == {"a": frozenset({"one"})}


def test_an_occurrence_on_every_cluster_has_a_row_and_a_message_for_each(owner: Any, now: datetime) -> None:
    executions = spread(owner, now)

    assert [(row.cluster, row.status, row.serial > 0) for row in executions] == [
        ("a", "running", False),
        ("b", "pending", True),
        ("c", "pending", True),
    ]
    assert {message.key.rpartition("@")[2] for message in OrmQ.objects.all()} == {"b", "c"}


def test_what_was_for_a_cluster_that_is_gone_is_left_out_or_has_failed(owner: Any, now: datetime) -> None:
    _, of_b, of_c = spread(owner, now)
    Execution.objects.filter(pk=of_c.pk).update(status="retrying", started_at=now)
    later = now + seconds(60)
    cluster_routing.beat("a", functions=[FUNCTION], now=later)

    assert cluster_routing.end_orphans(now=later) == 2

    of_b.refresh_from_db()
    of_c.refresh_from_db()
    assert (of_b.status, of_b.skip_reason, of_b.failure_reason) == ("skipped", "cluster_gone", None)
    assert (of_c.status, of_c.skip_reason, of_c.failure_reason) == ("failed", None, "lost")
    assert cluster_routing.end_orphans(now=later) == 0


def test_a_cluster_that_does_not_know_the_function_after_all_leaves_it_out(owner: Any, now: datetime) -> None:
    _, of_b, _ = spread(owner, now)
    begun = begin_due(now, owner="w2", only=[of_b])

    end(begun, Outcome.not_here("It is unknown."), now, owner="w2")

    of_b.refresh_from_db()
    assert (of_b.status, of_b.skip_reason, of_b.attempt) == ("skipped", "unknown_function", 0)
