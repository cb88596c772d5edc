"""Parser of the search language: clauses joined by AND, and sort orders."""

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
    """One condition: a field, an operator, and its values (several only for IN)."""

    field: str
    operator: str
    values: tuple[str, ...]


def parse(text: str, *, known: Mapping[str, str]) -> list[Clause]:
    """Return the clauses of a query. Raises Invalid with the place that cannot be read.

    `known` maps each spelling of a field to its name. An empty query and `*` have no clauses.
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
            raise _syntax_error(text, at, "AND was expected")
        at = joined.end()
        if len(clauses) >= MAX_CLAUSES:
            raise Invalid({"query": f"A query has at most {MAX_CLAUSES} clauses."})


def _clause(text: str, at: int, known: Mapping[str, str]) -> tuple[Clause, int]:
    field_match = _FIELD.match(text, at)
    name_by_spelling = {name.lower(): name for name in known}
    name = None if field_match is None else name_by_spelling.get(field_match[1].lower())
    if field_match is None or name is None:
        raise _syntax_error(text, at, f"a field was expected, one of {', '.join(known)}")
    if (inside := _IN.match(text, field_match.end())) is not None:
        values, end = _values(text, inside.end())
        return Clause(known[name], "IN", values), end
    operator = _OPERATOR.match(text, field_match.end())
    if operator is None:
        raise _syntax_error(text, field_match.end(), f"an operator was expected, one of {' '.join(OPERATORS)}")
    value = _QUOTED.match(text, operator.end())
    if value is not None:
        return Clause(known[name], operator[1], (value[1] if value[1] is not None else value[2],)), value.end()
    bare = _BARE.match(text, operator.end())
    if bare is None or not bare[1].strip():
        raise _syntax_error(text, operator.end(), "a value was expected")
    return Clause(known[name], operator[1], (bare[1].strip(),)), bare.end()


def _values(text: str, at: int) -> tuple[tuple[str, ...], int]:
    values: list[str] = []
    while True:
        match = _LISTED.match(text, at)
        if match is None:
            raise _syntax_error(text, at, "a list of values and ) was expected")
        at = match.end()
        quoted = match[1] if match[1] is not None else match[2]
        if quoted is not None or match[3]:
            values.append(match[3] if quoted is None else quoted)
        if match[4] == ")":
            return tuple(values), at


def _syntax_error(text: str, at: int, why: str) -> Invalid:
    message = f"The query cannot be read at {text[at : at + 40]!r}, character {at + 1}: {why}."
    return Invalid({"query": message})


def sort(text: str, *, known: Mapping[str, str], default: str) -> list[str]:
    """Return the columns to sort by, descending ones with a minus. Unknown fields stand for the `default` column."""
    columns: list[str] = []
    for part in text.split(",")[:10]:
        name, _, direction = part.strip().partition(":")
        column = known.get(name, default)
        if name and column.lstrip("-") not in [known_column.lstrip("-") for known_column in columns]:
            columns.append(column if direction.strip().upper() == "ASC" else f"-{column}")
    return columns or [f"-{default}"]
