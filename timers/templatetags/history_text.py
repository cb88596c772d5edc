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
from timers.templatetags.labels import event_words

register = template.Library()

SENTENCES: Mapping[str, str] = {
    "created": "created it",
    "resumed": "resumed it",
    "deleted": "deleted it",
    "ended": "ended it",
    "signing_secret_rotated": "renewed the signing secret",
}

ON_EXECUTIONS: Mapping[str, str] = {
    "ran": "ran it manually",
    "reran": "started a run again",
    "cancelled": "cancelled a run",
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
            did = f"restored {event.text or 'an earlier version'}"
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
