"""Examples: services that depend on settings, on each other, and on objects of their own."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.codetimers.conftest import Stage, module_of
from timers import Config, RpcProxy, timer
from timers.actions import service_instances

pytestmark = pytest.mark.django_db


class Users:
    name = "users"

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def to_sync(self, since: int | None, limit: int) -> list[int]:
        self.asked.append((since, limit))
        return [1, 2, 3][:limit]

    def _secret(self) -> None: ...


class Pool:
    """A dependency of its own making: one connection per service."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def setup(self) -> None:
        self.log.append("pool set up")

    def bind(self, service: Any) -> str:
        return f"connection of {service.name}"

    def stop(self) -> None:
        self.log.append("pool stopped")


def test_a_service_calls_another_one_and_reads_settings_with_a_default(stage: Stage, settings: Any) -> None:
    class Sync:
        name = "sync"
        users = RpcProxy("users")
        config = Config(REGION="eu")

        def __init__(self) -> None:
            self.last: int | None = None

        @timer(interval=600)
        def run(self) -> str:
            batch = self.config.get("SYNC_BATCH_SIZE", 100)
            found = self.users.to_sync(self.last, limit=batch)
            self.last = max(found)
            return f"{found} in {self.config['REGION']}"

    stage.install(module_of(Sync, Users))
    stage.pass_time(600)
    settings.SYNC_BATCH_SIZE, settings.REGION = 2, "us"
    stage.pass_time(600)

    assert [each.result["value"] for each in stage.executions("sync.run")] == ["[1, 2, 3] in eu", "[1, 2] in us"]
    assert service_instances.instance_of(Users).asked == [(None, 100), (3, 2)]


def test_an_object_that_binds_itself_is_a_dependency_and_both_have_hooks(stage: Stage) -> None:
    log: list[str] = []

    class Reports:
        name = "reports"
        database = Pool(log)

        def setup(self) -> None:
            log.append(f"set up with {self.database}")

        @timer(interval=60)
        def write(self) -> None:
            log.append(f"write to {self.database}")

        def stop(self) -> None:
            log.append("stopped")

    stage.install(module_of(Reports))
    stage.pass_time(120, step=60)
    service_instances.stop_all()

    assert log == [
        "pool set up",
        "set up with connection of reports",
        "write to connection of reports",
        "write to connection of reports",
        "stopped",
        "pool stopped",
    ]


def test_a_service_that_cannot_be_set_up_fails_its_runs_and_is_tried_again(stage: Stage) -> None:
    ready = iter([False, True])

    class Slow:
        name = "slow"

        def setup(self) -> None:
            if not next(ready):
                raise RuntimeError("not yet")

        @timer(interval=60)
        def work(self) -> None: ...

    stage.install(module_of(Slow))
    stage.pass_time(120, step=60)

    assert stage.statuses("slow.work") == ["failed", "completed"]


def test_a_service_is_used_by_nobody_before_it_is_ready(stage: Stage) -> None:
    seen: list[str] = []

    class Shared:
        name = "shared"
        config = Config(REGION="eu")

        def setup(self) -> None:
            self.other = threading.Thread(target=lambda: seen.append(service_instances.instance_of(Shared).state))
            self.other.start()
            self.other.join(0.05)
            self.state = f"ready in {self.config['REGION']}"

        @timer(interval=60)
        def work(self) -> None: ...

    stage.install(module_of(Shared))
    service_instances.instance_of(Shared).other.join(10)

    assert seen == ["ready in eu"]


def test_only_public_methods_of_known_services_can_be_called(stage: Stage) -> None:
    class Caller:
        name = "caller"
        users = RpcProxy("users")
        nobody = RpcProxy("nobody")

        @timer(interval=60)
        def private(self) -> None:
            self.users._secret()

        @timer(interval=60)
        def unknown(self) -> None:
            self.nobody.anything()

    stage.install(module_of(Caller, Users))
    stage.pass_time(60)

    (private,), (unknown,) = stage.executions("caller.private"), stage.executions("caller.unknown")
    assert private.error_message == "AttributeError: _secret is not a public method of the service 'users'."
    assert unknown.error_message == "LookupError: No service is named 'nobody'; known: caller, users."
