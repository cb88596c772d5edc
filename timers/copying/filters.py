"""Include and exclude rules on names inside recursive items.

The first rule that matches decides; without a match a name is included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import translate
from typing import Any

from timers import validation
from timers.copying.plan import Kind
from timers.errors import Invalid

MAX_RULES = 1000
MAX_PATTERN_LENGTH = 1024
_KEYS = {"DATA_TYPE", "method", "name", "type"}


class Method(StrEnum):
    """Effect of a rule on the names that it matches."""

    INCLUDE = "include"
    EXCLUDE = "exclude"


@dataclass(frozen=True)
class FilterRule:
    """One rule; without a `type` it applies to files and folders.

    Patterns know `*`, `?` and `[abc]`, and are case-sensitive.
    """

    method: Method
    name: str
    type: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the rule as it is written in a submission."""
        fields = {"DATA_TYPE": "filter_rule", "method": self.method.value, "name": self.name}
        return fields if self.type is None else {**fields, "type": self.type}


class Filter:
    """All rules of a transfer. An excluded folder excludes everything inside it: it is not listed."""

    def __init__(self, rules: tuple[FilterRule, ...] = ()) -> None:
        self.rules = rules
        self._compiled = [(rule.method, rule.type, re.compile(translate(rule.name)).match) for rule in rules]

    def includes(self, name: str, kind: str) -> bool:
        """Return whether an entry of that name and kind belongs to the transfer."""
        for method, rule_type, match in self._compiled:
            if rule_type in {None, kind} and match(name):
                return method is Method.INCLUDE
        return True


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
        raise Invalid({field: "A rule is an object with method and name."})
    unknown = [str(key) for key in document if key not in _KEYS]
    if unknown:
        raise Invalid({f"{field}.{key}": f"Unknown field; known here: {', '.join(sorted(_KEYS))}." for key in unknown})
    if document.get("DATA_TYPE", "filter_rule") != "filter_rule":
        raise Invalid({f"{field}.DATA_TYPE": "A rule is a filter_rule."})
    return FilterRule(
        validation.choice(document.get("method"), f"{field}.method", Method),
        _pattern(document.get("name"), f"{field}.name"),
        _type(document.get("type"), f"{field}.type"),
    )


def _pattern(value: object, field: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_PATTERN_LENGTH or "\0" in value:
        raise Invalid({field: f"Give a name or pattern such as *.txt, at most {MAX_PATTERN_LENGTH} characters."})
    if "/" in value:
        raise Invalid({field: "A rule matches names, not paths: leave out the slash."})
    return value


def _type(value: object, field: str) -> str | None:
    if value is None or value in (Kind.FILE, Kind.DIR):
        return None if value is None else str(value)
    raise Invalid({field: f"Must be {Kind.FILE} or {Kind.DIR}, or absent for both."})
