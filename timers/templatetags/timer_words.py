"""The history of one timer in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from timers import formatting
from timers.models import Event
from timers.templatetags.timers_ui import event_words

register = template.Library()

SENTENCES: Mapping[str, str] = {
    "created": "made it",
    "resumed": "resumed it",
    "deleted": "deleted it",
    "ended": "ended it",
    "signing_secret_rotated": "made a new signing secret",
}
ON_EXECUTIONS: Mapping[str, str] = {
    "ran": "ran it by hand",
    "reran": "ran an execution again",
    "cancelled": "cancelled an execution",
}
FIELDS: Mapping[str, str] = {
    "timer_type": "what runs",
    "body": "what it does",
    "paused": "whether it is paused",
}
"""Fields of a definition whose names say little to people."""

BY_ITSELF = "The service"


@register.simple_tag(takes_context=True)
def event_sentence(context: Mapping[str, Any], event: Event) -> SafeString:
    """Return a line of a timer's history as a sentence: who did what, and why."""
    who = event.actor.get_username() if event.actor else BY_ITSELF
    return format_html("<b>{}</b> {}", who, _did(context, event))


def _did(context: Mapping[str, Any], event: Event) -> str:
    match event.verb:
        case "updated":
            did = f"changed {_listed(event.data.get('fields') or [])}"
        case "paused":
            did = f"paused it{_until(context, event)}{_colon(event.text)}"
        case "restored":
            did = f"took up {event.text or 'an earlier version'} again"
        case verb if verb in ON_EXECUTIONS and event.object_id:
            address = reverse("execution", args=[event.object_id])
            did = format_html('<a class="link" href="{}">{}</a>', address, ON_EXECUTIONS[verb])
        case verb:
            did = SENTENCES.get(verb) or f"{event_words(verb).lower()}{_colon(event.text)}"
    return did


def _until(context: Mapping[str, Any], event: Event) -> str:
    try:
        until = datetime.fromisoformat(event.data["until"])
    except (KeyError, TypeError, ValueError):
        return ""
    return f" until {formatting.clock_text(until, context.get('zone', UTC), now=context.get('now'))}"


def _colon(text: str) -> str:
    return f": {text}" if text else ""


def _listed(names: list[str]) -> str:
    """Return names as in a sentence: "schedule, policies and tags"."""
    words = [FIELDS.get(name, name) for name in names]
    if len(words) < 2:
        return words[0] if words else "it"
    return f"{', '.join(words[:-1])} and {words[-1]}"


@register.filter
def clock_change(size: Any, forward: bool) -> str:
    """Return what the clocks do: "Clocks go forward by 1 h"."""
    return f"Clocks go {'forward' if forward else 'back'} by {formatting.duration(size)}"


OVERLAPS: Mapping[str, str] = {
    "skip": "left out while the last one runs",
    "queue_one": "one waits while the last one runs",
    "queue_all": "all wait while the last one runs",
    "cancel_previous": "the last one is stopped",
    "allow": "runs beside the last one",
}
CATCH_UPS: Mapping[str, str] = {
    "none": "left out",
    "latest": "the last one is made up for",
    "all": "all are made up for",
}


@register.filter
def overlap_words(policy: str) -> str:
    """Return what becomes of a run while the last one still runs."""
    return OVERLAPS.get(policy, policy)


@register.filter
def catch_up_words(policy: str) -> str:
    """Return what becomes of missed runs."""
    return CATCH_UPS.get(policy, policy)
