"""Health checks for operators and load balancers: the process is up, the service is ready."""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from timers import clock
from timers.queries import page_context as queries


def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200: the web process is there."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when due timers will be started, else 503 and what is missing for it."""
    try:
        missing = ["migrations"] if _unmigrated() else queries.health(clock.now()).missing
    except DatabaseError:
        missing = ["database"]
    if not missing:
        return JsonResponse({"status": "ready", "missing": []})
    answer = JsonResponse({"status": "not ready", "missing": missing, "message": _sentence(missing)}, status=503)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # asked every second, this is no error of the site
    return answer


def _sentence(missing: list[str]) -> str:
    whys = {
        "database": "The database does not answer.",
        "migrations": "The database is not migrated; run python manage.py migrate.",
        "dispatcher": "No dispatcher ticked within 10 s; run python manage.py dispatch.",
        "cluster": "No cluster of workers is alive; run python manage.py qcluster.",
    }
    return " ".join(whys[name] for name in missing)


_known_to_be_migrated = False


def _unmigrated() -> bool:
    """Return whether migrations are waiting; once there are none this process need not look again."""
    global _known_to_be_migrated  # noqa: PLW0603  a load balancer asks every second, and the plan reads every file
    if _known_to_be_migrated:
        return False
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    waiting = bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    _known_to_be_migrated = not waiting
    return waiting
