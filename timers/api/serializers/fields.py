"""Fields of documents: how they are written, and how the OpenAPI document describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from timers import formatting, validation
from timers.actions.base import ACTIONS
from timers.channels.base import recipient_examples
from timers.parameters import object_schema

ANY_OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": {}}


@extend_schema_field(OpenApiTypes.DATETIME)
class Instant(serializers.Field):
    """An instant as ISO 8601 text with +00:00."""

    def to_representation(self, value: datetime) -> str:
        return formatting.iso(value)


@extend_schema_field(ANY_OBJECT)
class Object(serializers.JSONField):
    """A JSON object whose content is not described here."""


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "example": {"team": "data", "urgent": ""},
    }
)
class Tags(serializers.JSONField):
    """Keys and values; a list where one key has several values."""


class Described(serializers.JSONField):
    """A field whose schema is made with the OpenAPI document: settings and tests may have added kinds by then."""

    def schema(self) -> dict[str, Any]:
        raise NotImplementedError


class ActionKind(Described):
    """The name of a kind of action."""

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(ACTIONS)}


class Body(Described):
    """Parameters of an action, as an object; actions that declare theirs are described."""

    def schema(self) -> dict[str, Any]:
        declared = [
            {**object_schema(action.parameters), "title": action.label}
            for _, action in ACTIONS.items()
            if action.parameters
        ]
        any_object = {**ANY_OBJECT, "description": "What the action needs; see the guide."}
        return {"anyOf": [any_object, *declared]} if declared else any_object


class PoliciesField(Described):
    """Policies of a timer: failures, overlap, missed runs, and whom to notify."""

    def schema(self) -> dict[str, Any]:
        return {**ANY_OBJECT, "description": f"By name; `notify` is a list of recipients: {recipient_examples()}."}


def one_of(values: Iterable[str]) -> type[serializers.CharField]:
    """Return a field of text that is always one of these."""

    @extend_schema_field({"type": "string", "enum": [str(value) for value in values]})
    class OneOf(serializers.CharField):
        pass

    return OneOf


class Document(serializers.Serializer):
    """A document that can be trimmed: `only` names the fields that are wanted."""

    def __init__(self, *args: Any, only: Iterable[str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if only is not None:
            for name in set(self.fields) - set(only):
                self.fields.pop(name)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of all fields, in their order."""
        return list(cls._declared_fields)


class InputDocument(Document):
    """A document that callers send: a field that it does not describe is refused, not lost."""

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the document; raises Invalid naming every field that is not described."""
        validation.only_known(document, cls.names())
        return document
