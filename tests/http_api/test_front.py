"""Every route of every machine interface refuses other hosts, pages of other sites, and bodies that are no JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from timers.http_api.views import BaseView, NoSuchPath

pytestmark = pytest.mark.django_db

ID = "11111111-1111-4111-8111-111111111111"


def machine_routes() -> Iterator[tuple[str, type[BaseView]]]:
    """Yield the path, with made-up values, and the view of each route of the machine interfaces."""
    yield from _routes(get_resolver().url_patterns, "/", {})


def _routes(patterns: Any, prefix: str, known: dict[str, Any]) -> Iterator[tuple[str, type[BaseView]]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, prefix + str(pattern.pattern), known)
        elif isinstance(pattern, URLPattern):
            view = getattr(pattern.callback, "view_class", None) or getattr(pattern.callback, "cls", None)
            if view is not None and issubclass(view, BaseView):
                yield prefix + _filled(pattern), view


def _filled(pattern: URLPattern) -> str:
    route = str(pattern.pattern)
    for name, converter in pattern.pattern.converters.items():
        kind = type(converter).__name__.removesuffix("Converter").lower()
        value = {"int": "1", "uuid": ID}.get(kind, "x")
        for written in (f"<{kind}:{name}>", f"<{name}>", f"<str:{name}>", f"<path:{name}>"):
            route = route.replace(written, value)
    return route


ROUTES = sorted({path: view for path, view in machine_routes() if not set(path) & set("^<(\\")}.items())


def send(path: str, *, method: str = "POST", host: str = "localhost", **headers: str) -> int:
    body = {"data": "{}", "content_type": headers.pop("content_type", "application/json")}
    return (
        Client(raise_request_exception=False)
        .generic(method, path, **body, headers={"host": host, **headers})
        .status_code
    )


def test_the_routes_of_all_interfaces_are_walked() -> None:
    for prefix, number in (("/api/v1/", 40), ("/globus/", 30), ("/conductor/api/", 40)):
        assert len([path for path, _ in ROUTES if path.startswith(prefix)]) >= number, prefix


@pytest.mark.parametrize("path", [path for path, _ in ROUTES])
def test_a_route_refuses_what_no_program_of_its_users_sends(path: str) -> None:
    assert send(path, host="elsewhere.test") == 400
    assert send(path, method="GET", host="elsewhere.test") == 400
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://elsewhere.test"},
    ):
        assert send(path, **headers) == 403
    assert send(path, origin="null") == 403


@pytest.mark.parametrize(("path", "view"), ROUTES)
def test_a_route_takes_json_only(path: str, view: type[BaseView]) -> None:
    refused = {"text/html", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""}
    if issubclass(view, NoSuchPath):
        assert send(path, content_type="text/plain") == 404
        return
    for content_type in refused - set(view.content_types):  # type: ignore[call-overload]
        assert send(path, content_type=content_type) == 415, content_type


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_keys_not_even_reading_is_open_to_pages_of_other_sites(settings: Any, owner: Any, method: str) -> None:
    settings.TIMERS_CONDUCTOR_OPEN = owner.username
    path = "/conductor/api/scheduler/admin/pause"

    assert send(path, method=method, **{"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"}) == 403
    assert send(path, method=method, host="elsewhere.test") == 400
    assert send("/conductor/api/tasks/poll/batch/x", method="GET", host="elsewhere.test") == 400


def test_programs_and_own_pages_are_let_through(settings: Any, owner: Any) -> None:
    settings.TIMERS_CONDUCTOR_OPEN = owner.username

    own_page = {"sec-fetch-site": "same-origin", "origin": "http://localhost"}
    assert send("/conductor/api/scheduler/admin/pause", method="GET", **own_page) == 200
    assert Client().get("/conductor/api/metadata/workflow", headers={"host": "localhost"}).status_code == 200
