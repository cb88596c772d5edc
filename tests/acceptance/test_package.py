"""The built package, installed beside nothing of this checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.acceptance.running import ROOT, Installation

pytestmark = pytest.mark.acceptance

NOT_TO_BE_COPIED = {".git", ".ci", "data", "tests", "docs"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built without a network from a copy of the checkout: building leaves traces."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in ROOT.iterdir():
        if path.name not in NOT_TO_BE_COPIED:
            (source / path.name).symlink_to(path)
    _pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (made,) = folder.glob("*.whl")
    return made


def test_the_package_holds_what_the_pages_need(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    assert wheel.name.startswith("timers_service-0.1.0-")
    assert {"timers/py.typed", "timersite/assets/templates/base.html"} <= names
    assert any(name.startswith("timersite/assets/static/timers/") and name.endswith(".css") for name in names)
    assert {name.split("/")[0] for name in names} == {"timers", "timersite", "timers_service-0.1.0.dist-info"}


def test_the_installed_command_serves_the_pages_and_keeps_its_data_with_the_user(wheel: Path, tmp_path: Path) -> None:
    site = _Installed(_environment(wheel, tmp_path / "environment"), tmp_path)
    site.start()
    try:
        with urllib.request.urlopen(f"{site.base_url}/login/", timeout=20) as answer:
            page = answer.read().decode()
        style = re.search(r'href="(/static/[^"]+\.css[^"]*)"', page)
        assert style is not None
        with urllib.request.urlopen(site.base_url + style[1], timeout=20) as answer:
            assert answer.headers["Content-Type"].startswith("text/css")
    finally:
        site.stop()

    state = tmp_path / "home" / ".local" / "state" / "timers"
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / "timers.sqlite3").exists()
    assert list((tmp_path / "empty").iterdir()) == []


class _Installed(Installation):
    """`timers up` in an empty folder, for a user with a home of its own."""

    def __init__(self, environment: Path, folder: Path) -> None:
        super().__init__(folder, options=("--demo", "--workers", "1"))
        self.command = [str(environment / "bin" / "timers")]
        self.working_folder = folder / "empty"
        self.working_folder.mkdir()
        (folder / "home").mkdir()

    def variables(self) -> dict[str, str]:
        return {"HOME": str(self.folder / "home"), "PATH": os.environ["PATH"], "TMPDIR": os.environ["TMPDIR"]}


def _environment(wheel: Path, folder: Path) -> Path:
    """Make an environment with the package, which finds what it needs among the packages of this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    _pip("--python", str(folder / "bin" / "python"), "install", "--no-deps", "--no-index", str(wheel))
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--isolated", "--quiet", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
