"""Examples: one run for all machines or one on each, work dealt out, and what a machine that is gone leaves behind."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from tests.codetimers.conftest import Stage, module_of
from tests.contracts.action import context_for
from tests.engine.steps import OK, claim_at, end
from timers import timer
from timers.actions.base import CURRENT, Outcome
from timers.models import Execution, WorkItem
from timers.services.attempt_values import StartedAttempt
from timers.services.executions import cluster_routing, leases
from timers.services.executions.begin import begin as start
from timers.work import claim_work

pytestmark = pytest.mark.django_db


def begin(stage: Stage, *, owner: str, cluster: str, only: Any = None) -> list[StartedAttempt]:
    due = Execution.objects.filter(status="pending", run_at__lte=stage.now) if only is None else only
    return start([each.pk for each in due], owner=owner, now=stage.now, cluster=cluster)


def messages_for(cluster: str) -> list[str]:
    """Return the executions that messages for one cluster name."""
    rows = OrmQ.objects.filter(key=f"timers@{cluster}")
    return [item[0] for row in rows for item in SignedPackage.loads(row.payload)["args"][0]]


def test_however_many_machines_run_one_occurrence_runs_once(stage: Stage) -> None:
    @timer(interval=300)
    def elect_a_leader() -> None: ...

    stage.install(module_of(elect_a_leader))
    stage.now += timedelta(seconds=300)
    claim_at(stage.now)
    claim_at(stage.now)
    (execution,) = stage.executions("shop.jobs.elect_a_leader")

    begun = [begin(stage, owner=owner, cluster=owner, only=[execution]) for owner in ("machine-1", "machine-2")]

    assert [len(each) for each in begun] == [1, 0]


@pytest.fixture
def wide(stage: Stage) -> Stage:
    @timer(interval=60, on="every", name="cache.clear")
    def clear_cache() -> None: ...

    stage.install(module_of(clear_cache))
    for cluster in ("a:1", "b:2", "c:3"):
        cluster_routing.beat(cluster, functions=["cache.clear"], now=stage.now)
    cluster_routing.beat("other:4", functions=["something.else"], now=stage.now)
    stage.now += timedelta(seconds=60)
    for cluster in ("a:1", "b:2"):
        cluster_routing.beat(cluster, functions=["cache.clear"], now=stage.now)
    cluster_routing.beat("other:4", functions=["something.else"], now=stage.now)
    claim_at(stage.now)
    return stage


def test_a_timer_on_every_cluster_runs_once_on_each_that_lives_and_knows_it(wide: Stage) -> None:
    (first,) = begin(wide, owner="a:11", cluster="a:1")

    rows = wide.executions("cache.clear")
    assert sorted((each.cluster, each.status, each.serial > 0) for each in rows) == [
        ("a:1", "running", False),
        ("b:2", "pending", True),
    ]
    (theirs,) = messages_for("b:2")
    assert str(first.execution_id.hex) != theirs

    other = begin(wide, owner="b:22", cluster="b:2")
    end([first], OK, wide.now, owner="a:11")
    end(other, OK, wide.now, owner="b:22")
    assert wide.statuses("cache.clear") == ["completed", "completed"]
    assert wide.timer("cache.clear").schedule.fired_count == 1


def test_a_repeated_attempt_makes_no_second_row_for_a_cluster(wide: Stage) -> None:
    begin(wide, owner="a:11", cluster="a:1")
    wide.now += timedelta(seconds=16)
    for cluster in ("a:1", "b:2"):
        cluster_routing.beat(cluster, functions=["cache.clear"], now=wide.now)
    leases.reap(now=wide.now)
    (lost,) = wide.executions("cache.clear", serial=0)

    assert messages_for("a:1") == [lost.pk.hex]
    begin(wide, owner="a:12", cluster="a:1")
    assert sorted(each.cluster for each in wide.executions("cache.clear")) == ["a:1", "b:2"]


def test_a_cluster_that_is_still_at_it_holds_up_no_other_one(wide: Stage) -> None:
    begin(wide, owner="a:11", cluster="a:1")
    end(begin(wide, owner="b:22", cluster="b:2"), OK, wide.now, owner="b:22")
    wide.now += timedelta(seconds=60)
    for cluster in ("a:1", "b:2"):
        cluster_routing.beat(cluster, functions=["cache.clear"], now=wide.now)
    Execution.objects.filter(status="running").update(lease_until=wide.now + timedelta(seconds=15))
    claim_at(wide.now)

    begin(wide, owner="b:22", cluster="b:2")
    begin(wide, owner="a:11", cluster="a:1")

    later = [each for each in wide.executions("cache.clear") if each.scheduled_for == wide.now]
    assert sorted((each.cluster, each.status, each.skip_reason) for each in later) == [
        ("a:1", "skipped", "overlap"),
        ("b:2", "running", None),
    ]
    assert wide.timer("cache.clear").schedule.fired_count == 2


def test_what_was_for_a_cluster_that_is_gone_is_ended(wide: Stage) -> None:
    begin(wide, owner="a:11", cluster="a:1")
    wide.now += timedelta(seconds=40)
    cluster_routing.beat("a:1", functions=["cache.clear"], now=wide.now)

    leases.reap(now=wide.now)

    (child,) = wide.executions("cache.clear", serial__gt=0)
    assert (child.status, child.skip_reason, child.error_message) == ("skipped", "cluster_gone", "Its cluster is gone.")


def test_the_occurrence_of_a_cluster_that_is_gone_is_taken_over(wide: Stage) -> None:
    begin(wide, owner="a:11", cluster="a:1")
    wide.now += timedelta(seconds=40)
    cluster_routing.beat("b:2", functions=["cache.clear"], now=wide.now)
    leases.reap(now=wide.now)
    (lost,) = wide.executions("cache.clear", serial=0)

    assert begin(wide, owner="b:22", cluster="b:2", only=[lost])


def test_a_worker_that_does_not_know_the_function_leaves_it_to_one_that_does(stage: Stage) -> None:
    @timer(interval=60)
    def elsewhere() -> None: ...

    stage.install(module_of(elsewhere))
    stage.now += timedelta(seconds=60)
    claim_at(stage.now)
    cluster_routing.beat("knows:1", functions=["shop.jobs.elsewhere"], now=stage.now)
    begun = begin(stage, owner="w1", cluster="here:2")

    end(begun, Outcome.not_here("Waits for a worker that knows it."), stage.now)

    (execution,) = stage.executions("shop.jobs.elsewhere")
    assert (execution.status, execution.attempt, execution.started_at) == ("pending", 0, None)
    assert messages_for("knows:1") == [execution.pk.hex]


def test_what_nobody_knows_rests_for_seconds_and_says_so(stage: Stage) -> None:
    @timer(interval=60)
    def vanished() -> None: ...

    module = module_of(vanished)
    stage.install(module)
    stage.install(sync=False)
    OrmQ.objects.all().delete()
    stage.now += timedelta(seconds=60)
    stage.run_due()
    before = OrmQ.objects.count()

    leases.reap(now=stage.now + timedelta(seconds=4))
    (execution,) = stage.executions("shop.jobs.vanished")
    assert (execution.status, execution.attempt, OrmQ.objects.count()) == ("pending", 0, before)
    assert execution.error_message == "Waits for a worker that knows the function 'shop.jobs.vanished'."

    leases.reap(now=stage.now + timedelta(seconds=6))
    assert OrmQ.objects.count() == before + 1
    stage.install(module)
    stage.run_due()
    assert stage.statuses("shop.jobs.vanished") == ["completed"]


def test_what_must_not_be_repeated_fails_when_its_worker_dies(stage: Stage) -> None:
    @timer(interval=60, at_most_once=True)
    def charge_cards() -> None: ...

    stage.install(module_of(charge_cards))
    stage.now += timedelta(seconds=60)
    claim_at(stage.now)
    begin(stage, owner="w1", cluster="a:1")

    leases.reap(now=stage.now + timedelta(seconds=16))

    (execution,) = stage.executions("shop.jobs.charge_cards")
    assert (execution.status, execution.failure_reason, execution.attempt) == ("failed", "lost", 1)


# Work dealt out


@pytest.fixture
def people(stage: Stage) -> list[Any]:
    return [get_user_model().objects.create_user(f"person-{number}") for number in range(5)]


def names(items: Any) -> list[str]:
    return [item.row.username for item in items]


def test_work_is_dealt_out_and_its_end_recorded(stage: Stage, people: list[Any]) -> None:
    waiting = get_user_model().objects.filter(username__startswith="person").order_by("username")

    failing = {"person-1"}

    @timer(interval=60, name="people.greet")
    def greet() -> list[str]:
        done = []
        for item in claim_work(waiting, limit=2):
            with item:
                if item.row.username in failing:
                    failing.discard(item.row.username)
                    raise ValueError("no address")
                done.append(item.row.username)
        return done

    stage.install(module_of(greet))
    stage.pass_time(240, step=60)

    assert [each.result["value"] for each in stage.executions("people.greet")] == [
        ["person-0"],
        ["person-1", "person-2"],
        ["person-3", "person-4"],
        [],
    ]
    assert WorkItem.objects.filter(name="people.greet", status="done").count() == 5


def test_two_runs_never_hold_the_same_row(stage: Stage, people: list[Any], now: datetime) -> None:
    waiting = get_user_model().objects.filter(username__startswith="person").order_by("username")

    first = list(claim_work(waiting, limit=3, name="shared"))
    second = list(claim_work(waiting, limit=3, name="shared"))
    other = list(claim_work(waiting, limit=1, name="another"))

    assert (names(first), names(second)) == (["person-0", "person-1", "person-2"], ["person-3", "person-4"])
    assert names(other) == ["person-0"]


def test_a_failed_row_is_dealt_out_again_only_so_often(stage: Stage, people: list[Any]) -> None:
    one = get_user_model().objects.filter(username="person-0")

    seen = 0
    for _ in range(5):
        for item in claim_work(one, limit=1, name="hard", attempts=3):
            with item:
                seen += 1
                raise RuntimeError("still broken")

    work = WorkItem.objects.get(name="hard")
    assert (seen, work.attempts, work.status, work.error_message) == (3, 3, "failed", "still broken")


def test_the_repetition_of_a_lost_run_has_the_same_rows_again(stage: Stage, people: list[Any]) -> None:
    waiting = get_user_model().objects.filter(username__startswith="person").order_by("username")
    context = context_for({"function": "people.greet"})
    token = CURRENT.set(context)
    try:
        first, again = list(claim_work(waiting, limit=2)), list(claim_work(waiting, limit=2))
    finally:
        CURRENT.reset(token)

    assert names(first) == names(again) == ["person-0", "person-1"]
