"""OAuth2 scopes: their text form, their trees of dependent scopes, and their resource servers.

A scope text is a list separated by blanks. `*` before a name makes it optional; `[...]` after it contains its dependent
scopes: `A[*B C[D]] E`.
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
"""The scopes of a client that requests none."""

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

_PLAIN_NAMES = frozenset({"openid", "profile", "email"})
_NAMES = (
    re.compile(r"urn:globus:auth:scope:([A-Za-z0-9._-]+):[A-Za-z0-9._-]+"),
    re.compile(re.escape(_HOST) + r"/([A-Za-z0-9._-]+)/[A-Za-z0-9._/-]+"),
)
_TOKENS = re.compile(r"[\[\]*]|[^\s\[\]*]+|\s+")


@dataclass(frozen=True)
class Scope:
    """A scope with its dependent scopes (`needs`). A user may leave out an optional one when granting it."""

    name: str
    optional: bool = False
    needs: tuple[Scope, ...] = ()

    def __str__(self) -> str:
        inner = f"[{' '.join(map(str, self.needs))}]" if self.needs else ""
        return f"{'*' if self.optional else ''}{self.name}{inner}"


def data_access(collection_id: object) -> str:
    """Return the scope that gives access to the files of a mapped collection."""
    return f"{_HOST}/{collection_id}/data_access"


def flow_user(flow_id: object) -> str:
    """Return the scope that allows to start a flow."""
    return f"{_HOST}/{flow_id}/flow_{str(flow_id).replace('-', '_')}_user"


def server_of(name: str) -> str | None:
    """Return the resource server of a scope, None for an unknown scope."""
    if name in _PLAIN_NAMES:
        return AUTH_SERVER
    match = next((found for pattern in _NAMES if (found := pattern.fullmatch(name))), None)
    if match is None or len(name) > MAX_NAME_LENGTH:
        return None
    return FLOWS_SERVER if match[1] == _FLOWS_ID else match[1]


def parse(text: str) -> tuple[Scope, ...]:
    """Return the scopes of a text, each name once; raises Invalid naming scope."""
    if len(text) > MAX_LENGTH:
        raise Invalid({"scope": f"At most {MAX_LENGTH:,} characters."})
    tokens = _TOKENS.findall(text)
    scopes, rest = _parse_list(tokens, 0, depth=0)
    if rest != len(tokens):
        raise Invalid({"scope": "There is a ] without its [."})
    return merge(scopes)


def merge(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """Return the scopes with each name once. It has all dependent scopes that the name had anywhere."""
    joined: dict[str, Scope] = {}
    for scope in scopes:
        before = joined.get(scope.name, Scope(scope.name, optional=True))
        joined[scope.name] = Scope(scope.name, before.optional and scope.optional, merge((*before.needs, *scope.needs)))
    return tuple(joined.values())


def paths(scopes: Iterable[Scope], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path from a root to each scope of the trees, parents first."""
    for scope in scopes:
        here = (*above, scope.name)
        yield here
        yield from paths(scope.needs, here)


def describe(name: str) -> str:
    """Return what a scope allows, in words."""
    if name in _TEXTS:
        return _TEXTS[name]
    if name.endswith("_user") and "/flow_" in name:
        return f"start the flow {server_of(name)}"
    return f"use {server_of(name)} ({name.rsplit('/', 1)[-1].rsplit(':', 1)[-1]})"


def by_server(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names grouped by resource server, the Auth server first."""
    groups: dict[str, list[str]] = {}
    for name in sorted(dict.fromkeys(names), key=lambda name: server_of(name) != AUTH_SERVER):
        groups.setdefault(server_of(name) or "", []).append(name)
    return groups


def _parse_list(tokens: list[str], start: int, *, depth: int) -> tuple[list[Scope], int]:
    """Return the scopes from a place on, and the place after them: the end, or the closing bracket of the list."""
    if depth > MAX_DEPTH:
        raise Invalid({"scope": f"Scopes are nested more than {MAX_DEPTH} deep."})
    scopes: list[Scope] = []
    place, optional = start, False
    while place < len(tokens) and tokens[place] != "]":
        token = tokens[place]
        place += 1
        if token == "*":
            optional = True
        elif token == "[":
            raise Invalid({"scope": "There is a [ without a scope before it."})
        elif not token.isspace():
            needs: tuple[Scope, ...] = ()
            if place < len(tokens) and tokens[place] == "[":
                inner, place = _parse_list(tokens, place + 1, depth=depth + 1)
                if place == len(tokens):
                    raise Invalid({"scope": "There is a [ without its ]."})
                needs, place = tuple(inner), place + 1
            scopes.append(Scope(_known(token), optional, needs))
            optional = False
            if len(scopes) > MAX_SCOPES:
                raise Invalid({"scope": f"At most {MAX_SCOPES} scopes."})
    return scopes, place


def _known(name: str) -> str:
    if server_of(name) is None:
        raise Invalid({"scope": f"Unknown scope {name[:MAX_NAME_LENGTH]}."})
    return name
