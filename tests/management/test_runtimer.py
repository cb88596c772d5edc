"""`manage.py runtimer NAME`: one run now, in the foreground, with its output."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.codetimers.conftest import module_of
from timers import clock, timer
from timers.models import Attempt, Execution
from timers.services.timers import code_timers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def installed(settings: Any, admin: Any) -> Iterator[None]:
    @timer(interval=3600)
    def refresh() -> int:
        print("refreshing")
        logging.getLogger("shop").info("It took a while.")
        return 42

    @timer(interval=3600, retries=2)
    def fail() -> None:
        raise ValueError("no good")

    @timer(name="reports.daily", kwargs={"region": "eu"})
    def report(region: str) -> str:
        return region

    module = module_of(refresh, fail, report)
    sys.modules[module.__name__] = module
    settings.TIMERS_CODE_MODULES = (module.__name__,)
    code_timers._load.cache_clear()
    code_timers.sync(now=clock.now())
    yield
    settings.TIMERS_CODE_MODULES = ()
    code_timers._load.cache_clear()


def run(name: str) -> str:
    stdout = io.StringIO()
    call_command("runtimer", name, stdout=stdout, stderr=io.StringIO())
    return stdout.getvalue()


def test_a_declared_timer_runs_with_its_output_and_is_recorded(installed: None, capfd: pytest.CaptureFixture) -> None:
    said = run("shop.jobs.refresh")

    streams = capfd.readouterr()
    assert "refreshing" in streams.out
    assert "INFO shop: It took a while." in streams.err
    assert "result: 42" in said
    execution = Execution.objects.get()
    assert (execution.trigger, execution.status, execution.result) == ("manual", "completed", {"value": 42})
    assert [line["text"] for line in Attempt.objects.get().details["log"]] == ["refreshing", "It took a while."]


def test_a_failure_ends_with_an_error_and_is_not_tried_again(installed: None) -> None:
    with pytest.raises(CommandError, match="failed: ValueError: no good"):
        run("shop.jobs.fail")

    assert Execution.objects.get().status == "failed"


def test_a_function_that_is_registered_only_runs_without_a_record(installed: None) -> None:
    assert 'result: "eu"' in run("reports.daily")
    assert not Execution.objects.exists()


def test_an_unknown_name_lists_the_known_ones(installed: None) -> None:
    with pytest.raises(CommandError, match=r"registered: reports\.daily, shop\.jobs\.fail, shop\.jobs\.refresh"):
        run("refresh")
