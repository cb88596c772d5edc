"""Whole installations on both databases, and a receiver of webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import Installation, Receiver
from tests.conftest import empty_database


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    """Make installations that are stopped when the test ends."""
    made: list[Installation] = []

    def make(database_url: str = "", options: tuple[str, ...] = (), **environment: str) -> Installation:
        folder = tmp_path / f"installation{len(made)}"
        folder.mkdir()
        made.append(Installation(folder, database_url, options, environment))
        return made[-1]

    yield make
    for installation in made:
        if installation.process is not None:
            installation.kill()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation per database for all tests that need no fresh one; starting takes seconds."""
    only = request.config.getoption("--database")
    if only and only != request.param:
        pytest.skip(f"only {only} was asked for")
    with ExitStack() as stack:
        url = ""
        if request.param == "postgresql":
            url = stack.enter_context(empty_database(request.getfixturevalue("postgresql_server")))
        installation = Installation(tmp_path_factory.mktemp("installation"), url)
        yield installation
        if installation.process is not None:
            installation.kill()


@pytest.fixture
def running(shared: Installation) -> Iterator[Installation]:
    """A running installation on either database, without timers; a test may do to its processes what it likes."""
    shared.ensure_running()
    yield shared
    shared.ensure_running()
    for timer in shared.call("GET", "/timers?limit=1000")["timers"]:
        shared.call("DELETE", f"/timers/{timer['id']}")


@pytest.fixture
def live_timers(running: Installation, tmp_path: Path) -> Any:
    """A running installation with two collections, as programs of the Python client meet it."""
    for name in ("source", "destination"):
        root = running.folder / "data" / "collections" / tmp_path.name / name
        root.mkdir(parents=True)
        made = running.call(
            "POST", "/collections", {"display_name": name, "storage": {"kind": "local", "root": str(root)}}
        )
        setattr(running, f"{name}_collection", made["id"])
        setattr(running, f"{name}_root", root)
    return running
