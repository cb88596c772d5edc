"""The files of a transfer or a dry run: verdicts, reasons, what was done."""

from __future__ import annotations

from collections.abc import Mapping

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from timers import formatting
from timers.copying.plan import FileVerdict
from timers.queries.transfers.files import ERROR, WARNING, FileEntry
from timers.templatetags.icons import icon

register = template.Library()

VERDICTS: Mapping[str, tuple[str, str]] = {
    FileVerdict.ADD: ("ok", "plus"),
    FileVerdict.CHANGE: ("run", "tilde"),
    FileVerdict.DELETE: ("bad", "minus"),
    FileVerdict.SAME: ("idle", "same"),
    ERROR: ("bad", "alert"),
}
"""Verdict -> tone and icon."""

_CHANGED = {
    None: "Everything is copied",
    "exists": "Something else stands there",
    "size": "Size differs",
    "mtime": "Source is newer",
    "checksum": "Content differs",
}

_SAME = {"exists": "There already", "size": "Size agrees", "mtime": "Not newer", "checksum": "Content agrees"}

_TO_DO = {
    "copy": "to be copied",
    "compare": "to be compared",
    "link": "link to be made",
    "mkdir": "folder to be made",
    "delete": "to be deleted",
    "chmod": "permissions to be set",
    "remove": "to be deleted at the source",
}

_DONE = {
    "link": "link made",
    "mkdir": "folder made",
    "delete": "deleted",
    "chmod": "permissions set",
    "remove": "deleted at the source",
}

_CHECKED = {"checksum": "copied, checksum agrees", "size": "copied, size agrees"}


@register.simple_tag
def verdict_icon(verdict: str) -> SafeString:
    return icon(VERDICTS[verdict][1])


@register.filter
def verdict_tone(verdict: str) -> str:
    return VERDICTS[verdict][0]


@register.simple_tag
def verdict_badge(verdict: str | None) -> SafeString:
    """Return a verdict by shape, word and tone."""
    tone, shape = VERDICTS.get(verdict or "", ("idle", "wait"))
    return format_html('<span class="badge is-{}">{}{}</span>', tone, icon(shape), verdict or "unknown")


@register.filter
def why(entry: FileEntry) -> str:
    """Return the reason of a verdict as a few words."""
    if entry.state in (WARNING, "failed"):
        return entry.error_message or ("Left out" if entry.state == WARNING else "It failed")
    match entry.verdict:
        case "add":
            return "Not at the destination"
        case "delete":
            return "Not at the source"
        case "change":
            return _CHANGED.get(entry.level, "Differs")
        case "same":
            return _SAME.get(entry.level or "", "Agrees")
    return ""


@register.filter
def became(entry: FileEntry) -> str:
    """Return what was done with a file, or is to be done."""
    match entry.state:
        case "done":
            return _DONE.get(entry.step) or _CHECKED.get(entry.verified or "", "copied")
        case "skipped":
            return "left as it is" if entry.step == "delete" else _SAME.get(entry.level or "", "Unchanged").lower()
        case "warning":
            return "left out"
        case "waiting":
            return "waits for another file"
        case "failed":
            return "failed"
    return _TO_DO.get(entry.step, entry.step)


@register.filter
def at_source(entry: FileEntry) -> str:
    """Return the size of an entry at the source of a dry run, or what it is there."""
    if not entry.source_path or entry.verdict == FileVerdict.DELETE:
        return "–"
    return "folder" if entry.step == "mkdir" else formatting.size(entry.size)


@register.filter
def at_destination(entry: FileEntry) -> str:
    """Return the size of an entry at the destination of a dry run, or what it is there."""
    if entry.verdict == FileVerdict.DELETE:
        return "folder" if entry.there_size is None and not entry.size else formatting.size(entry.size)
    if entry.there_size is not None and entry.step != "mkdir":
        return formatting.size(entry.there_size)
    return "folder" if entry.verdict == FileVerdict.SAME and entry.step == "mkdir" else "–"
