"""Which entries inside recursive items belong to a transfer: rules on names and paths, sizes and ages.

The first rule that matches decides; without a match an entry is included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import translate
from typing import Any

from timers import validation
from timers.copying.plan import Entry, Kind
from timers.errors import Invalid

MAX_RULES = 1000
MAX_PATTERN_LENGTH = 1024
_KEYS = {"DATA_TYPE", "method", "name", "path", "type"}


class Method(StrEnum):
    """Effect of a rule on the entries that it matches."""

    INCLUDE = "include"
    EXCLUDE = "exclude"


@dataclass(frozen=True)
class FilterRule:
    """One rule, on the `name` of an entry or on its `path` from the item's root.

    Without a `type` it is for files and folders. Patterns know `*`, `?` and `[abc]`, and are case-sensitive. In a path,
    `*` and `?` do not match a slash; `**` as a whole name matches any number of folders, and at the end everything
    below.
    """

    method: Method
    name: str | None
    path: str | None = None
    type: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the rule as it is written in a submission."""
        fields = {"DATA_TYPE": "filter_rule", "method": self.method.value, "name": self.name, "path": self.path}
        return {name: value for name, value in {**fields, "type": self.type}.items() if value is not None}


class Filter:
    """All rules of a transfer. An excluded folder excludes everything inside it: it is not listed."""

    def __init__(self, rules: tuple[FilterRule, ...] = ()) -> None:
        self.rules = rules
        self._compiled = [_Matcher(rule) for rule in rules]

    def includes(self, path: str, kind: str) -> bool:
        """Return whether an entry belongs to the transfer, by its path from the item's root and its kind."""
        name = path.rpartition("/")[2]
        for rule in self._compiled:
            if rule.matches(name, path, kind):
                return rule.includes
        return True


class _Matcher:
    """A rule with its pattern compiled."""

    def __init__(self, rule: FilterRule) -> None:
        self.includes = rule.method is Method.INCLUDE
        self._type = rule.type
        self._name = None if rule.name is None else re.compile(translate(rule.name)).fullmatch
        self._path = None if rule.path is None else re.compile(path_expression(rule.path)).fullmatch
        # a folder that leads to what a rule includes has to be listed
        leading = _NOTHING
        if rule.path is not None and self.includes and rule.type != Kind.DIR:
            leading = _leading_expression(rule.path.strip("/").split("/"))
        self._leading = re.compile(leading).fullmatch

    def matches(self, name: str, path: str, kind: str) -> bool:
        if kind == Kind.DIR and self._leading(path):
            return True
        if self._type not in {None, kind}:
            return False
        return bool(self._name(name) if self._name is not None else self._path is not None and self._path(path))


def path_expression(pattern: str) -> str:
    """Return the regular expression of a pattern on paths."""
    *folders, last = pattern.strip("/").split("/")
    leading = "".join("(?:[^/]+/)*" if name == "**" else f"{_name_expression(name)}/" for name in folders)
    return leading + (_ANYTHING if last == "**" else _name_expression(last))


def _leading_expression(names: list[str]) -> str:
    """Return the expression of the folders that may hold what a pattern on paths, given by its names, matches."""
    if len(names) < 2:
        return _NOTHING
    if names[0] == "**":
        return _ANYTHING
    return f"{_name_expression(names[0])}(?:/{_leading_expression(names[1:])})?"


