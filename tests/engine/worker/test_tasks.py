"""Entry points for the queue: they hand on, and never raise."""

from __future__ import annotations

import threading
import types
from typing import Any

import pytest
from django_q.exceptions import TimeoutException

from timers.engine.worker import runner, tasks
from timers.messaging import cluster_name
from timers.models import Process


def test_a_group_goes_to_the_runner_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setattr(runner, "of_this_process", lambda: types.SimpleNamespace(put=given.append))

    tasks.run_group([("ab", 1, 2)])

    assert given == [[("ab", 1, 2)]]


@pytest.mark.parametrize("error", [RuntimeError, TimeoutException, KeyboardInterrupt])
def test_nothing_that_is_raised_gets_out(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise error

    monkeypatch.setattr(runner, "of_this_process", fail)

    tasks.run_group([("ab", 1, 2)])
    tasks.answer_cluster_probe()


def test_a_slice_is_carried_out_by_a_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    threads: list[str] = []

    def run_slice(transfer_id: str, *, now: Any) -> None:
        threads.append(threading.current_thread().name)
        done.set()
        raise RuntimeError("slices may fail")

    monkeypatch.setattr(tasks.slice_runner, "run_slice", run_slice)

    tasks.run_slice("some-id")

    assert done.wait(8)
    assert threads[0] != threading.current_thread().name


@pytest.mark.django_db
def test_a_probe_says_that_the_cluster_is_alive_and_what_it_knows(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "of_this_process", lambda: None)

    tasks.answer_cluster_probe()

    alive, member = Process.objects.order_by("role")
    assert (alive.role, alive.name, alive.details) == (
        "cluster",
        cluster_name.name(),
        {"workers": settings.TIMERS_WORKERS},
    )
    assert (member.role, member.name) == ("member", cluster_name.name())
    assert "timers.last_hour" in member.details["functions"]
