"""The rooms of the house import only what the floor plan allows."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ROOT / "timers"

GROUND = {
    "timers",
    "timers.errors",
    "timers.lifecycle",
    "timers.registry",
    "timers.clock",
    "timers.code_timers",
    "timers.http",
    "timers.formatting",
    "timers.parameters",
    "timers.process_name",
    "timers.scopes",
    "timers.signing",
    "timers.storable",
    "timers.text_templates",
    "timers.targets",
    "timers.validation",
    "timers.scheduling",
    "timers.copying",
    "timers.workflow_rules",
}
QUEUE = {"timers.messaging.queue"}
BASES = {"timers.actions.base", "timers.storages.base", "timers.channels.base"}
DJANGO_Q = {"django_q"}
INTERFACE = GROUND | BASES | {"timers.services", "timers.queries", "timers.models", "timers.auth"}
"""What every interface may import: never another interface."""

# room -> (what of the house it may import, whether libraries from outside are free)
ROOMS: dict[str, tuple[set[str], bool]] = {
    "models": (GROUND | {"timers.models"}, True),
    "services": (GROUND | BASES | {"timers.models", "timers.services"} | QUEUE, True),
    "queries": (GROUND | BASES | {"timers.models", "timers.queries"}, True),
    "messaging": (GROUND | {"timers.messaging", "timers.models"}, True),
    "outgoing": (GROUND, True),
    "storages": (GROUND | BASES | {"timers.storages", "timers.outgoing"}, True),
    "channels": (GROUND | BASES | {"timers.channels", "timers.outgoing"}, True),
    "actions": (GROUND | BASES | {"timers.actions", "timers.services", "timers.outgoing"}, True),
    "engine": (GROUND | BASES | {"timers.engine", "timers.services", "timers.messaging"}, True),
    "client": ({"timers.client", "timers.http"}, False),
    "cli": ({"timers.cli", "timers.client", "timers.http"}, False),
    "http_api": (GROUND | {"timers.http_api", "timers.auth"}, True),
    "auth": (GROUND | {"timers.services", "timers.queries", "timers.models", "timers.auth"}, True),
    "admin": (GROUND | BASES | {"timers.services", "timers.queries", "timers.models"}, True),
    "templatetags": (
        GROUND | BASES | {"timers.templatetags", "timers.queries", "timers.models", "timers.services"},
        True,
    ),
    "management": (
        GROUND | {"timers.management", "timers.services", "timers.engine", "timers.queries", "timers.models"},
        True,
    ),
    "tasks": (GROUND | {"timers.models"}, True),
    "work": (GROUND | {"timers.services"}, True),
    "kinds": (GROUND | BASES, True),
    "checks": (GROUND | {"timers.kinds"}, True),
    "apps": (GROUND | {"timers.kinds"}, True),
    "web": (INTERFACE | {"timers.web"}, True),
    **{name: (INTERFACE | {f"timers.{name}", "timers.http_api"}, True) for name in ("api", "globus", "conductor")},
}

WRITERS = "timers/engine/dispatch/"
"""The package of the engine that speaks to the database itself, by hand-written SQL."""


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*.py") if "migrations" not in path.parts)


def _imports(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, also inside functions; names imported from a package count as modules."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if _is_module(full) else node.module


def _is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def _allowed(name: str, rooms: set[str]) -> bool:
    if name == "timers":
        return True
    return any(name == room or (room != "timers" and name.startswith(room + ".")) for room in rooms)


def _ground_files() -> list[Path]:
    files = [HOUSE / f"{name.removeprefix('timers.')}.py" for name in sorted(GROUND - {"timers"})]
    single = [path for path in files if path.exists()]
    return [
        HOUSE / "__init__.py",
        *single,
        *_files(HOUSE / "scheduling"),
        *_files(HOUSE / "copying"),
        *_files(HOUSE / "sequencing"),
    ]


@pytest.mark.parametrize("path", _ground_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_ground_floor_needs_only_the_standard_library(path: Path) -> None:
    foreign = [
        name
        for name in _imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names and not _allowed(name, GROUND)
    ]

    assert foreign == []


def _room_files() -> list[tuple[str, Path]]:
    found = []
    for room in ROOMS:
        folder, file = HOUSE / room, HOUSE / f"{room}.py"
        found += [(room, path) for path in (_files(folder) if folder.is_dir() else [file] if file.exists() else [])]
    return found


@pytest.mark.parametrize(("room", "path"), _room_files(), ids=lambda value: str(value).removeprefix(f"{ROOT}/"))
def test_a_room_imports_only_what_the_plan_allows(room: str, path: Path) -> None:
    allowed, libraries = ROOMS[room]
    if str(path.relative_to(ROOT)).startswith(WRITERS):
        allowed = allowed | {"timers.models"}
    wrong = []
    for name in _imports(path):
        top = name.split(".")[0]
        if top in ("timers", "timersite"):
            if not _allowed(name, allowed):
                wrong.append(name)
        elif not libraries and top not in sys.stdlib_module_names:
            wrong.append(name)

    assert wrong == []


def test_every_file_of_the_house_belongs_to_a_room() -> None:
    known = set(ROOMS) | {name.split(".")[1] for name in GROUND if "." in name} | {"__init__", "migrations"}

    rooms = {path.relative_to(HOUSE).parts[0].removesuffix(".py") for path in _files(HOUSE)}

    assert rooms <= known


def test_only_the_messaging_room_knows_the_task_queue() -> None:
    knowing = {
        str(path.relative_to(HOUSE).parent)
        for path in _files(HOUSE)
        if any(name.split(".")[0] in DJANGO_Q for name in _imports(path))
    }

    assert knowing == {"messaging"}


def _graph() -> dict[str, set[str]]:
    """Return for each module of the house the modules that it imports, anywhere in its text."""
    graph = {}
    for path in _files(HOUSE):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        graph[name] = {other for other in _imports(path) if other != name and _is_module(other)}
    return graph


def test_nothing_imports_in_a_circle_not_inside_a_function_either() -> None:
    sorter = TopologicalSorter(_graph())

    sorter.prepare()  # raises CycleError, which names the modules of a circle

    assert sorter.is_active()


SERVICE_LAYERS = (
    {"people", "collections"},
    {"timers"},
    {"executions"},
    {"transfers", "workflows", "globus"},
    {"notifications"},
)
"""Packages of services from the lowest on: each imports only those of its own layer and of the ones below."""


def _package(name: str) -> str | None:
    """Return the package of services that a module lies in."""
    parts = name.split(".")
    return parts[2] if parts[:2] == ["timers", "services"] and len(parts) > 3 else None


def test_the_packages_of_services_point_one_way() -> None:
    layer = {package: number for number, packages in enumerate(SERVICE_LAYERS) for package in packages}
    packages = {path.parent.name for path in _files(HOUSE / "services") if path.parent != HOUSE / "services"}
    upwards = [
        f"{name} imports {other}"
        for name, others in _graph().items()
        for other in others
        if (here := _package(name)) and (there := _package(other)) and layer[there] > layer[here]
    ]

    assert packages == set(layer)
    assert upwards == []


def test_a_class_name_means_one_thing_in_the_house() -> None:
    places: dict[str, set[str]] = {}
    for path in _files(HOUSE):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name not in {"Meta", "Command"}:
                places.setdefault(node.name.lstrip("_"), set()).add(str(path.relative_to(HOUSE)))

    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_no_folder_holds_more_than_25_modules() -> None:
    folders = Counter(path.parent for root in (HOUSE, ROOT / "tests") for path in _files(root))

    assert {str(folder): number for folder, number in folders.items() if number > 25} == {}


@pytest.mark.parametrize("module", ["timers", "timers.client", "timers.cli.main"])
def test_what_is_delivered_outside_the_house_imports_without_django(module: str) -> None:
    program = f"import {module}, sys; sys.exit(any(name.split('.')[0] == 'django' for name in sys.modules))"

    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_only_env_reads_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for path in [*_files(HOUSE), *_files(ROOT / "timersite")]
        if "os.environ" in path.read_text() or "getenv" in path.read_text()
    }

    # the entry points name the settings module; `up` and the supervisor pass the environment on to children;
    # the client reads TIMERS_URL and TIMERS_TOKEN where there is no Django
    assert readers <= {
        "timersite/env.py",
        "timersite/command.py",
        "timersite/wsgi.py",
        "timersite/asgi.py",
        "timers/engine/supervision/supervisor.py",
        "timers/management/commands/up.py",
        "timers/client/base.py",
        "timers/client/transport.py",
        "timers/client/timers.py",
    }


def test_wall_time_is_read_by_the_clock_alone() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for path in _files(HOUSE)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("datetime.now", "datetime.utcnow", "time.time", "datetime.datetime.now")
    }

    assert readers <= {"timers/clock.py"}
