"""The real client packages, each in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.globus.packages import kept_folder

PROGRAMS = Path(__file__).parent / "conductor_programs"
NEWEST, NEWEST_OF_OLD = "conductor-python==2.0.0", "conductor-python<2"


@dataclass
class ConductorClient:
    """An interpreter that has the client."""

    python: Path

    def run(self, program: str, *, url: str, key: dict[str, str] | None, seconds: float = 90) -> dict[str, Any]:
        """Run a program; return what it said. It fails the test when the program fails or logs an error."""
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CONDUCTOR_", "DJANGO_"))},
            "CONDUCTOR_SERVER_URL": f"{url}/conductor/api",
        }
        if key is not None:
            variables |= {"CONDUCTOR_AUTH_KEY": key["client_id"], "CONDUCTOR_AUTH_SECRET": key["client_secret"]}
        done = subprocess.run(
            [self.python, PROGRAMS / f"{program}.py"],
            env=variables,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        said = [line for line in done.stdout.splitlines() if line.startswith("SAID ")]
        assert done.returncode == 0 and said, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
        found: dict[str, Any] = json.loads(said[-1].removeprefix("SAID "))
        return found


def environment(requirement: str) -> ConductorClient:
    """Return the client, installed unless it is there already; skips the test where packages cannot be had."""
    folder = kept_folder("conductor", requirement)
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        installed = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement],
            capture_output=True,
            text=True,
            check=False,
        )
        if installed.returncode != 0:
            message = f"{requirement} cannot be installed: {installed.stderr[-500:]}"
            pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
        (folder / "complete").touch()
    return ConductorClient(python)


@pytest.fixture(scope="session")
def newest_client() -> ConductorClient:
    return environment(NEWEST)


@pytest.fixture(scope="session")
def older_client() -> ConductorClient:
    return environment(NEWEST_OF_OLD)
