"""Schedules as callers write them, and previews."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from timers.api.serializers.fields import Described, InputDocument, Instant
from timers.parameters import object_schema
from timers.scheduling.base import KINDS

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


_BOUNDS = {"start": _INSTANT, "end": _END, "window": _WINDOW}


class ScheduleField(Described):
    """A schedule of any kind."""

    def schema(self) -> dict[str, Any]:
        kinds = [
            object_schema(rule.parameters, tag=("type", kind), more=_BOUNDS if rule.repeats else None)
            for kind, rule in KINDS.items()
        ]
        return {"oneOf": kinds}


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
