"""How collections look: what they can do, as tags and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from timers import formatting
from timers.copying.plan import Kind
from timers.models import Collection
from timers.services.collections import commands as collections

register = template.Library()

KINDS: Mapping[str, str] = {Kind.SYMLINK: "link", Kind.OTHER: "special"}


@register.inclusion_tag("timers/_collection_abilities.html")
def ability_tags(collection: Collection) -> dict[str, Any]:
    """Show what the collection's storage can do, and what of the usual it cannot."""
    able = collections.abilities(collection)
    usual = [("checksum", able["checksums"]), ("rename", able["rename"]), ("modified time", able["times"])]
    return {"usual": [(word, bool(can)) for word, can in usual], "more": ["links"] if able["links"] else []}


@register.filter
def ability_words(collection: Collection) -> list[str]:
    """Return in sentences what the collection's storage can do."""
    able = collections.abilities(collection)
    stated = ", ".join({"md5": "MD5", "sha256": "SHA-256"}.get(name, name) for name in able["checksums"])
    return [
        f"States {stated} itself." if stated else "States no checksums: files are read to compare them.",
        "Renames in place." if able["rename"] else "Cannot rename.",
        "Keeps the times that files are given." if able["times"] else "Sets the times of files itself.",
        "Keeps symbolic links." if able["links"] else "Knows no symbolic links.",
        *([] if able["folders"] else ["Knows no empty folders."]),
        *(["Goes on with unfinished files."] if able["resume"] else []),
    ]


@register.filter
def entry_word(kind: str) -> str:
    """Return what an entry is when it is neither file nor folder."""
    return KINDS.get(kind, "")


@register.filter
def answer_words(seconds: float) -> str:
    """Return how long an answer took."""
    return formatting.duration(seconds) if seconds >= 0.001 else f"under 1{formatting.TIED}ms"


@register.filter
def reason_words(reason: str) -> str:
    """Return a storage's reason for failing as people write it."""
    return reason.replace("_", " ")