_ANYTHING, _NOTHING = "(?s:.+)", "(?!)"
_WILDCARD = re.compile(r"\*+|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


def _name_expression(pattern: str) -> str:
    """Return the expression of one name of a path; no wildcard matches a slash."""
    return "".join(_expression(token) for token in _WILDCARD.findall(pattern))


def _expression(token: str) -> str:
    if token.startswith("*"):
        return "[^/]*"
    if token == "?":
        return "[^/]"
    if token.startswith("[") and token.endswith("]"):
        return f"(?!/){translate(token)[len('(?s:') : -len(_END)]}"
    return re.escape(token)


_END = translate("").removeprefix("(?s:")


def parse_rules(document: object, *, field: str = "filter_rules") -> tuple[FilterRule, ...]:
    """Return the rules of a submission; raises Invalid naming the rule ("filter_rules.2.method")."""
    if document is None:
        return ()
    if not isinstance(document, list):
        raise Invalid({field: "Give a list of rules."})
    if len(document) > MAX_RULES:
        raise Invalid({field: f"At most {MAX_RULES} rules."})
    return tuple(_rule(rule, f"{field}.{number}") for number, rule in enumerate(document))


def _rule(document: object, field: str) -> FilterRule:
    if not isinstance(document, Mapping):
        raise Invalid({field: "A rule is an object with method, and name or path."})
    unknown = [str(key) for key in document if key not in _KEYS]
    if unknown:
        raise Invalid({f"{field}.{key}": f"Unknown field; known here: {', '.join(sorted(_KEYS))}." for key in unknown})
    if document.get("DATA_TYPE", "filter_rule") != "filter_rule":
        raise Invalid({f"{field}.DATA_TYPE": "A rule is a filter_rule."})
    name, path = document.get("name"), document.get("path")
    if name is not None and path is not None:
        raise Invalid({f"{field}.path": "A rule has either a name or a path."})
    return FilterRule(
        validation.choice(document.get("method"), f"{field}.method", Method),
        _name_pattern(name, f"{field}.name") if path is None else None,
        None if path is None else _path_pattern(path, f"{field}.path"),
        _type(document.get("type"), f"{field}.type"),
    )


def _name_pattern(value: object, field: str) -> str:
    text = _pattern(value, field, example="*.txt")
    if "/" in text:
        raise Invalid({field: "A name has no slash; give the pattern as path."})
    return text


def _path_pattern(value: object, field: str) -> str:
    text = _pattern(value, field, example="logs/**")
    if not text.strip("/") or any(name in {"", ".", ".."} for name in text.strip("/").split("/")):
        raise Invalid({field: "Give a path from the item's root, such as logs/**, without empty names, '.' and '..'."})
    return text


def _pattern(value: object, field: str, *, example: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_PATTERN_LENGTH or "\0" in value:
        raise Invalid({field: f"Give a pattern such as {example}, at most {MAX_PATTERN_LENGTH} characters."})
    return value


def _type(value: object, field: str) -> str | None:
    if value is None or value in (Kind.FILE, Kind.DIR):
        return None if value is None else str(value)
    raise Invalid({field: f"Must be {Kind.FILE} or {Kind.DIR}, or absent for both."})


@dataclass(frozen=True)
class Selection:
    """All that decides which entries belong to a transfer; instants in nanoseconds since 1970.

    Sizes and times are those of files of the source. A file whose time is not known belongs to it.
    """

    rules: Filter | None = None
    min_size: int | None = None
    max_size: int | None = None
    newest_ns: int | None = None
    oldest_ns: int | None = None

    def __bool__(self) -> bool:
        """Return whether anything can be left out."""
        limits = (self.min_size, self.max_size, self.newest_ns, self.oldest_ns)
        return self.rules is not None or any(limit is not None for limit in limits)

    def includes(self, entry: Entry, path: str) -> bool:
        """Return whether an entry of the source is copied."""
        return self.covers(entry, path) and (entry.kind is not Kind.FILE or self._is_within_limits(entry))

    def covers(self, entry: Entry, path: str) -> bool:
        """Return whether the rules on names and paths include an entry, of either side."""
        return self.rules is None or self.rules.includes(path, entry.kind)

    def _is_within_limits(self, entry: Entry) -> bool:
        if self.min_size is not None and entry.size < self.min_size:
            return False
        if self.max_size is not None and entry.size > self.max_size:
            return False
        if entry.modified_ns is None:
            return True
        if self.newest_ns is not None and entry.modified_ns > self.newest_ns:
            return False
        return self.oldest_ns is None or entry.modified_ns >= self.oldest_ns
