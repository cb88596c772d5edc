"""Checks of names and tags, the same at every interface."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from timers.errors import Invalid

MAX_NAME_LENGTH = 255
MAX_DESCRIPTION_LENGTH = 10_000
MAX_TAGS = 100


def name(value: object, field: str = "name") -> str:
    """Return a name of 1 to 255 characters without control characters; raises Invalid naming `field`."""
    if not isinstance(value, str) or not value.strip():
        raise Invalid({field: "Give it a name."})
    return line(value, field)


def line(value: object, field: str) -> str:
    """Return text of at most 255 characters without control characters; raises Invalid naming `field`."""
    if not isinstance(value, str):
        raise Invalid({field: "This must be text."})
    if len(value) > MAX_NAME_LENGTH:
        raise Invalid({field: f"At most {MAX_NAME_LENGTH} characters; these are {len(value)}."})
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise Invalid({field: "Control characters are not allowed."})
    return value


def paragraph(value: object, field: str) -> str:
    """Return text that may hold lines, without other control characters; raises Invalid naming `field`."""
    if not isinstance(value, str):
        raise Invalid({field: "This must be text."})
    if len(value) > MAX_DESCRIPTION_LENGTH:
        raise Invalid({field: f"At most {MAX_DESCRIPTION_LENGTH} characters; these are {len(value)}."})
    if any(unicodedata.category(character) in {"Cc", "Cs"} and character not in "\n\r\t" for character in value):
        raise Invalid({field: "Control characters are not allowed."})
    return value


def tags(value: object) -> list[tuple[str, str]]:
    """Return the pairs of a tag document {key: value or list of values}; raises Invalid naming `tags.<key>`."""
    if not isinstance(value, Mapping):
        raise Invalid({"tags": "Tags are an object of keys and values."})
    pairs: dict[tuple[str, str], None] = {}
    for key, given in value.items():
        field = f"tags.{key}"
        name(key, field)
        values = given if isinstance(given, list) else [given]
        pairs.update(dict.fromkeys((key, line("" if each is None else each, field)) for each in values))
    if len(pairs) > MAX_TAGS:
        raise Invalid({"tags": f"At most {MAX_TAGS} tags; these are {len(pairs)}."})
    return list(pairs)
