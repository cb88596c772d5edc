"""Collections: places with files."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from timers.api.serializers.fields import ANY_OBJECT, Document, Instant, Object, one_of
from timers.copying.plan import Kind
from timers.models import Collection
from timers.services import collections


class CollectionSerializer(Document):
    id = serializers.UUIDField()
    display_name = serializers.CharField()
    description = serializers.CharField()
    storage = serializers.SerializerMethodField(help_text="Kind and parameters; secrets are left out.")
    default_directory = serializers.CharField(help_text="What /~/ means.")
    entity_type = serializers.CharField()
    high_assurance = serializers.BooleanField()
    owner = serializers.CharField(source="owner.get_username", help_text="The owner's user name.")
    created_at = Instant()
    updated_at = Instant()

    @extend_schema_field(ANY_OBJECT)
    def get_storage(self, collection: Collection) -> dict[str, Any]:
        return {"kind": collection.kind, **collection.storage}


class CollectionPage(serializers.Serializer):
    collections = CollectionSerializer(many=True)
    marker = serializers.CharField(allow_null=True, help_text="Of the next page; null on the last one.")


class EntrySerializer(Document):
    name = serializers.CharField()
    type = one_of(Kind)(source="kind")
    size = serializers.IntegerField()
    modified_at = Instant(allow_null=True)


class ListingSerializer(Document):
    path = serializers.CharField(help_text="The folder that was meant, normalised.")
    entries = EntrySerializer(many=True)
    truncated = serializers.BooleanField(help_text="Whether there is more than was asked for.")


class NewCollection(Document):
    display_name = serializers.CharField(max_length=255)
    storage = Object(help_text="A kind (local, s3, sftp) and what belongs to it.")
    description = serializers.CharField(required=False)
    default_directory = serializers.CharField(required=False)
    entity_type = one_of(collections.ENTITY_TYPES)(required=False)
    high_assurance = serializers.BooleanField(required=False)


class CollectionChanges(NewCollection):
    """Any of the fields; `storage` is replaced as a whole, and a secret sent as *** stays as it is."""

    display_name = serializers.CharField(max_length=255, required=False)
    storage = Object(required=False)
