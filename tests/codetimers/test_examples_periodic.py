"""Examples: periodic tasks of services and functions, sub-second ones, and state kept between runs."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from tests.codetimers.conftest import Stage, module_of
from tests.engine.steps import claim_at
from timers import timer
from timers.engine.worker.execute import release_connections
from timers.models import Execution

pytestmark = pytest.mark.django_db

log = logging.getLogger("shop.upkeep")


def test_one_service_has_several_timers_and_keeps_its_state(stage: Stage) -> None:
    class Upkeep:
        name = "upkeep"

        def __init__(self) -> None:
            self.removed = 0

        @timer(interval=60)
        def remove_old_sessions(self) -> int:
            self.removed += 42
            log.info("Removed %d sessions.", self.removed)
            return self.removed

        @timer(interval=300)
        def check_health(self) -> str:
            print("all well")
            return "good"

        @timer(interval=3600)
        def report(self) -> dict[str, int]:
            return {"removed": self.removed}

    stage.install(module_of(Upkeep))
    stage.pass_time(3600, step=60)

    removals = stage.executions("upkeep.remove_old_sessions")
    assert [len(stage.executions(f"upkeep.{name}")) for name in ("remove_old_sessions", "check_health", "report")] == [
        60,
        12,
        1,
    ]
    assert [each.result for each in removals[:2]] == [{"value": 42}, {"value": 84}]
    assert [(line["level"], line["text"]) for line in stage.details(removals[1])["log"]] == [
        ("INFO", "Removed 84 sessions.")
    ]
    (health, *_) = stage.executions("upkeep.check_health")
    (line,) = stage.details(health)["log"]
    assert (line["level"], line["text"], line["at"][-6:]) == ("INFO", "all well", "+00:00")
    assert stage.executions("upkeep.report")[0].result["value"]["removed"] in (59 * 42, 60 * 42)


def test_a_function_needs_no_class_and_takes_declared_arguments(stage: Stage) -> None:
    @timer(interval=60, name="mail.eu", args=["eu"], kwargs={"limit": 5})
    @timer(interval=120, name="mail.us", args=["us"])
    def send_mail(region: str, limit: int = 10) -> str:
        return f"{limit} to {region}"

    stage.install(module_of(send_mail))
    stage.pass_time(120, step=60)

    assert [each.result["value"] for each in stage.executions("mail.eu")] == ["5 to eu", "5 to eu"]
    assert [each.result["value"] for each in stage.executions("mail.us")] == ["10 to us"]


def test_an_eager_timer_runs_when_it_is_first_made_and_not_at_a_restart(stage: Stage) -> None:
    @timer(interval=3600, eager=True)
    def warm_up() -> None: ...

    @timer(cron="0 0 3 * * *", timezone="Europe/Berlin", eager=True)
    def nightly() -> None: ...

    module = module_of(warm_up, nightly)
    stage.install(module)
    stage.run_due()
    stage.install(module)
    stage.pass_time(60)

    assert stage.statuses("shop.jobs.warm_up") == ["completed"]
    assert [(each.trigger, each.status) for each in stage.executions("shop.jobs.nightly")] == [("manual", "completed")]


def test_a_sub_second_timer_has_each_of_its_instants(stage: Stage) -> None:
    class Sampler:
        name = "sampler"
        count = 0

        @timer(interval=0.1)
        def sample(self) -> None:
            self.count += 1

        @timer(interval=0.5)
        def refresh(self) -> int:
            return self.count

    stage.install(module_of(Sampler))
    began = stage.now
    claim_at(began, ahead=0.5)
    assert Execution.objects.filter(status="pending").count() == 6
    stage.pass_time(1.0, step=0.1)

    planned = [each.scheduled_for for each in stage.executions("sampler.sample")]
    assert planned == [began + timedelta(seconds=number / 10) for number in range(1, 11)]
    assert stage.statuses("sampler.refresh") == ["completed", "completed"]


def test_a_batch_is_gathered_in_the_instance_and_handed_on_when_full(stage: Stage) -> None:
    handed_on: list[list[int]] = []

    class Metrics:
        name = "metrics"

        def setup(self) -> None:
            self.batch: list[int] = []

        @timer(interval=10)
        def collect(self) -> None:
            self.batch += range(40)
            if len(self.batch) >= 100:
                handed_on.append(self.batch)
                self.batch = []

        def stop(self) -> None:
            handed_on.append(self.batch)

    stage.install(module_of(Metrics))
    stage.pass_time(40, step=10)
    release_connections()

    assert [len(batch) for batch in handed_on] == [120, 40]


def test_what_a_run_says_is_bounded(stage: Stage) -> None:
    @timer(interval=60)
    def chatter() -> None:
        for number in range(500):
            print(f"line {number}")
        print("x" * 100_000)

    stage.install(module_of(chatter))
    stage.pass_time(60)

    details: dict[str, Any] = stage.details(stage.executions("shop.jobs.chatter")[0])
    assert details["log_truncated"] is True
    assert len(details["log"]) == 200
    assert details["log"][-2]["text"] == "line 499"
    assert sum(len(line["text"]) for line in details["log"]) <= 32 * 1024
