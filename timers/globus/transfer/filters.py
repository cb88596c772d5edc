"""Parser of filters and orders: `status:ACTIVE,FAILED/label:~*nightly*`, `request_time DESC,label`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import translate

from django.db.models import F, Q
from django.db.models.expressions import OrderBy

from timers import validation
from timers.errors import Invalid
from timers.lifecycle import UNFINISHED_TRANSFER, TransferStatus

MAX_PATTERN_LENGTH = 4_096

_STATUSES: dict[str, tuple[TransferStatus, ...]] = {
    "ACTIVE": UNFINISHED_TRANSFER,
    "INACTIVE": (),
    "SUCCEEDED": (TransferStatus.SUCCEEDED,),
    "FAILED": (TransferStatus.FAILED, TransferStatus.CANCELLED),
}
_ORDERS = {
    "task_id": "pk",
    "type": "kind",
    "status": "status",
    "label": "label",
    "request_time": "requested_at",
    "completion_time": "finished_at",
    "deadline": "deadline_at",
    "faults": "faults",
    "files": "files",
    "files_transferred": "files_transferred",
    "bytes_transferred": "bytes_transferred",
}


def clauses(text: str) -> dict[str, list[str]]:
    """Return the values of a filter by key; raises Invalid."""
    values_by_key: dict[str, list[str]] = {}
    if len(text) > MAX_PATTERN_LENGTH:
        raise Invalid({"filter": f"At most {MAX_PATTERN_LENGTH:,} characters."})
    for clause in text.split("/"):
        if clause:
            key, colon, values = clause.partition(":")
            if not colon:
                raise Invalid({"filter": f"{clause[:100]!r} is not a filter: write key:value."})
            values_by_key.setdefault(key, []).extend(values.split(","))
    return values_by_key


def tasks(text: str) -> Q:
    """Return the condition on transfers of a filter; raises Invalid."""
    condition = Q()
    for key, values in clauses(text).items():
        read = _TASK_KEYS.get(key)
        if read is None:
            raise Invalid({"filter": f"Unknown key {key[:100]!r}; known: {', '.join(_TASK_KEYS)}."})
        condition &= read(values)
    return condition


def _ids(values: Iterable[str]) -> Q:
    return Q(pk__in=[key for value in values if (key := validation.uuid(value)) is not None])


def _status(values: Iterable[str]) -> Q:
    names = [value.upper() for value in values]
    unknown = [value for value in names if value not in _STATUSES]
    if unknown:
        raise Invalid({"filter": f"Unknown status {unknown[0][:100]!r}; known: {', '.join(_STATUSES)}."})
    return Q(status__in=[status for value in names for status in _STATUSES[value]])


def _type(values: Iterable[str]) -> Q:
    kinds = [value.lower() for value in values]
    if not set(kinds) <= {"transfer", "delete"}:
        raise Invalid({"filter": "A type is TRANSFER or DELETE."})
    return Q(kind__in=kinds)


def _label(values: Iterable[str]) -> Q:
    patterns = [TextFilter.read(value) for value in values]
    included, excluded = Q(), Q()
    for pattern in patterns:
        same = Q(label__iregex=pattern.expression) if pattern.glob else Q(label=pattern.text)
        if pattern.negated:
            excluded &= ~same
        else:
            included |= same
    return included & excluded


def _between(column: str) -> dict[str, str]:
    return {"from": f"{column}__gte", "to": f"{column}__lte"}


def _time(column: str, values: list[str]) -> Q:
    if len(values) > 2:
        raise Invalid({"filter": "A span of time is from,to."})
    condition = Q()
    for name, value in zip(("from", "to"), values, strict=False):
        if value:
            condition &= Q((_between(column)[name], instant(value)))
    return condition


def instant(text: str) -> datetime:
    """Return the instant in a filter; raises Invalid."""
    return validation.instant(text[:11] + text[11:].replace(" ", "+"), "filter")


_TASK_KEYS = {
    "task_id": _ids,
    "status": _status,
    "type": _type,
    "label": _label,
    "request_time": lambda values: _time("requested_at", values),
    "completion_time": lambda values: _time("finished_at", values),
}


@dataclass(frozen=True)
class TextFilter:
    """Pattern for a name or label: exact, or with `~` a case-insensitive glob of * and ?; `!` negates it."""

    text: str
    glob: bool
    negated: bool

    @classmethod
    def read(cls, value: str) -> TextFilter:
        negated = value.startswith("!")
        rest = value.removeprefix("!")
        glob = rest.startswith("~")
        return cls(rest[1:] if glob or rest.startswith("=") else rest, glob, negated)

    @property
    def expression(self) -> str:
        """The glob as a regular expression that both databases understand.

        The text between two stars matches at its first place only, so that matching never needs to backtrack.
        """
        first, *rest = (_escaped(section) for section in re.split(r"\*+", self.text))
        if not rest:
            return f"^{first}$"
        *between, last = rest
        return f"^{first}" + "".join(f"(?:(?!{section}).)*{section}" for section in between) + f".*{last}$"

    def matches(self, name: str) -> bool:
        """Return whether a name matches the pattern."""
        if not self.glob:
            return (name == self.text) is not self.negated
        return (re.match(translate(self.text.lower()), name.lower()) is not None) is not self.negated


def _escaped(section: str) -> str:
    """Return a section of a glob without stars as a regular expression."""
    return "".join("." if character == "?" else re.sub(r"([^\w\s])", r"\\\1", character) for character in section)


def matches_any(values: Iterable[str], name: str) -> bool:
    """Return whether a name matches one of the positive patterns, if there are any, and no negated one."""
    patterns = [TextFilter.read(value) for value in values]
    positive = [pattern.matches(name) for pattern in patterns if not pattern.negated]
    return (any(positive) or not positive) and all(pattern.matches(name) for pattern in patterns if pattern.negated)


def orders(text: str, known: Mapping[str, str]) -> list[tuple[str, bool]]:
    """Return the columns of an order, each with whether it is descending; raises Invalid."""
    columns = []
    for part in text.split(","):
        words = part.split()
        if not words:
            continue
        direction = words[1].upper() if len(words) > 1 else "ASC"
        if words[0] not in known or direction not in ("ASC", "DESC") or len(words) > 2:
            raise Invalid({"orderby": f"Give fields with ASC or DESC; fields: {', '.join(known)}."})
        columns.append((known[words[0]], direction == "DESC"))
    return columns


def task_order(text: str) -> list[OrderBy]:
    """Return the order of transfers, by default newest first; raises Invalid."""
    order = orders(text, _ORDERS) or [("requested_at", True)]
    columns = [F(name).desc(nulls_last=True) if falls else F(name).asc(nulls_last=True) for name, falls in order]
    return [*columns, F("pk").desc()]
