"""How a transfer looks: verdicts, what became of a file, the course of its speed, the shares of a dry run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from timers import formatting
from timers.copying.plan import FileVerdict
from timers.queries.transfers.files import ERROR, FileEntry, FileTotals
from timers.queries.transfers.rate_curve import RateCurve
from timers.templatetags.timers_ui import icon

register = template.Library()

VERDICTS: Mapping[str, tuple[str, str]] = {
    FileVerdict.ADD: ("ok", "plus"),
    FileVerdict.CHANGE: ("run", "tilde"),
    FileVerdict.DELETE: ("bad", "minus"),
    FileVerdict.SAME: ("idle", "same"),
    ERROR: ("bad", "alert"),
}
"""Verdict -> tone and icon."""
_SHARES = (FileVerdict.ADD, FileVerdict.CHANGE, FileVerdict.DELETE, FileVerdict.SAME)
_WORDS = {"add": "are added", "change": "changed", "delete": "deleted", "same": "stay the same"}

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
}
_DONE = {"link": "link made", "mkdir": "folder made", "delete": "deleted"}
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
    match entry.verdict:
        case "error":
            return entry.error_message or "It failed"
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
        case "failed":
            return "failed"
    return _TO_DO.get(entry.step, entry.step)


@register.simple_tag
def shares(summary: FileTotals) -> SafeString:
    """Return a bar of what a dry run found, named by its result."""
    counts = {each: summary.verdicts[each].files for each in _SHARES}
    total = sum(counts.values())
    if not total:
        return mark_safe("")
    marks, x = [], 0.0
    for verdict in (each for each in _SHARES if counts[each]):
        share = counts[verdict] * 100 / total
        marks.append((VERDICTS[verdict][0], f"{x:.2f}", f"{max(share - 0.25, 0.1):.2f}"))
        x += share
    return format_html(
        '<svg class="share" role="img" aria-label="Of {} files {}">{}</svg>',
        formatting.number(total),
        ", ".join(f"{_share_words(counts[each], total)} {_WORDS[each]}" for each in _SHARES if counts[each]),
        format_html_join("", '<rect class="mark is-{}" x="{}%" width="{}%" height="12"/>', marks),
    )


def _share_words(count: int, total: int) -> str:
    return f"{count * 100 // total} %" if count * 100 >= total else "under 1 %"


HEIGHT = 132


@register.simple_tag(takes_context=True)
def speed_picture(context: Mapping[str, Any], curve: RateCurve) -> SafeString:
    """Return the course of the speed as a picture, named by its result."""
    line = " ".join(f"{x * 100:.2f},{HEIGHT - y * HEIGHT:.1f}" for x, y in curve.points)
    first, last = (f"{x * 100:.2f}" for x, _ in (curve.points[0], curve.points[-1]))
    rules = [(f"{y - 0.5:.1f}", f"{y - 0.5:.1f}") for y in (1, HEIGHT / 3 + 1, HEIGHT * 2 / 3 + 1, HEIGHT)]
    return format_html(
        '<svg viewBox="0 0 100 {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polygon class="under" points="{},{} {} {},{}"/>{}<polyline class="curve" points="{}"/></svg>',
        HEIGHT,
        _speed_words(context, curve),
        first,
        HEIGHT,
        line,
        last,
        HEIGHT,
        format_html_join(
            "", '<line class="rule" x1="0" x2="100" y1="{}" y2="{}" vector-effect="non-scaling-stroke"/>', rules
        ),
        line,
    )


def _speed_words(context: Mapping[str, Any], curve: RateCurve) -> str:
    since = formatting.clock_text(curve.began, context.get("zone", UTC), style="time")
    mean, highest = formatting.size(curve.mean), formatting.size(curve.highest)
    return f"Throughput since {since}: {mean}/s in the mean, {highest}/s at most"
