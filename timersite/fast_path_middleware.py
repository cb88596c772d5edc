"""Middleware with a fast path for interfaces without pages: no sessions, cookies, CSRF or page headers."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.urls import resolve

PREFIXES = ("/conductor/api/",)
"""Paths whose views answer everything themselves, including errors and unknown paths."""


class FastPathMiddleware:
    """Calls the views of these paths directly: workers poll and report many times a second."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._long_way = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(PREFIXES):
            return self._long_way(request)
        match = request.resolver_match = resolve(request.path_info)
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        if callable(render := getattr(response, "render", None)):
            render()
        return response
