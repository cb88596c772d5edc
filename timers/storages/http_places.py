"""Addresses of web servers as places of files: checked before they are stored, and compared with each other."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from timers import outgoing
from timers.copying import paths
from timers.errors import Invalid
from timers.storages.http_session import HttpSession
from timers.targets import TargetRefused


def read_url(value: str) -> str:
    """Return the URL of a folder without a slash at its end; raises Invalid where it cannot be called from here."""
    try:
        target = outgoing.check(value)
    except TargetRefused as refusal:
        raise Invalid({"url": refusal.message}) from refusal
    if target.query or "#" in value:
        raise Invalid({"url": "The URL cannot have a query or a fragment."})
    if "//" in target.path.rstrip("/") or not all(map(paths.is_carriable, names_of(target.path))):
        raise Invalid({"url": "The URL cannot contain '//', '.' or '..' in its path."})
    return str(target).rstrip("/")


def server_address(kind: str, session: HttpSession) -> tuple[str, ...]:
    """Return the real location of a folder of a web server."""
    target = session.target
    return (kind, target.host, str(target.port), *names_of(target.path))


def names_of(href: str) -> tuple[str, ...]:
    """Return the names in the path of an address; bytes that are no UTF-8 as lone surrogates."""
    path = href.partition("://")[2].partition("/")[2] if href.startswith(("http://", "https://")) else href
    return tuple(unquote_to_bytes(name).decode("utf-8", "surrogateescape") for name in path.split("/") if name)
