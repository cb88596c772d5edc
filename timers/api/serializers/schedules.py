"""Schedules as callers write them, and previews."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from timers.api.serializers.fields import InputDocument, Instant

_INSTANT: dict[str, Any] = {"type": "string", "format": "date-time"}
_END: dict[str, Any] = {
    "oneOf": [
        {
            "type": "object",
            "required": ["condition", "datetime"],
            "properties": {"condition": {"type": "string", "enum": ["time"]}, "datetime": _INSTANT},
        },
        {
            "type": "object",
            "required": ["condition", "n"],
            "properties": {
                "condition": {"type": "string", "enum": ["iterations"]},
                "n": {"type": "integer", "minimum": 1},
            },
        },
    ]
}
_WINDOW: dict[str, Any] = {
    "type": "object",
    "description": "When it may fire, on the wall clock of a zone; what falls outside is skipped.",
    "properties": {
        "between": {"type": "array", "items": {"type": "string", "example": "09:00"}, "minItems": 2, "maxItems": 2},
        "weekdays": {"type": "string", "example": "MON-FRI"},
        "timezone": {"type": "string", "description": "An IANA name; UTC if left out."},
    },
    "additionalProperties": False,
}


def _kind(name: str, required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    properties = {"type": {"type": "string", "enum": [name]}, **properties}
    return {"type": "object", "required": ["type", *required], "properties": properties, "additionalProperties": False}


SCHEDULE: dict[str, Any] = {
    "oneOf": [
        _kind("once", [], datetime=_INSTANT),
        _kind(
            "recurring",
            ["interval_seconds"],
            interval_seconds={"type": "number", "minimum": 0.1},
            start=_INSTANT,
            end=_END,
            window=_WINDOW,
        ),
        _kind(
            "cron",
            ["expression"],
            expression={"type": "string", "description": "Six fields, seconds first, or Unix's five."},
            timezone={"type": "string", "description": "An IANA name; UTC if left out."},
            start=_INSTANT,
            end=_END,
            window=_WINDOW,
            dst_gap={"type": "string", "enum": ["shift", "skip"]},
            dst_overlap={"type": "string", "enum": ["first", "second", "both"]},
        ),
    ]
}


@extend_schema_field(SCHEDULE)
class ScheduleField(serializers.JSONField):
    """A schedule: once, recurring or cron."""


class PreviewRequest(InputDocument):
    schedule = ScheduleField()
    limit = serializers.IntegerField(required=False, min_value=1, max_value=1000)
    after = Instant(required=False)


class PreviewAnswer(serializers.Serializer):
    next = serializers.ListField(child=Instant())
    description = serializers.CharField(help_text="The schedule in words.")
    warnings = serializers.ListField(child=serializers.CharField())


class NextAnswer(serializers.Serializer):
    next = serializers.ListField(child=Instant())
