"""WSGI middleware that answers polls for which there is no task, before Django handles the request.

Each worker polls ten times a second and nearly always finds nothing. All other requests, and polls that are unusual
in any way, are passed on to Django.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.db import DatabaseError
from django.http.request import split_domain_port, validate_host

from timers import clock
from timers.auth import conductor_caller_query
from timers.conductor.tasks import MAX_SHORT_POLL_MS, MAX_WAIT_MS
from timers.errors import Invalid
from timers.http_api import queries
from timers.services.workflows.worker_tasks import MAX_BATCH, asks_in_vain

PATH = "/conductor/api/tasks/poll/batch/"
HEADERS = [("Content-Type", "application/json"), ("Content-Length", "2"), ("X-Content-Type-Options", "nosniff")]

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class EmptyPollMiddleware:
    """WSGI application around the site's own: answers empty polls itself."""

    def __init__(self, site: Application) -> None:
        self._site = site

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _is_empty_poll(environ):
            return self._site(environ, start_response)
        start_response("200 OK", HEADERS)
        return [b"[]"]


def _is_empty_poll(environ: dict[str, Any]) -> bool:
    """Return whether the request is a valid poll that does not wait and for which there is no task."""
    path: str = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] != "GET" or not path.startswith(PATH) or not _is_of_a_program(environ):
        return False
    name, query = path.removeprefix(PATH), dict(parse_qsl(environ.get("QUERY_STRING", "")))
    try:
        queries.whole(query, "count", default=1, maximum=MAX_BATCH)
        if queries.whole(query, "timeout", default=0, maximum=MAX_WAIT_MS) > MAX_SHORT_POLL_MS or not _is_plain(name):
            return False
        return asks_in_vain(conductor_caller_query(environ.get("HTTP_X_AUTHORIZATION")), name, now=clock.now())
    except (Invalid, DatabaseError):
        return False


def _is_of_a_program(environ: dict[str, Any]) -> bool:
    """Return whether a program asks for this host; what browsers send is checked by Django's way (http_api.front)."""
    hosts = [host for host in settings.ALLOWED_HOSTS if host]
    domain, _ = split_domain_port(environ.get("HTTP_HOST", ""))
    is_browser = "HTTP_SEC_FETCH_SITE" in environ or "HTTP_ORIGIN" in environ
    return not is_browser and bool(domain) and validate_host(domain, hosts)


def _is_plain(name: str) -> bool:
    """Return whether a path segment, as WSGI passes it, is a plain ASCII name."""
    return name.isascii() and name.isprintable() and "/" not in name and name != ""
