"""One running service with the demo's collections, the clients' environments, and people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.acceptance.globus.packages import Environment, NotToBeHad, environments
from tests.acceptance.globus.person import Person
from tests.acceptance.globus.terminal import Terminal
from tests.acceptance.running import ROOT, TOKEN, Installation
from tests.conftest import empty_database

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def packages() -> dict[str, Environment]:
    """The clients. Where they cannot be had their tests are skipped, and fail when CI is set."""
    try:
        return environments()
    except NotToBeHad as error:
        if os.environ.get("CI"):
            pytest.fail(f"The clients' packages cannot be installed: {error}")
        pytest.skip(f"the clients' packages cannot be installed: {error}")


@pytest.fixture(scope="session")
def site(
    packages: dict[str, Environment], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A running installation with two administrators; on SQLite unless the other database is asked for."""
    with ExitStack() as stack:
        url = ""
        if request.config.getoption("--database") == "postgresql":
            url = stack.enter_context(empty_database(request.getfixturevalue("postgresql_server")))
        installation = Installation(tmp_path_factory.mktemp("globus"), url, ("--demo",))
        installation.start()
        stack.callback(installation.stop)
        manage(installation, "createsuperuser", "--noinput", "--username", "second", "--email", "second@example.org")
        yield installation


def manage(site: Installation, *words: str) -> str:
    """Return what a management command printed."""
    more = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD, "DJANGO_SETTINGS_MODULE": "timersite.settings"}
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(
        command, cwd=ROOT, env={**site.variables(), **more}, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def terminal(site: Installation, tmp_path: Path) -> Callable[..., Terminal]:
    """Make terminals, each with a home of its own."""
    made: list[Terminal] = []

    def make(**variables: str) -> Terminal:
        made.append(Terminal(tmp_path / f"home{len(made)}", site.base_url, **variables))
        return made[-1]

    return make


@pytest.fixture
def person(site: Installation) -> Person:
    return Person("admin", PASSWORD)


@pytest.fixture
def second_person(site: Installation) -> Person:
    return Person("second", PASSWORD)


@pytest.fixture
def key(site: Installation) -> dict[str, str]:
    """A pair of client id and secret that acts as the first administrator."""
    made: dict[str, Any] = json.loads(manage(site, "createkey", "admin"))
    return made


@pytest.fixture(scope="session")
def flow(site: Installation) -> str:
    """The id by which a workflow of the first administrator, which answers its input, is a flow."""
    task = {"name": "note", "taskReferenceName": "note", "type": "SET_VARIABLE", "inputParameters": {"noted": True}}
    document = {"name": "weekly", "version": 1, "tasks": [task], "outputParameters": {"got": "${workflow.input.a}"}}
    requests.post(
        f"{site.base_url}/conductor/api/metadata/workflow",
        json=document,
        headers={"X-Authorization": TOKEN},
        timeout=20,
    ).raise_for_status()
    known = requests.get(f"{site.base_url}/globus/flows", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)
    return str(known.json()["flows"][0]["id"])


@pytest.fixture
def archive(site: Installation) -> Path:
    """The folder behind `/~/` of the demo's second collection."""
    return site.folder / "data" / "collections" / "demo-archive" / "home"
