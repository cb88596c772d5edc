"""Settings from the environment: what works, and the one sentence when something does not."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from timersite import env

ROOT = Path(__file__).resolve().parents[2]


def test_a_number_outside_its_bounds_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_NUMBER", "-3")

    with pytest.raises(env.SettingError, match="SOME_NUMBER must be a whole number from 1 to 9"):
        env.number("SOME_NUMBER", 2, minimum=1, maximum=9)


@pytest.mark.parametrize(("text", "meant"), [("1", True), ("Yes", True), ("off", False), ("", False)])
def test_a_flag_says_yes_or_no(monkeypatch: pytest.MonkeyPatch, text: str, meant: bool) -> None:
    monkeypatch.setenv("SOME_FLAG", text)

    assert env.flag("SOME_FLAG") is meant


def test_a_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "secret_key"

    first = env.secret("UNSET_SECRET", kept_in=file)

    assert env.secret("UNSET_SECRET", kept_in=file) == first
    assert len(first) >= 50
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_damaged_secret_is_told_and_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "secret_key"
    file.write_text("short")

    with pytest.raises(env.SettingError, match="UNSET_SECRET"):
        env.secret("UNSET_SECRET", kept_in=file)

    assert file.read_text() == "short"


@pytest.mark.parametrize(
    ("url", "host", "name", "user", "port"),
    [
        ("postgresql://ana:s%40crét@db.example.org:5433/timers", "db.example.org", "timers", "ana", "5433"),
        ("postgresql://ana:@/timers?host=/run/postgresql", "/run/postgresql", "timers", "ana", ""),
        ("postgres://db/timers", "db", "timers", "", ""),
    ],
)
def test_a_database_url_may_name_a_server_or_a_socket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, host: str, name: str, user: str, port: str
) -> None:
    monkeypatch.setenv("SOME_URL", url)

    config = env.database("SOME_URL", tmp_path / "unused")

    assert (config["HOST"], config["NAME"], config["USER"], config["PORT"]) == (host, name, user, port)


@pytest.mark.parametrize("url", ["mysql://db/timers", "postgresql://db", "postgresql://db:port/timers", "nonsense"])
def test_a_database_url_that_cannot_work_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str
) -> None:
    monkeypatch.setenv("SOME_URL", url)

    with pytest.raises(env.SettingError, match="SOME_URL"):
        env.database("SOME_URL", tmp_path / "unused")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://somewhere/db"),
        ("TIMERS_WORKERS", "many"),
        ("TIMERS_BASE_URL", "timers.example.org"),
        ("TIMERS_WEBHOOK_NETWORKS", "10.0.0.0/99"),
        ("TIMERS_SECRET_KEY", "short"),
        ("TIMERS_ALLOWED_HOSTS", "one two"),
        ("REDIS_URL", "somewhere"),
        ("TIMERS_LOG_FORMAT", "xml"),
    ],
)
def test_a_setting_that_cannot_work_stops_the_start_with_one_sentence(tmp_path: Path, name: str, value: str) -> None:
    outcome = _start({"TIMERS_DATA_DIR": str(tmp_path), name: value})

    assert outcome.returncode != 0
    assert name in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1


def test_a_server_database_needs_a_secret_key_of_its_own(tmp_path: Path) -> None:
    outcome = _start({"TIMERS_DATA_DIR": str(tmp_path), "DATABASE_URL": "postgresql://db/timers"})

    assert outcome.stderr.startswith("manage.py: TIMERS_SECRET_KEY must be set")


def test_the_data_folder_is_made_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_FOLDER", raising=False)

    path = env.folder("SOME_FOLDER", tmp_path / "state" / "timers")

    assert path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("state_home", "expected"),
    [("/var/state", "/var/state/timers"), ("", "~/.local/state/timers"), ("not/absolute", "~/.local/state/timers")],
)
def test_state_is_kept_where_the_user_keeps_it(monkeypatch: pytest.MonkeyPatch, state_home: str, expected: str) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", state_home)

    assert env.state_folder("timers") == Path(expected)


def _start(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "VIRTUAL_ENV")}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_database_file_is_its_owners_alone(tmp_path: Path) -> None:
    made, older = tmp_path / "made.sqlite3", tmp_path / "older.sqlite3"
    older.touch(0o644)

    for path in (made, older):
        env.sqlite(path)
        assert path.stat().st_mode & 0o777 == 0o600
