"""The query language of the searches: clauses joined by AND, sorts, and free text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from timers.errors import Invalid

MAX_QUERY_LENGTH = 20_000
MAX_CLAUSES = 50
OPERATORS = ("=", ">", "<", ">=", "<=", "IN")

_FIELD = re.compile(r"\s*([A-Za-z_]\w*)\s*")
_IN = re.compile(r"IN\s*\(", re.IGNORECASE)
_OPERATOR = re.compile(r"(>=|<=|=|>|<)\s*")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_BARE = re.compile(r"(.*?)(?=\s+AND(?:\s|$)|\s*$)", re.IGNORECASE | re.DOTALL)
_AND = re.compile(r"\s+AND(?:\s+|$)", re.IGNORECASE)
_LISTED = re.compile(r"\s*(?:'([^']*)'|\"([^\"]*)\"|([^,)]*?))\s*([,)])")


@dataclass(frozen=True)
class Clause:
    """One condition: a field, an operator, and the values (one, but for IN)."""

    field: str
    operator: str
    values: tuple[str, ...]


def parse(text: str, *, known: Mapping[str, str]) -> list[Clause]:
    """Return the clauses of a query, with the fields' own names; raises Invalid saying where it cannot be read.

    `known` maps each spelling of a field to its name. An empty query, and `*`, have no clauses.
    """
    if len(text) > MAX_QUERY_LENGTH:
        raise Invalid({"query": f"A query has at most {MAX_QUERY_LENGTH:,} characters."})
    if text.strip() in ("", "*"):
        return []
    clauses: list[Clause] = []
    at = 0
    while True:
        clause, at = _clause(text, at, known)
        clauses.append(clause)
        if at >= len(text.rstrip()):
            return clauses
        joined = _AND.match(text, at)
        if joined is None:
            raise _refusal(text, at, "AND was expected")
        at = joined.end()
        if len(clauses) >= MAX_CLAUSES:
            raise Invalid({"query": f"A query has at most {MAX_CLAUSES} clauses."})


def _clause(text: str, at: int, known: Mapping[str, str]) -> tuple[Clause, int]:
    named = _FIELD.match(text, at)
    spelled = {name.lower(): name for name in known}
    name = None if named is None else spelled.get(named[1].lower())
    if named is None or name is None:
        raise _refusal(text, at, f"a field was expected, one of {', '.join(known)}")
    if (inside := _IN.match(text, named.end())) is not None:
        values, end = _values(text, inside.end())
        return Clause(known[name], "IN", values), end
    operator = _OPERATOR.match(text, named.end())
    if operator is None:
        raise _refusal(text, named.end(), f"an operator was expected, one of {' '.join(OPERATORS)}")
    value = _QUOTED.match(text, operator.end())
    if value is not None:
        return Clause(known[name], operator[1], (value[1] if value[1] is not None else value[2],)), value.end()
    bare = _BARE.match(text, operator.end())
    if bare is None or not bare[1].strip():
        raise _refusal(text, operator.end(), "a value was expected")
    return Clause(known[name], operator[1], (bare[1].strip(),)), bare.end()


def _values(text: str, at: int) -> tuple[tuple[str, ...], int]:
    values: list[str] = []
    while True:
        found = _LISTED.match(text, at)
        if found is None:
            raise _refusal(text, at, "a list of values and ) was expected")
        at = found.end()
        quoted = found[1] if found[1] is not None else found[2]
        if quoted is not None or found[3]:
            values.append(found[3] if quoted is None else quoted)
        if found[4] == ")":
            return tuple(values), at


def _refusal(text: str, at: int, why: str) -> Invalid:
    message = f"The query cannot be read at {text[at : at + 40]!r}, character {at + 1}: {why}."
    return Invalid({"query": message})


def sort(text: str, *, known: Mapping[str, str], usual: str) -> list[str]:
    """Return the columns to sort by, falling ones with a minus; unknown fields stand for the usual one."""
    found: list[str] = []
    for part in text.split(",")[:10]:
        name, _, direction = part.strip().partition(":")
        column = known.get(name, usual)
        if name and column.lstrip("-") not in [each.lstrip("-") for each in found]:
            found.append(column if direction.strip().upper() == "ASC" else f"-{column}")
    return found or [f"-{usual}"]
