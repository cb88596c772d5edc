"""Workflows that go on while parts of their installation are killed at random points.

The tests kill a few times. `python -m tests.acceptance.killing --kills 60 --seed 7` does it for longer, on SQLite or on
the empty PostgreSQL that `--database-url` names. The same seed chooses the same parts and pauses.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.acceptance.running import Installation, Receiver, until

ALONE = ("gunicorn", "dispatch", "qcluster", "one process of qcluster")
"""What the supervisor starts again."""

PARTS = (*ALONE, "supervisor", "everything")
RESPONSE_SECONDS = 3
ASKED = "carry_out"
AWAY = (OSError, http.client.HTTPException)
"""What calls meet while nobody answers."""


@dataclass
class Ordeal:
    """Runs of one workflow, the worker that they need, and what was seen of both."""

    installation: Installation
    receiver: Receiver
    seed: int
    run_ids: list[str] = field(default_factory=list)
    handed_out: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The tasks that the worker was given, by run."""
    kills: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._over = threading.Event()
        self._worker = threading.Thread(target=self._work, daemon=True)

    def begin(self) -> None:
        """Register the workflow and let the worker poll."""
        asked = {"name": ASKED, "retryCount": 100, "retryDelaySeconds": 0, "responseTimeoutSeconds": RESPONSE_SECONDS}
        self._conductor("POST", "/metadata/taskdefs", [asked])
        definition = {"name": "ordeal", "tasks": self._tasks(), "outputParameters": {"said": "${second.output.said}"}}
        self.installation.call("POST", "/workflows", {"definition": definition, "overwrite": True})
        self._worker.start()

    def _tasks(self) -> list[dict[str, Any]]:
        def task(kind: str, reference: str, **inputs: Any) -> dict[str, Any]:
            name = ASKED if kind == "SIMPLE" else reference
            return {"name": name, "taskReferenceName": reference, "type": kind, "inputParameters": inputs}

        def call(place: str) -> dict[str, Any]:
            uri = f"{self.receiver.url}/${{workflow.workflowId}}/{place}"
            return task("HTTP", place, http_request={"uri": uri, "method": "POST", "body": {"place": place}})

        return [
            call("before"),
            task("SIMPLE", "first", say="one"),
            task("WAIT", "pause", duration="0.5s"),
            task("SET_VARIABLE", "note", heard="${first.output.said}"),
            call("after"),
            task("SIMPLE", "second", say="${workflow.variables.heard} two"),
        ]

    def start(self, number: int) -> None:
        """Start so many runs; the same request is sent again where no answer came."""
        for _ in range(number):
            key = f"{self.seed}-{len(self.run_ids)}"
            run = until(lambda key=key: self._start(key), seconds=60, what="the start of a run")
            self.run_ids.append(run["id"])

    def _start(self, key: str) -> Any:
        with suppress(*AWAY):
            return self._call("POST", "/api/v1/workflow-runs", {"name": "ordeal"}, **{"Idempotency-Key": key})

    def kill(self, what: str) -> None:
        """Kill a part; what nobody starts again is started again."""
        self.kills[what] += 1
        installation = self.installation
        if what == "everything":
            installation.kill()
            installation.start()
        elif what == "supervisor":
            family = installation.family()
            family[0].kill()
            assert installation.process is not None
            installation.process.wait(10)
            _, left = psutil.wait_procs(family, timeout=20)
            assert left == [], "also when the cluster has just lost a process"
            installation.start()
        elif what == "one process of qcluster":
            children = installation.part("qcluster").children(recursive=True)
            if children:
                self.random.choice(children).kill()
        else:
            installation.part(what).kill()

    def end(self, *, seconds: float = 90) -> list[dict[str, Any]]:
        """Return all runs when the last one has ended."""
        try:
            return until(self._ended, seconds=seconds, what="the ends of all runs")
        finally:
            self._over.set()
            self._worker.join(20)

    def _ended(self) -> list[dict[str, Any]] | None:
        with suppress(*AWAY):
            runs = [self.installation.call("GET", f"/workflow-runs/{each}") for each in self.run_ids]
            return runs if all(run["completion_time"] for run in runs) else None
        return None

    def check(self, runs: list[dict[str, Any]]) -> None:
        """See that each run did each task with effect once, and that calls were repeated under one id only."""
        assert not self.refusals, self.refusals
        references = [each["taskReferenceName"] for each in self._tasks()]
        for run in runs:
            done = [task["reference"] for task in run["tasks"] if task["status"] == "completed"]
            others = {(task["name"], task["status"]) for task in run["tasks"] if task["status"] != "completed"}
            assert (run["status"], done) == ("completed", references), run
            assert others <= {(ASKED, "timed_out")}, run
            assert run["output"] == {"said": "one! two!"}, run
            asked = {task["id"] for task in run["tasks"] if task["type"] == "SIMPLE"}
            assert self.handed_out[run["id"]] <= asked, "each task that was handed out is on record"
            for place in ("before", "after"):
                self._check_calls(run, place)

    def _check_calls(self, run: dict[str, Any], place: str) -> None:
        deliveries = self.receiver.to(f"/{run['id']}/{place}")
        (task,) = (each for each in run["tasks"] if each["reference"] == place)
        assert {each.headers["idempotency-key"] for each in deliveries} == {task["id"]}
        assert len(deliveries) <= 1 + self.kills.total()

    @property
    def repeated_calls(self) -> int:
        return len(self.receiver.seen) - 2 * len(self.run_ids)

    # The worker

    def _work(self) -> None:
        while not self._over.is_set():
            tasks: Any = None
            with suppress(*AWAY):
                tasks = self._conductor("GET", f"/tasks/poll/batch/{ASKED}?count=5&workerid=w&timeout=100")
            for task in tasks or ():
                self.handed_out[task["workflowInstanceId"]].add(task["taskId"])
                self._report(task)
            self._over.wait(0.05)

    def _report(self, task: dict[str, Any]) -> None:
        ids = {"workflowInstanceId": task["workflowInstanceId"], "taskId": task["taskId"]}
        said = {"said": f"{task['inputData']['say']}!"}
        result = {**ids, "status": "COMPLETED", "outputData": said, "workerId": "w"}
        while not self._over.is_set():
            with suppress(*AWAY):
                self._conductor("POST", "/tasks", result)
                return
            self._over.wait(0.1)

    def _conductor(self, method: str, path: str, document: Any = None) -> Any:
        return self._call(method, f"/conductor/api{path}", document)

    def _call(self, method: str, path: str, document: Any, **headers: str) -> Any:
        token = self.installation.token
        request = urllib.request.Request(
            self.installation.base_url + path,
            method=method,
            data=None if document is None else json.dumps(document).encode(),
            headers={"Authorization": f"Bearer {token}", "X-Authorization": token, **headers}
            | {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            self.refusals.append(f"{method} {path}: {error.code} {error.read()[:300]!r}")
            raise
        is_json = answer.headers["Content-Type"].startswith("application/json")
        return json.loads(body) if is_json and body else body


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.killing", description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--runs", type=int, default=4, help="how many are started before each kill")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--database-url", default="")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    receiver = Receiver()
    receiver.answer = lambda delivery: (200, 0.5)  # so that kills meet calls
    with tempfile.TemporaryDirectory(prefix="timers-killing-") as folder:
        installation = Installation(Path(folder), options.database_url)
        installation.start()
        try:
            soak(Ordeal(installation, receiver, options.seed), kills=options.kills, runs=options.runs)
        finally:
            installation.kill()
            receiver.close()


def soak(ordeal: Ordeal, *, kills: int, runs: int) -> None:
    ordeal.begin()
    for _ in range(kills):
        ordeal.start(runs)
        time.sleep(ordeal.random.uniform(0, 2))
        what = ordeal.random.choice(PARTS)
        print(f"killing {what}", flush=True)
        ordeal.kill(what)
    ordeal.check(ordeal.end(seconds=180))
    print(
        f"{len(ordeal.run_ids)} runs, all completed over {ordeal.kills.total()} kills {dict(ordeal.kills)}; "
        f"{ordeal.repeated_calls} of {2 * len(ordeal.run_ids)} calls were repeated"
    )


if __name__ == "__main__":
    main()
