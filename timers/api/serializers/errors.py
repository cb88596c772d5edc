"""The one shape of errors."""

from __future__ import annotations

from rest_framework import serializers


class ErrorBody(serializers.Serializer):
    code = serializers.CharField(help_text="A stable word, for programs.")
    message = serializers.CharField(help_text="One sentence, for people.")
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        help_text="What is wrong with which field, by its dotted path.",
    )


class ErrorAnswer(serializers.Serializer):
    error = ErrorBody()
