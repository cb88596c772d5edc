"""How the picture of a workflow run names its instants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import template

from timers import formatting

register = template.Library()


@register.simple_tag(takes_context=True)
def clock_words(context: Mapping[str, Any], instant: datetime) -> str:
    """Return an instant of a picture's axis as bare text, in the reader's zone."""
    return formatting.clock_text(instant, context.get("zone", UTC), style="time")
