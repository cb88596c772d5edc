"""Whole installations on both databases, and a receiver of webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import Installation, Receiver


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


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The DATABASE_URL of an empty database of either kind; empty text means SQLite in the data folder."""
    only = request.config.getoption("--database")
    if only and only != request.param:
        pytest.skip(f"only {only} was asked for")
    return "" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")


@pytest.fixture
def running(install: Callable[..., Installation], database_url: str) -> Installation:
    """A running installation on either database."""
    installation = install(database_url)
    installation.start()
    return installation


@pytest.fixture
def live_timers(running: Installation, tmp_path: Path) -> Any:
    """A running installation with two collections, as programs of the Python client meet it."""
    for name in ("source", "destination"):
        root = running.folder / "data" / "collections" / name
        root.mkdir(parents=True)
        made = running.call(
            "POST", "/collections", {"display_name": name, "storage": {"kind": "local", "root": str(root)}}
        )
        setattr(running, f"{name}_collection", made["id"])
        setattr(running, f"{name}_root", root)
    return running
