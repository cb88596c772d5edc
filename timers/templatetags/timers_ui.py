"""How instants, durations, states and pictures look. Tags read `now` and `zone` of the page from the context."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from timers import formatting
from timers.actions.base import ACTIONS, MASK, icon_of
from timers.lifecycle import SkipReason
from timers.models import ClientKey, Collection, Token
from timers.queries.timers.last_runs import LastRun
from timers.storages.base import STORAGES

register = template.Library()
for _words in (formatting.duration, formatting.number, formatting.size):
    register.filter(_words.__name__, _words)

STATES: Mapping[str, tuple[str, str]] = {
    "active": ("ok", "clock"),
    "completed": ("ok", "check"),
    "succeeded": ("ok", "check"),
    "done": ("ok", "check"),
    "valid": ("ok", "check"),
    "reachable": ("ok", "check"),
    "failed": ("bad", "cross"),
    "not done": ("bad", "cross"),
    "auto-paused": ("bad", "alert"),
    "fault": ("bad", "alert"),
    "unreachable": ("bad", "cross"),
    "running": ("run", "half"),
    "pending": ("wait", "wait"),
    "retrying": ("wait", "retry"),
    "waiting": ("wait", "wait"),
    "completed with errors": ("wait", "alert"),
    "timed out": ("bad", "cross"),
    "terminated": ("idle", "slash"),
    "expires soon": ("wait", "alert"),
    "slow": ("wait", "alert"),
    "paused": ("idle", "pause"),
    "ended": ("idle", "stop"),
    "deleted": ("idle", "slash"),
    "skipped": ("idle", "skip"),
    "cancelled": ("idle", "slash"),
    "expired": ("idle", "slash"),
    "revoked": ("idle", "slash"),
    "not checked": ("idle", "minus"),
}
"""State -> tone and icon; a state is never shown by colour alone."""

SKIP_REASONS: Mapping[str, str] = {
    "overlap": "The last one still ran (overlap: skip)",
    "paused": "The timer was paused",
    "snoozed": "The timer was paused for a while",
    "maintenance": "A maintenance window",
    "excluded_date": "Outside its hours and weekdays",
    "catchup_none": "Missed while the service was down (catch-up: none)",
    "catchup_coalesced": "Missed while the service was down; only the last one is made up (catch-up: latest)",
    "catchup_window": "Missed for too long to be made up",
    "catchup_limit": "Too many were missed to make up all of them",
    "dst_gap": "The clocks were put forward over this time",
    "quota": "The quota was used up",
    "ended": "The timer had ended",
    "scheduler_error": "The scheduler met an error",
    "skip_if": "Its condition was against it",
    "cluster_gone": "The cluster that it was for was gone",
    "unknown_function": "The cluster that it was for does not know the function",
}
TRIGGERS: Mapping[str, str] = {
    "schedule": "schedule",
    "manual": "by hand",
    "catch_up": "catch-up",
    "rerun": "run again",
}


# Icons, badges


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """Return one of our icons; the page holds their outlines once."""
    return format_html(
        '<svg class="i{}" viewBox="0 0 16 16" aria-hidden="true"><use href="#i-{}"/></svg>',
        f" {classes}" if classes else "",
        name,
    )


@register.simple_tag
def badge(state: str) -> SafeString:
    """Return a state by shape, word and tone."""
    tone, shape = STATES.get(state, ("idle", "clock"))
    return format_html('<span class="badge is-{}">{}{}</span>', tone, icon(shape), state)


@register.simple_tag
def dot(state: str) -> SafeString:
    """Return the round mark of a step; a state's, or an icon's without tone."""
    tone, shape = STATES.get(state, ("idle", state))
    return format_html('<span class="dot is-{}">{}</span>', tone, icon(shape))


@register.filter
def action_label(kind: str) -> str:
    """Return the name of an action for people."""
    return ACTIONS.get(kind).label if kind in ACTIONS else kind.title()


register.filter("action_icon", icon_of)


@register.filter
def skip_words(execution: Any) -> str:
    """Return why an occurrence was left out, with what its condition said."""
    reason: str = SKIP_REASONS[execution.skip_reason]
    said = execution.error_message if execution.skip_reason == SkipReason.SKIP_IF else None
    return f"{reason}: {said}" if said else reason


@register.filter
def trigger_words(trigger: str) -> str:
    return TRIGGERS.get(trigger, trigger)


# Times


@register.simple_tag(takes_context=True)
def when(context: Mapping[str, Any], instant: datetime | None, style: str = "minute", classes: str = "") -> SafeString:
    """Return an instant in the reader's zone (or in the part's own, `zone`), with ISO and UTC within reach."""
    if instant is None:
        return mark_safe("")
    zone = context.get("zone", UTC)
    return format_html(
        '<time{} datetime="{}" title="{}">{}</time>',
        format_html(' class="{}"', classes) if classes else "",
        iso(instant),
        f"{iso(instant)} ({formatting.clock_text(instant, UTC, style='second')})",
        formatting.clock_text(instant, zone, now=context.get("now"), style=style),
    )


@register.filter
def iso(instant: datetime) -> str:
    """Return the machine form of an instant."""
    return instant.astimezone(UTC).isoformat()


@register.simple_tag(takes_context=True)
def relative(context: Mapping[str, Any], instant: datetime | None) -> SafeString:
    """Return how far away an instant is: "in 27 min 53 s", "3 min ago"; a script counts on from there."""
    if instant is None:
        return mark_safe("")
    away = timedelta(seconds=round((instant - context["now"]).total_seconds()))
    words = f"in {formatting.duration(away)}" if away > timedelta(0) else f"{formatting.duration(-away)} ago"
    return format_html('<span data-relative="{}">{}</span>', iso(instant), words if away else "now")


# Numbers


@register.filter
def percent(done: int, total: int) -> int:
    """Return how much is done, from 0 to 100; 100 only when all is."""
    return 0 if not total else min(100, done * 100 // total)


@register.filter
def pretty(document: Any) -> str:
    """Return a document as indented JSON."""
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)


@register.filter
def pretty_text(text: str) -> str:
    """Return text indented when it is JSON, else as it is."""
    try:
        return pretty(json.loads(text))
    except (ValueError, TypeError):
        return text


@register.filter
def is_masked(value: object) -> bool:
    return value == MASK


# Pictures

_STEP, _BASE = 5.4, 19


@register.simple_tag
def spark(bars: Iterable[LastRun]) -> SafeString:
    """Return the last runs as bars, oldest at the left: height is duration, failed ones hang below the line."""
    bars = list(bars)[::-1]
    if not bars:
        return mark_safe('<span class="dim">no runs yet</span>')
    longest = max((bar.seconds for bar in bars), default=0) or 1
    width = max(len(bars), 24) * _STEP
    offset = width - len(bars) * _STEP
    strokes: dict[str, list[str]] = {}
    for index, bar in enumerate(bars):
        name, stroke = _bar(bar, offset + index * _STEP + 1.9, longest)
        strokes.setdefault(name, []).append(stroke)
    marks = format_html_join("", '<path class="mark {}" d="{}"/>', ((name, "".join(d)) for name, d in strokes.items()))
    return format_html(
        '<svg class="spark" width="{}" height="28" role="img" aria-label="{}">'
        '<path class="rule" d="M0 {}h{}"/>{}</svg>',
        round(width),
        spark_words(bars),
        _BASE + 0.5,
        round(width),
        marks,
    )


def spark_words(bars: Iterable[LastRun]) -> str:
    """Return the name of the picture: its result in words."""
    states = [bar.status for bar in bars]
    order = ("completed", "failed", "cancelled", "running", "retrying", "pending", "skipped")
    said = ", ".join(f"{states.count(state)} {state}" for state in order if state in states)
    return f"Last {len(states)}: {said}" if len(states) > 1 else f"Last one: {states[0]}"


def _bar(bar: LastRun, x: float, longest: float) -> tuple[str, str]:
    """Return the class of a bar, and its stroke around `x`: one path of each class keeps long lists small."""
    if bar.status == "completed":
        return "bar is-ok", f"M{x:.1f} {_BASE}v-{4 + 14 * min(1.0, bar.seconds / longest):.1f}"
    if bar.status == "failed":
        return "bar is-bad", f"M{x:.1f} 20.5v7"
    if bar.status in ("running", "retrying", "pending"):
        tone = "run" if bar.status == "running" else "wait"
        return f"open is-{tone}", f"M{x - 1.5:.1f} 7h3v12h-3z"
    return "bar is-idle", f"M{x:.1f} 17v2"


@register.simple_tag(takes_context=True)
def theme(context: Mapping[str, Any]) -> str:
    """Return the theme the reader chose, empty for the system's; on pages without a shell the cookie tells."""
    request = context.get("request")
    chosen = context.get("theme", request.COOKIES.get("theme", "") if request is not None else "")
    return chosen if chosen in ("light", "dark") else ""


