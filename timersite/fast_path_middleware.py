"""A short way for interfaces without pages: sessions, cookies, CSRF and the headers of pages are nothing to them."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.urls import resolve

PREFIXES = ("/conductor/api/",)
"""Paths whose views answer everything themselves, errors and unknown paths included."""


class ShortWay:
    """Calls such a view at once: workers ask and report many times a second."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._long_way = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(PREFIXES):
            return self._long_way(request)
        found = request.resolver_match = resolve(request.path_info)
        response: HttpResponseBase = found.func(request, *found.args, **found.kwargs)
        if callable(render := getattr(response, "render", None)):
            render()
        return response
