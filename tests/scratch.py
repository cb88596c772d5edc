"""One folder for all temporary files of a test run, its servers and workers; the process that made it removes it.

It is TMPDIR of everything the tests start, so that what was killed leaves nothing behind either.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

VARIABLE = "TESTS_SCRATCH"
"""The variable by which the workers of a run, and what they start, know the folder."""

KEPT = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
"""The variables of the interpreter that say where files are; all others are kept from what the tests start."""


def folder() -> Path:
    """Return the folder of this run; makes it when there is none yet."""
    if VARIABLE not in os.environ:
        _make()
    return Path(os.environ[VARIABLE])


def new_folder(name: str) -> Path:
    """Return a new folder inside that of this run."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder()))


def _make() -> None:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())  # what failed is kept there to be looked at
    made = tempfile.mkdtemp(prefix="timers-tests-")
    atexit.register(_remove, made, os.getpid())
    os.environ[VARIABLE] = os.environ["TMPDIR"] = tempfile.tempdir = made
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", f"{made}/hypothesis")


def _remove(path: str, maker: int) -> None:
    if os.getpid() == maker:  # and no fork of it
        shutil.rmtree(path, ignore_errors=True)
