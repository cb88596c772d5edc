"""Released Globus clients, unmodified, against a running service."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.globus.conftest import PASSWORD
from tests.acceptance.globus.packages import Environment
from tests.acceptance.globus.person import Person
from tests.acceptance.globus.terminal import Outcome, Terminal
from tests.acceptance.running import ROOT, TOKEN, Installation, until

pytestmark = pytest.mark.acceptance

PROGRAMS = Path(__file__).parent / "programs"
SOURCE = "6c54cade-bde5-45c1-bdea-f4bd71dba2cc"
DESTINATION = "31ce9ba0-176d-45a5-add3-f37d233ba47d"

Packages = dict[str, Environment]
Terminals = Callable[..., Terminal]


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


@pytest.mark.parametrize(
    ("generation", "program", "logins", "file"),
    [
        ("sdk4", "tutorial", 1, "example-timer-destination.txt"),
        ("sdk4", "discovery", 2, "example-timer-discovered.txt"),
        ("sdk3", "tutorial3", 1, "example-timer-of-three.txt"),
    ],
)
def test_the_tutorials_log_in_once_make_their_timer_and_the_file_arrives(
    packages: Packages,
    terminal: Terminals,
    person: Person,
    second_person: Person,
    archive: Path,
    generation: str,
    program: str,
    logins: int,
    file: str,
) -> None:
    somebody = second_person if program == "discovery" else person
    home, python = terminal(), packages[generation].program("python")

    first = home.run(python, PROGRAMS / f"{program}.py", person=somebody)
    second = home.run(python, PROGRAMS / f"{program}.py")

    assert (first.status, somebody.agreed) == (0, logins), first.text
    assert second.status == 0, second.text
    assert found(r"timer_id: (\S+)", first.text) != found(r"timer_id: (\S+)", second.text)
    until((archive / file).exists, seconds=10, what="the file")


@pytest.mark.parametrize("generation", ["sdk4", "sdk3"])
def test_every_method_of_the_sdk_works_with_a_token(
    packages: Packages, terminal: Terminals, site: Installation, generation: str
) -> None:
    hook = f"{site.base_url}/demo/echo"

    outcome = terminal().run(packages[generation].program("python"), PROGRAMS / "methods.py", TOKEN, hook)

    assert (outcome.status, outcome.text.strip()) == (0, "all methods answered"), outcome.text


def test_an_app_that_is_a_client_needs_no_login(
    packages: Packages, terminal: Terminals, key: dict[str, str], archive: Path
) -> None:
    command = (packages["sdk4"].program("python"), PROGRAMS / "client_app.py", key["client_id"], key["client_secret"])
    home = terminal()

    first, second = home.run(*command), home.run(*command)

    assert (first.status, second.status) == (0, 0), first.text + second.text
    until((archive / "by-client-app.txt").exists, seconds=10, what="the file")


class CommandLine:
    """`globus` of one home."""

    def __init__(self, packages: Packages, home: Terminal) -> None:
        self.program = packages["cli"].program("globus")
        self.home = home

    def __call__(self, *words: object, status: int = 0, person: Person | None = None) -> str:
        outcome: Outcome = self.home.run(self.program, *words, person=person)
        assert outcome.status == status, outcome.text
        return outcome.text

    def json(self, *words: object) -> Any:
        return json.loads(self(*words, "-F", "json"))


def test_the_command_line_of_somebody_who_logged_in(
    packages: Packages, terminal: Terminals, person: Person, archive: Path
) -> None:
    globus = CommandLine(packages, terminal())
    timer = ("timer", "create", "transfer", f"{SOURCE}:/share/godata/file1.txt", f"{DESTINATION}:/~/cli.txt")
    files = " ".join(f"*https://auth.globus.org/scopes/{each}/data_access" for each in (SOURCE, DESTINATION))

    globus("login", "--no-local-server", person=person)
    assert globus("whoami").strip() == "admin"
    refused = globus(*timer, "--interval", "1h", "--stop-after-runs", 3, status=4)
    assert "globus session consent --timer-data-access" in refused
    consent = ("session", "consent", "--no-local-server")
    globus(*consent, "--timer-data-access", SOURCE, "--timer-data-access", DESTINATION, person=person)
    job_id = globus.json(*timer, "--interval", "1h", "--stop-after-runs", 3)["job_id"]
    assert "running for 3 iterations" in globus(*timer, "--interval", "1h", "--stop-after-runs", 3)
    until((archive / "cli.txt").exists, seconds=10, what="the file")
    assert job_id in globus("timer", "list")
    assert globus("timer", "pause", job_id).strip() == f"Successfully paused job {job_id}."
    assert "inactive" in globus("timer", "show", job_id)
    assert globus("timer", "resume", job_id).strip() == f"Successfully resumed job {job_id}."
    assert "deleted" in globus("timer", "delete", job_id)
    assert globus("timer", "show", job_id, status=1)

    assert "session consent" in globus("ls", f"{DESTINATION}:/~/", status=4)
    globus(*consent, f"urn:globus:auth:scope:transfer.api.globus.org:all[{files}]", person=person)
    assert "cli.txt" in globus("ls", f"{DESTINATION}:/~/")
    found_below = globus("ls", "--recursive", "--filter", "~*1*", f"{SOURCE}:/share/").split()
    assert found_below == ["godata/", "godata/file1.txt"]
    sent = globus.json("transfer", f"{SOURCE}:/share/godata/", f"{DESTINATION}:/~/cli/", "-r", "--label", "from cli")
    globus("task", "wait", sent["task_id"], "--timeout", 20, "--polling-interval", 1)
    shown = globus("task", "show", sent["task_id"])
    assert "SUCCEEDED" in shown
    assert "Demo archive" in shown
    assert "file3.txt" in globus("task", "show", "-t", sent["task_id"])
    assert "SUCCEEDED" in globus("task", "event-list", sent["task_id"])
    assert sent["task_id"] in globus("task", "list", "--filter-label", "from*")
    assert globus("stat", f"{DESTINATION}:/~/cli/file1.txt")
    globus("mkdir", f"{DESTINATION}:/~/made")
    globus("rename", DESTINATION, "/~/made", "/~/made2")
    globus("rm", "-r", f"{DESTINATION}:/~/made2")
    assert not (archive / "made2").exists()
    assert "Demo instrument" in globus("endpoint", "search", "Demo")

    globus("logout", "--yes")
    globus("whoami", status=4)


def test_the_command_line_starts_a_workflow_as_a_flow(
    packages: Packages, terminal: Terminals, person: Person, flow: str
) -> None:
    globus = CommandLine(packages, terminal())
    create = ("timer", "create", "flow", flow, "--stop-after-runs", 1, "--input", '{"a": 5}')

    globus("login", "--no-local-server", "--timer", f"flow:{flow}", person=person)
    job_id = globus.json(*create)["job_id"]

    def ended() -> bool:
        return bool(globus.json("timer", "show", job_id)["status"] == "ended")

    until(ended, seconds=10, what="the run of the flow")
    (run,) = globus.json("timer", "show", job_id)["results"]["data"]
    assert run["data"]["details"]["output"] == {"got": 5}
    assert "weekly" in globus("flows", "list")


def test_the_command_line_logs_in_by_way_of_the_browser(
    packages: Packages, terminal: Terminals, tmp_path: Path
) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\ncd {ROOT}\nexec {sys.executable} -m tests.acceptance.globus.browse "$1"\n')
    browser.chmod(0o755)
    globus = CommandLine(packages, terminal(BROWSER=f"{browser} %s", WHO="admin", PASSWORD=PASSWORD))

    globus("login")

    assert globus("whoami").strip() == "admin"


def test_the_command_line_of_a_client(
    packages: Packages, terminal: Terminals, key: dict[str, str], archive: Path
) -> None:
    pair = {"GLOBUS_CLI_CLIENT_ID": key["client_id"], "GLOBUS_CLI_CLIENT_SECRET": key["client_secret"]}
    globus = CommandLine(packages, terminal(**pair))
    timer = ("timer", "create", "transfer", f"{SOURCE}:/share/godata/file1.txt", f"{DESTINATION}:/~/as-client.txt")

    assert globus("whoami").strip() == f"{key['client_id']}@clients.auth.globus.org"
    assert "once at" in globus(*timer, "--stop-after-runs", 1)
    assert globus.json(*timer, "--stop-after-runs", 1)["status"] == "new"
    until((archive / "as-client.txt").exists, seconds=10, what="the file")
    globus("timer", "create", "flow", SOURCE, "--interval", "1h", status=2)


def test_the_old_command_line(
    packages: Packages, terminal: Terminals, person: Person, archive: Path, flow: str
) -> None:
    home, program = terminal(), packages["timer-cli"].program("globus-timer")

    def timer(*words: object) -> str:
        outcome = home.run(program, *words, person=person)
        assert outcome.status == 0, outcome.text
        return outcome.text

    items = [
        word
        for number in (1, 2)
        for word in ("--item", f"/share/godata/file{number}.txt", f"/~/old{number}.txt", "false")
    ]
    ends = ("--source-endpoint", SOURCE, "--dest-endpoint", DESTINATION)

    timer("session", "login")
    assert timer("session", "whoami").strip() == "admin"
    made = timer("job", "transfer", "--name", "example-job", "--interval", "28800", *ends, *items)
    job_id = found(r"Job ID:\s+(\S+)", made)
    until((archive / "old2.txt").exists, seconds=10, what="the files")

    assert "NOT RUN" in made
    assert "Interval:        8:00:00" in made
    assert job_id in timer("job", "list")
    assert "RUN COMPLETE" in timer("job", "status", job_id)
    assert "deleted" in timer("job", "delete", job_id)
    assert "Response status:  404" in timer("job", "status", job_id)

    run = ("--action-url", f"https://flows.automate.globus.org/flows/{flow}/run", "--action-body", '{"body": {"a": 6}}')
    scope = f"https://auth.globus.org/scopes/{flow}/flow_{flow.replace('-', '_')}_user"
    started = found(
        r"Job ID:\s+(\S+)", timer("job", "submit", "--name", "a-flow", "--interval", "1d", "--scope", scope, *run)
    )
    until(lambda: "RUN COMPLETE" in timer("job", "status", started), seconds=10, what="the run of the flow")


def test_our_own_command_line(site: Installation, terminal: Terminals, archive: Path) -> None:
    home = terminal(TIMERS_URL=site.base_url, TIMERS_TOKEN=TOKEN, PYTHONPATH=str(ROOT))
    ends = ("--source-endpoint", SOURCE, "--dest-endpoint", DESTINATION)
    job = ("-m", "timers.cli", "job")

    made = home.run(
        sys.executable,
        *job,
        "transfer",
        "--name",
        "ours",
        *ends,
        "--item",
        "/share/godata/file1.txt",
        "~/ours.txt",
        "false",
    )
    job_id = found(r"Job ID:\s+(\S+)", made.text)
    until((archive / "ours.txt").exists, seconds=10, what="the file")
    shown = json.loads(home.run(sys.executable, *job, "status", job_id, "-F", "json").text)

    assert made.status == 0
    assert shown["timer"]["results"][0]["status"] == "completed"
    assert home.run(sys.executable, *job, "status", "nonsense").status == 1
