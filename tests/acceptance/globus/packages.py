"""Released client packages, each in an environment of its own.

They are made anew for each run, unless TESTS_CACHE names a folder where they are kept from one run to the next.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests import scratch

SETS = {
    "sdk4": ("globus-sdk>=4.2,<5",),
    "sdk3": ("globus-sdk>=3.47,<4",),
    "cli": ("globus-cli>=3.40,<4",),
    "timer-cli": ("globus-timer-cli==0.2.9.post0", "setuptools<82"),  # it imports distutils
}


class NotToBeHad(Exception):
    """The packages cannot be installed here; the text says why."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    def program(self, name: str) -> Path:
        """Return the path of a program in it."""
        return self.folder / "bin" / name


def environments() -> dict[str, Environment]:
    """Return an environment for each set, made side by side where it is missing. Raises NotToBeHad."""
    with ThreadPoolExecutor(len(SETS)) as pool:
        return dict(zip(SETS, pool.map(_environment, SETS), strict=True))


def _environment(name: str) -> Environment:
    folder = kept_folder(name, *SETS[name])
    complete = folder / "complete"
    if not complete.exists():
        _run(sys.executable, "-m", "venv", "--clear", folder)
        _run(folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *SETS[name])
        complete.touch()
    return Environment(folder)


def kept_folder(name: str, *requirements: str) -> Path:
    """Return the folder for an environment with these packages for this Python; it may be there already."""
    wanted = f"{sys.version_info[:2]} {' '.join(requirements)}"
    cache = Path(os.environ.get("TESTS_CACHE") or scratch.folder() / "packages")
    cache.mkdir(parents=True, exist_ok=True)
    return cache / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"


def _run(*command: object) -> None:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired as error:
        raise NotToBeHad(f"{words[0]} takes too long.") from error
    if done.returncode:
        raise NotToBeHad(done.stderr.strip()[-500:] or f"{words[0]} failed.")