@register.filter
def lookup(mapping: Mapping[str, Any], key: str) -> Any:
    """Return an entry of a mapping whose key is known only here."""
    return mapping.get(key)


# Facts of other things

EVENTS: Mapping[str, str] = {
    "created": "Created",
    "changed": "Changed",
    "updated": "Changed",
    "paused": "Paused",
    "resumed": "Resumed",
    "deleted": "Deleted",
    "ended": "Ended",
    "ran": "Run now",
    "reran": "Run again",
    "cancelled": "Cancelled",
    "signing_secret_rotated": "New signing secret",
}


@register.filter
def event_words(verb: str) -> str:
    return EVENTS.get(verb, verb.replace("_", " ").capitalize())


@register.filter
def storage_label(kind: str) -> str:
    """Return the name of a kind of storage for people."""
    return STORAGES.get(kind).label if kind in STORAGES else kind


@register.filter
def storage_place(collection: Collection) -> str:
    """Return where a collection is, in a few words."""
    return STORAGES.get(collection.kind).place(collection.storage) if collection.kind in STORAGES else ""


@register.simple_tag(takes_context=True)
def token_badge(context: Mapping[str, Any], credential: Token | ClientKey) -> SafeString:
    """Return whether a token or key is still good."""
    now, expires = context["now"], getattr(credential, "expires_at", None)
    if credential.revoked_at is not None:
        return badge("revoked")
    if expires is not None and expires <= now:
        return badge("expired")
    return badge("expires soon" if expires is not None and expires - now < timedelta(days=7) else "valid")
