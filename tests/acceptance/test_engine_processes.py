"""Nothing is lost and nothing is doubled, whatever is killed in the middle of work."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.acceptance.engine import Engine, family, kill_family, pass_time

pytestmark = pytest.mark.acceptance

TIMERS = 20
INTERVAL = 0.2
SECONDS = 10.0
FINISHED = {"completed", "skipped"}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    only = request.config.getoption("--database")
    if only and only != request.param:
        pytest.skip(f"only {only} was asked for")
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'engine.sqlite3'}"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def engine(url: str, tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path, url)
    yield made
    made.kill()


def test_every_occurrence_has_one_row_over_kills_and_lost_connections(engine: Engine, url: str) -> None:
    first, second = engine.start("dispatch"), engine.start("dispatch")
    broken, whole = engine.start("qcluster"), engine.start("qcluster")
    engine.fill(TIMERS, interval=INTERVAL, after=1.0, seconds=SECONDS)
    pass_time(2.5)

    kill_family(first)
    pass_time(1.0)
    family(broken)[1].kill()  # one of its workers: the rest may wait for that one's lock for ever
    pass_time(1.0)
    kill_family(broken)
    engine.start("dispatch")
    engine.start("qcluster")
    pass_time(1.0)
    _end_all_connections(url)
    kill_family(second)
    pass_time(30.0, until=lambda: _all_have_finished(engine))
    seconds_to_stop = engine.stop()

    rows = engine.executions()
    assert {row[4] for row in rows} <= FINISHED, engine.log[-3000:]
    for _, group in groupby(rows, key=lambda row: row[0]):
        _assert_gapless(list(group))
    runs, completed = len(engine.trace.read_text().splitlines()), sum(row[4] == "completed" for row in rows)
    assert completed <= runs <= sum(row[6] for row in rows) + TIMERS
    assert whole.returncode == 0
    assert seconds_to_stop < 8


def _assert_gapless(rows: list[tuple[Any, ...]]) -> None:
    step = round(INTERVAL * 1_000_000)
    for before, after in pairwise(rows):
        assert after[1] == (before[2] or before[1]) + step
    assert sum(row[3] for row in rows) == round(SECONDS / INTERVAL) + 1


def _all_have_finished(engine: Engine) -> bool:
    rows = engine.executions()
    return (
        sum(row[3] for row in rows) >= TIMERS * (round(SECONDS / INTERVAL) + 1) and {row[4] for row in rows} <= FINISHED
    )


def _end_all_connections(url: str) -> None:
    if url.startswith("postgres"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
