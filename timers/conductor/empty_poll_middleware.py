"""Polls for which there is no task, answered before Django begins to handle a request.

Each worker asks ten times a second, nearly always in vain. Whatever else is asked, or is odd, goes on to the views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from django.db import DatabaseError

from timers import clock
from timers.auth import conductor_caller_in_passing
from timers.conductor.tasks import MAX_WAIT_MS, SHORT_MS
from timers.errors import Invalid
from timers.http_api import queries
from timers.services.workflows.worker_tasks import MAX_BATCH, asks_in_vain

PATH = "/conductor/api/tasks/poll/batch/"
HEADERS = [("Content-Type", "application/json"), ("Content-Length", "2"), ("X-Content-Type-Options", "nosniff")]

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class VainPolls:
    """The site's WSGI application, and the empty answer to those who poll in vain."""

    def __init__(self, site: Application) -> None:
        self._site = site

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _is_vain(environ):
            return self._site(environ, start_response)
        start_response("200 OK", HEADERS)
        return [b"[]"]


def _is_vain(environ: dict[str, Any]) -> bool:
    """Return whether this is a good poll that does not want to wait, and finds nothing."""
    path: str = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] != "GET" or not path.startswith(PATH):
        return False
    name, query = path.removeprefix(PATH), dict(parse_qsl(environ.get("QUERY_STRING", "")))
    try:
        queries.whole(query, "count", default=1, maximum=MAX_BATCH)
        if queries.whole(query, "timeout", default=0, maximum=MAX_WAIT_MS) > SHORT_MS or not _is_plain(name):
            return False
        return asks_in_vain(conductor_caller_in_passing(environ.get("HTTP_X_AUTHORIZATION")), name, now=clock.now())
    except (Invalid, DatabaseError):
        return False


def _is_plain(name: str) -> bool:
    """Return whether a part of a path, as WSGI hands it over, is the name that it seems to be."""
    return name.isascii() and name.isprintable() and "/" not in name and name != ""
