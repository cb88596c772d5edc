"""Middleware that answers pages which were asked for too often with status 429."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from timers.errors import TooMany


class TooManyMiddleware:
    """Shows the page 429.html where a view, such as a log-in, met a limit."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the page for TooMany, None for every other exception."""
        if not isinstance(exception, TooMany):
            return None
        response = render(request, "429.html", {"exception": exception.message}, status=429)
        response.headers["Retry-After"] = str(exception.retry_after)
        return response
