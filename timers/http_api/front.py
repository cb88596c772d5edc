"""What every request of a machine interface must be, whoever sends it: for this host, from no other site, and JSON.

A page that somebody visits can make his browser send requests here (OWASP ASVS 5.0, 3.5.1 to 3.5.3). It cannot send
them with `Content-Type: application/json` or a token without being asked first, and browsers say in `Sec-Fetch-Site`
and `Origin` where they come from. Programs send neither header.
"""

from __future__ import annotations

from collections.abc import Container
from http import HTTPStatus
from urllib.parse import urlsplit

from django.http import HttpRequest
from rest_framework.exceptions import UnsupportedMediaType

from timers.http_api.errors import ProblemRaised

JSON_TYPES = frozenset({"application/json"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OTHER_SITES = frozenset({"cross-site", "same-site"})


def check_sender(request: HttpRequest, *, also_reading: bool = False) -> None:
    """Refuse a request for another host, and one that changes something and comes from a page of another site.

    With `also_reading` requests that only read are refused likewise: where callers need no key. Raises DisallowedHost
    and ProblemRaised.
    """
    host = request.get_host()
    if not also_reading and request.method in SAFE_METHODS:
        return
    site, origin = request.headers.get("Sec-Fetch-Site", ""), request.headers.get("Origin")
    if site.lower() in _OTHER_SITES or _is_other(origin, host):
        raise ProblemRaised(HTTPStatus.FORBIDDEN, "other_site", "Pages of other sites may not send this request.")


def check_content_type(request: HttpRequest, allowed: Container[str] = JSON_TYPES) -> None:
    """Refuse a body that does not say that it is JSON; no body needs to say nothing. Raises UnsupportedMediaType."""
    if request.META.get("CONTENT_LENGTH") in {None, "", "0"}:
        return
    if request.content_type is None or request.content_type.lower() not in allowed:
        raise UnsupportedMediaType(request.content_type or "", detail="A body must be application/json.")


def _is_other(origin: str | None, host: str) -> bool:
    return origin is not None and urlsplit(origin).netloc.lower() != host.lower()
