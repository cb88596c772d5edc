"""The rate of a transfer, and the shares of a dry run, as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from timers import formatting
from timers.copying.plan import FileVerdict
from timers.queries.transfers.files import FileTotals
from timers.queries.transfers.rate_curve import RateCurve
from timers.templatetags.transfer_files import VERDICTS

register = template.Library()

_SHARES = (FileVerdict.ADD, FileVerdict.CHANGE, FileVerdict.DELETE, FileVerdict.SAME)

_WORDS = {"add": "are added", "change": "changed", "delete": "deleted", "same": "stay the same"}

HEIGHT = 132


@register.simple_tag
def shares(summary: FileTotals) -> SafeString:
    """Return a bar of what a dry run found, named by its result."""
    counts = {verdict: summary.verdicts[verdict].files for verdict in _SHARES}
    total = sum(counts.values())
    if not total:
        return mark_safe("")
    marks, x = [], 0.0
    for verdict in (verdict for verdict in _SHARES if counts[verdict]):
        share = counts[verdict] * 100 / total
        marks.append((VERDICTS[verdict][0], f"{x:.2f}", f"{max(share - 0.25, 0.1):.2f}"))
        x += share
    return format_html(
        '<svg class="share" role="img" aria-label="Of {} files {}">{}</svg>',
        formatting.number(total),
        ", ".join(
            f"{_share_words(counts[verdict], total)} {_WORDS[verdict]}" for verdict in _SHARES if counts[verdict]
        ),
        format_html_join("", '<rect class="mark is-{}" x="{}%" width="{}%" height="12"/>', marks),
    )


def _share_words(count: int, total: int) -> str:
    return f"{count * 100 // total} %" if count * 100 >= total else "under 1 %"


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
