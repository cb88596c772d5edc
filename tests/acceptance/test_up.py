"""One command runs everything, and nothing is lost when parts of it die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psutil
import psycopg
import pytest
from standardwebhooks import Webhook

from tests.acceptance.running import ROOT, Installation, Receiver, until

pytestmark = pytest.mark.acceptance


def _every(running: Installation, receiver: Receiver, seconds: float, path: str = "/hook", **fields: object) -> str:
    document = {
        "name": f"every {seconds} s",
        "timer_type": "webhook",
        "schedule": {"type": "recurring", "interval_seconds": seconds},
        "body": {"url": receiver.url + path, "json": {"hello": "there"}},
        **fields,
    }
    return running.call("POST", "/timers", {"timer": document})["timer"]["id"]


def test_a_webhook_runs_on_time_signed_and_is_recorded(running: Installation, receiver: Receiver) -> None:
    timer_id = _every(running, receiver, 0.5, paused=True)
    secret = running.call("POST", f"/timers/{timer_id}/signing-secret")["signing_secret"]
    running.call("POST", f"/timers/{timer_id}/resume")

    until(lambda: len(receiver.seen) >= 4, seconds=10, what="four deliveries")

    delivery = receiver.seen[-1]
    lateness = delivery.at - datetime.fromisoformat(delivery.headers["x-scheduled-for"]).timestamp()
    Webhook(secret).verify(delivery.body, delivery.headers)
    assert delivery.body == b'{"hello":"there"}'
    assert 0 <= lateness < 2
    executions = until(
        lambda: [each for each in running.executions(timer_id) if each["status"] == "completed"],
        seconds=5,
        what="a completed execution",
    )
    assert delivery.headers["webhook-id"] in {each["id"] for each in running.executions(timer_id)}
    assert executions[-1]["lateness_seconds"] < 2


def test_a_transfer_copies_and_its_execution_tells(live_timers: Installation) -> None:
    source, destination = live_timers.source_root, live_timers.destination_root  # type: ignore[attr-defined]
    (source / "run1").mkdir()
    (source / "run1" / "data.bin").write_bytes(os.urandom(300_000))
    document = {
        "name": "nightly copy",
        "timer_type": "transfer",
        "schedule": {"type": "recurring", "interval_seconds": 3600},
        "body": {
            "source_endpoint": live_timers.source_collection,  # type: ignore[attr-defined]
            "destination_endpoint": live_timers.destination_collection,  # type: ignore[attr-defined]
            "verify_checksum": True,
            "DATA": [{"source_path": "/run1/", "destination_path": "/copy/", "recursive": True}],
        },
    }

    timer_id = live_timers.call("POST", "/timers", {"timer": document})["timer"]["id"]
    (execution,) = until(
        lambda: live_timers.executions(timer_id, status="completed"), seconds=20, what="the transfer's end"
    )

    assert (destination / "copy" / "data.bin").read_bytes() == (source / "run1" / "data.bin").read_bytes()
    task = live_timers.call("GET", f"/transfers/{execution['transfer_id']}")
    assert (task["status"], task["files_transferred"], task["bytes_transferred"]) == ("succeeded", 1, 300_000)


def test_it_prints_the_first_account_once(install: Callable[..., Installation]) -> None:
    installation = install(http_proxy="http://127.0.0.1:9")  # nothing that a proxy is asked for answers
    installation.start()
    installation.stop()
    first = installation.output

    installation.start()

    assert "username: admin" in first
    assert installation.output.count("username: admin") == 1


def test_it_stops_within_ten_seconds_and_leaves_nothing_running(running: Installation, receiver: Receiver) -> None:
    receiver.answer = lambda _: (200, 30.0)
    _every(running, receiver, 1)
    until(lambda: receiver.seen, seconds=10, what="a slow delivery")
    family = running.family()

    took = running.stop()

    assert took < 10
    assert [process for process in family if process.is_running() and process.status() != "zombie"] == []


def test_the_children_stay_in_its_process_group_and_end_when_it_is_killed(running: Installation) -> None:
    assert running.process is not None
    family = running.family()

    assert {os.getpgid(process.pid) for process in family} == {os.getpgid(running.process.pid)}
    running.process.kill()
    running.process.wait(10)
    _gone, left = psutil.wait_procs(family, timeout=15)
    assert left == []


@pytest.mark.parametrize("part", ["gunicorn", "dispatch", "qcluster"])
def test_a_part_that_is_killed_comes_back_and_no_occurrence_is_lost_or_doubled(
    running: Installation, receiver: Receiver, part: str
) -> None:
    timer_id = _every(running, receiver, 0.5, policies={"overlap": "allow", "catch_up": "all"})
    until(lambda: len(receiver.seen) >= 3, seconds=10, what="the first deliveries")

    killed = running.part(part)
    killed.kill()
    count = len(receiver.seen)
    until(lambda: len(receiver.seen) >= count + 6, seconds=40, what="deliveries after the kill")
    until(lambda: _ready(running), seconds=30, what="readiness")
    running.call("POST", f"/timers/{timer_id}/pause")

    assert running.part(part).pid != killed.pid
    _every_occurrence_has_one_row(running, timer_id, 0.5)


def test_killing_everything_loses_and_doubles_nothing(running: Installation, receiver: Receiver) -> None:
    timer_id = _every(running, receiver, 0.5, policies={"overlap": "allow", "catch_up": "all"})
    until(lambda: len(receiver.seen) >= 3, seconds=10, what="the first deliveries")

    running.kill()
    count = len(receiver.seen)
    running.start()
    until(lambda: len(receiver.seen) >= count + 6, seconds=40, what="deliveries after the restart")
    running.call("POST", f"/timers/{timer_id}/pause")

    _every_occurrence_has_one_row(running, timer_id, 0.5)


def test_a_cluster_that_stands_still_is_noticed_and_restarted(
    install: Callable[..., Installation], receiver: Receiver
) -> None:
    running = install()
    running.start()
    _every(running, receiver, 1)
    until(lambda: receiver.seen, seconds=10, what="the first delivery")
    cluster = running.part("qcluster")
    for process in cluster.children(recursive=True):
        process.suspend()

    until(lambda: running.part("qcluster").pid != cluster.pid, seconds=75, what="another cluster")
    count = len(receiver.seen)
    until(lambda: len(receiver.seen) > count, seconds=20, what="deliveries by the new cluster")


def test_a_port_that_is_taken_is_told_in_one_sentence(install: Callable[..., Installation], receiver: Receiver) -> None:
    installation = install(options=())
    outcome = subprocess.run(
        [sys.executable, "manage.py", "up", "--port", str(receiver.server.server_port)],
        cwd=ROOT,
        env=installation.variables(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert outcome.returncode != 0
    assert "Cannot listen on 127.0.0.1" in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1


def test_the_demo_is_alive_and_may_be_loaded_twice(install: Callable[..., Installation]) -> None:
    installation = install("", ("--demo",), TIMERS_WEBHOOK_NETWORKS="")
    installation.start()
    listed = installation.call("GET", "/timers")["timers"]
    names = {timer["name"]: timer["id"] for timer in listed}

    for name in ("Copy new readings to the archive", "Tell the echo", "Count the last hour"):
        until(
            lambda name=name: installation.executions(names[name], status="completed"),
            seconds=30,
            what=f"a completed execution of {name!r}",
        )
    installation.stop()
    installation.start()

    assert len(installation.call("GET", "/timers")["timers"]) == len(listed) == 4
    assert {timer["status"] for timer in listed} == {"active", "paused"}


def _ready(running: Installation) -> bool:
    try:
        with urllib.request.urlopen(running.base_url + "/readyz", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _every_occurrence_has_one_row(running: Installation, timer_id: str, interval: float) -> None:
    """Check that the rows of the timer cover its grid from the first to the last, each instant once."""
    until(
        lambda: not {"pending", "running", "retrying"} & {each["status"] for each in running.executions(timer_id)},
        seconds=30,
        what="the end of what was running",
    )
    instants: Counter[datetime] = Counter()
    for each in running.executions(timer_id):
        planned = datetime.fromisoformat(each["scheduled_for"])
        instants.update(planned + n * timedelta(seconds=interval) for n in range(each["occurrences"]))
    first, last = min(instants), max(instants)
    expected = {
        first + n * timedelta(seconds=interval) for n in range(round((last - first).total_seconds() / interval) + 1)
    }
    assert set(instants) == expected
    assert set(instants.values()) == {1}
    assert last > datetime.now(UTC) - timedelta(seconds=60)


def test_a_database_that_goes_away_and_comes_back_is_survived(
    install: Callable[..., Installation], receiver: Receiver, postgresql_url: str
) -> None:
    installation = install(postgresql_url)
    installation.start()
    timer_id = _every(installation, receiver, 0.5, policies={"overlap": "allow", "catch_up": "all"})
    until(lambda: len(receiver.seen) >= 3, seconds=10, what="the first deliveries")

    name = postgresql_url.partition("?")[0].rsplit("/", 1)[1]
    server = postgresql_url.replace(f"/{name}", "/postgres", 1)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"alter database {name} allow_connections false")
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        time.sleep(3)
        connection.execute(f"alter database {name} allow_connections true")
    count = len(receiver.seen)
    until(lambda: len(receiver.seen) >= count + 6, seconds=40, what="deliveries after the database came back")
    until(lambda: _ready(installation), seconds=30, what="readiness")
    installation.call("POST", f"/timers/{timer_id}/pause")

    _every_occurrence_has_one_row(installation, timer_id, 0.5)
    assert installation.process is not None
    assert installation.process.poll() is None
    installation.process.send_signal(signal.SIGTERM)
    installation.process.wait(15)
