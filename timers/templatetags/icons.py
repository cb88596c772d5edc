"""Icons, and the badges and dots of states and credentials."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from timers.models import ClientKey, Token

register = template.Library()

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
    "warning": ("wait", "alert"),
    "cancelled": ("idle", "slash"),
    "expired": ("idle", "slash"),
    "revoked": ("idle", "slash"),
    "not checked": ("idle", "minus"),
}
"""State -> tone and icon; a state is never shown by colour alone."""


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


@register.simple_tag(takes_context=True)
def token_badge(context: Mapping[str, Any], credential: Token | ClientKey) -> SafeString:
    """Return whether a token or key is still good."""
    now, expires = context["now"], getattr(credential, "expires_at", None)
    if credential.revoked_at is not None:
        return badge("revoked")
    if expires is not None and expires <= now:
        return badge("expired")
    return badge("expires soon" if expires is not None and expires - now < timedelta(days=7) else "valid")
