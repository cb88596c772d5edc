"""The pause of all timers, and the requests that change it."""

from __future__ import annotations

from rest_framework import serializers

from timers.api.serializers.fields import Document, InputDocument, Instant


class PauseOfAll(Document):
    reason = serializers.CharField()
    since = Instant()
    by = serializers.CharField(source="by.get_username", default=None, allow_null=True, help_text="Who paused it.")


class SchedulingAnswer(Document):
    paused = serializers.BooleanField(help_text="Whether the caller's timers rest, for one reason or the other.")
    own = PauseOfAll(allow_null=True, help_text="The pause of all timers of the caller.")
    everybody = PauseOfAll(allow_null=True, help_text="The pause of everybody's timers.")


class PauseAllRequest(InputDocument):
    reason = serializers.CharField(required=False)
    everybody = serializers.BooleanField(required=False, help_text="For all owners; administrators only.")


class ResumeAllRequest(InputDocument):
    everybody = serializers.BooleanField(required=False, help_text="For all owners; administrators only.")
