"""Scopes: what a token is for, as text and as a tree of what each one needs in turn; and whom each one addresses.

A scope text is a list separated by blanks; `*` before a name says that it is optional, `[...]` after it holds what it
needs: `A[*B C[D]] E`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from timers.errors import Invalid

_HOST = "https://auth.globus.org/scopes"

AUTH_SERVER = "auth.globus.org"
TIMERS_SERVER = "524230d7-ea86-4a52-8312-86065a9e0417"
TRANSFER_SERVER = "transfer.api.globus.org"
FLOWS_SERVER = "flows.globus.org"
_FLOWS_ID = "eec9b274-0c81-4334-bdc2-54e90e689b9a"

TIMERS = f"{_HOST}/{TIMERS_SERVER}/timer"
TRANSFER = f"urn:globus:auth:scope:{TRANSFER_SERVER}:all"
FLOWS_PREFIX = f"{_HOST}/{_FLOWS_ID}/"
OPENID = "openid"
DEFAULT = ("openid", "profile", "email", TRANSFER, TIMERS)
"""What a client gets that names no scope."""

_TEXTS = {
    "openid": "know who you are",
    "profile": "see your name",
    "email": "see your e-mail address",
    f"urn:globus:auth:scope:{AUTH_SERVER}:view_identity_set": "see your identities",
    TIMERS: "manage your timers",
    TRANSFER: "look into your collections, and start and follow transfers",
    f"{FLOWS_PREFIX}all": "look up your flows",
}

MAX_LENGTH = 16_384
MAX_NAME_LENGTH = 200
MAX_DEPTH = 8
MAX_SCOPES = 500

_WORDS = frozenset({"openid", "profile", "email"})
_NAMES = (
    re.compile(r"urn:globus:auth:scope:([A-Za-z0-9._-]+):[A-Za-z0-9._-]+"),
    re.compile(re.escape(_HOST) + r"/([A-Za-z0-9._-]+)/[A-Za-z0-9._/-]+"),
)
_PIECES = re.compile(r"[\[\]*]|[^\s\[\]*]+|\s+")


@dataclass(frozen=True)
class Scope:
    """One scope and what it needs in turn; an optional one may be left out by who grants it."""

    name: str
    optional: bool = False
    needs: tuple[Scope, ...] = ()

    def __str__(self) -> str:
        inner = f"[{' '.join(map(str, self.needs))}]" if self.needs else ""
        return f"{'*' if self.optional else ''}{self.name}{inner}"


def data_access(collection_id: object) -> str:
    """Return the scope by which a client may reach the files of a mapped collection."""
    return f"{_HOST}/{collection_id}/data_access"


def flow_user(flow_id: object) -> str:
    """Return the scope by which a client may start a flow."""
    return f"{_HOST}/{flow_id}/flow_{str(flow_id).replace('-', '_')}_user"


def server_of(name: str) -> str | None:
    """Return the resource server that a scope addresses; None for what is no scope."""
    if name in _WORDS:
        return AUTH_SERVER
    found = next((match for pattern in _NAMES if (match := pattern.fullmatch(name))), None)
    if found is None or len(name) > MAX_NAME_LENGTH:
        return None
    return FLOWS_SERVER if found[1] == _FLOWS_ID else found[1]


def parse(text: str) -> tuple[Scope, ...]:
    """Return the scopes of a text, those named twice joined; raises Invalid naming scope."""
    if len(text) > MAX_LENGTH:
        raise Invalid({"scope": f"At most {MAX_LENGTH:,} characters."})
    pieces = _PIECES.findall(text)
    found, rest = _list(pieces, 0, depth=0)
    if rest != len(pieces):
        raise Invalid({"scope": "There is a ] without its [."})
    return merge(found)


def merge(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """Return the scopes with each name once, which needs all that the name needed anywhere."""
    joined: dict[str, Scope] = {}
    for scope in scopes:
        before = joined.get(scope.name, Scope(scope.name, optional=True))
        joined[scope.name] = Scope(scope.name, before.optional and scope.optional, merge((*before.needs, *scope.needs)))
    return tuple(joined.values())


def paths(scopes: Iterable[Scope], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the way from a root to every scope of the trees, the roots first."""
    for scope in scopes:
        here = (*above, scope.name)
        yield here
        yield from paths(scope.needs, here)


def words(name: str) -> str:
    """Return what a scope allows, for people."""
    if name in _TEXTS:
        return _TEXTS[name]
    if name.endswith("_user") and "/flow_" in name:
        return f"start the flow {server_of(name)}"
    return f"use {server_of(name)} ({name.rsplit('/', 1)[-1].rsplit(':', 1)[-1]})"


def by_server(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names grouped by resource server, that of the identities first."""
    groups: dict[str, list[str]] = {}
    for name in sorted(dict.fromkeys(names), key=lambda name: server_of(name) != AUTH_SERVER):
        groups.setdefault(server_of(name) or "", []).append(name)
    return groups


def _list(pieces: list[str], start: int, *, depth: int) -> tuple[list[Scope], int]:
    """Return the scopes from a place on, and the place after them: the end, or the bracket that closes the list."""
    if depth > MAX_DEPTH:
        raise Invalid({"scope": f"Scopes are nested more than {MAX_DEPTH} deep."})
    found: list[Scope] = []
    place, optional = start, False
    while place < len(pieces) and pieces[place] != "]":
        piece = pieces[place]
        place += 1
        if piece == "*":
            optional = True
        elif piece == "[":
            raise Invalid({"scope": "There is a [ without a scope before it."})
        elif not piece.isspace():
            needs: tuple[Scope, ...] = ()
            if place < len(pieces) and pieces[place] == "[":
                inner, place = _list(pieces, place + 1, depth=depth + 1)
                if place == len(pieces):
                    raise Invalid({"scope": "There is a [ without its ]."})
                needs, place = tuple(inner), place + 1
            found.append(Scope(_known(piece), optional, needs))
            optional = False
            if len(found) > MAX_SCOPES:
                raise Invalid({"scope": f"At most {MAX_SCOPES} scopes."})
    return found, place


def _known(name: str) -> str:
    if server_of(name) is None:
        raise Invalid({"scope": f"Unknown scope {name[:MAX_NAME_LENGTH]}."})
    return name
