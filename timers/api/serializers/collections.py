"""Collections: places with files."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from timers.api.serializers.fields import ANY_OBJECT, Described, Document, InputDocument, Instant, one_of
from timers.copying.plan import Kind
from timers.models import Collection
from timers.parameters import object_schema
from timers.services.collections import commands as collections
from timers.services.collections.checks import CheckStatus
from timers.storages.base import STORAGES


class AbilitiesSerializer(Document):
    """Capabilities of a collection's storage beyond listing and reading."""

    write = serializers.BooleanField(help_text="Files can be written and deleted.")
    rename = serializers.BooleanField(help_text="An entry can be moved without copying it.")
    times = serializers.BooleanField(help_text="A file keeps the modification time that it is given.")
    permissions = serializers.BooleanField(help_text="Files and folders have mode bits.")
    properties = serializers.BooleanField(help_text="Files have a content type, metadata and a storage class.")
    exact_names = serializers.BooleanField(help_text="Names are the same only if all their bytes are.")
    both_kinds = serializers.BooleanField(help_text="A file and a folder can have the same name.")
    folders = serializers.BooleanField(help_text="Folders exist by themselves, also empty ones.")
    resume = serializers.BooleanField(help_text="An unfinished file can be gone on with.")
    checksums = serializers.ListField(child=serializers.CharField(), help_text="Digests that the store itself states.")
    quick_stat = serializers.BooleanField(help_text="Looking one name up costs next to nothing.")
    links = serializers.BooleanField(help_text="Symbolic links can be read and made.")
    streams = serializers.IntegerField(help_text="How many files at a time make it faster.")


class HealthSerializer(Document):
    """Result of a test of a collection."""

    status = one_of(CheckStatus)()
    checked_at = serializers.DateTimeField()
    message = serializers.CharField(help_text="What was found, or what is wrong, in a sentence.")
    reason = serializers.CharField(allow_null=True, help_text="Why something cannot be done, as a stable word.")
    readable = serializers.BooleanField()
    writable = serializers.BooleanField()
    error = serializers.CharField(allow_null=True, help_text="Why it cannot be read, or not be written.")
    list_seconds = serializers.FloatField(allow_null=True, help_text="How long it took to connect and to list.")
    read_bytes_per_second = serializers.IntegerField(allow_null=True)
    write_bytes_per_second = serializers.IntegerField(allow_null=True)


class CollectionTestSerializer(Document):
    """Answer of a test: whether files can be read and written, and how fast."""

    read = serializers.BooleanField(source="readable")
    write = serializers.BooleanField(source="writable")
    error = serializers.CharField(required=False, help_text="Why one of the two is not possible; left out if both are.")
    status = one_of(CheckStatus)()
    checked_at = serializers.DateTimeField()
    message = serializers.CharField(help_text="What was found, or what is wrong, in a sentence.")
    reason = serializers.CharField(allow_null=True, help_text="Why something cannot be done, as a stable word.")
    list_seconds = serializers.FloatField(allow_null=True, help_text="How long it took to connect and to list.")
    read_bytes_per_second = serializers.IntegerField(allow_null=True)
    write_bytes_per_second = serializers.IntegerField(allow_null=True)


class CollectionSerializer(Document):
    id = serializers.UUIDField()
    display_name = serializers.CharField()
    description = serializers.CharField()
    storage = serializers.SerializerMethodField(help_text="Kind and parameters; secrets are left out.")
    default_directory = serializers.CharField(help_text="What /~/ means.")
    entity_type = serializers.CharField()
    high_assurance = serializers.BooleanField()
    abilities = serializers.SerializerMethodField(help_text="What the storage is able to do.")
    health = serializers.SerializerMethodField(help_text="What the last test found; null before the first.")
    owner = serializers.CharField(source="owner.get_username", help_text="The owner's user name.")
    created_at = Instant()
    updated_at = Instant()

    @extend_schema_field(ANY_OBJECT)
    def get_storage(self, collection: Collection) -> dict[str, Any]:
        return {"kind": collection.kind, **collection.storage}

    @extend_schema_field(AbilitiesSerializer)
    def get_abilities(self, collection: Collection) -> dict[str, Any]:
        return collections.abilities(collection)

    @extend_schema_field(HealthSerializer(allow_null=True))
    def get_health(self, collection: Collection) -> dict[str, Any] | None:
        return collection.health or None


class CollectionPage(serializers.Serializer):
    collections = CollectionSerializer(many=True)
    marker = serializers.CharField(allow_null=True, help_text="Of the next page; null on the last one.")


class EntrySerializer(Document):
    name = serializers.CharField(help_text="Bytes that are no UTF-8 are escaped, as in ma\\xf1ana.")
    type = one_of(Kind)(source="kind")
    size = serializers.IntegerField()
    modified_at = Instant(allow_null=True)
    addressable = serializers.BooleanField(
        help_text="False for an entry whose name cannot stand in a path: it can neither be opened nor copied."
    )


class ListingSerializer(Document):
    path = serializers.CharField(help_text="The folder that was meant, normalised.")
    entries = EntrySerializer(many=True)
    truncated = serializers.BooleanField(help_text="Whether there is more than was asked for.")


class StorageField(Described):
    """A kind of storage and its parameters."""

    def schema(self) -> dict[str, Any]:
        kinds = [object_schema(storage.parameters, tag=("kind", kind)) for kind, storage in STORAGES.items()]
        return {"oneOf": kinds, "description": f"A kind ({', '.join(STORAGES)}) and what belongs to it."}


class NewCollection(InputDocument):
    display_name = serializers.CharField(max_length=255)
    storage = StorageField()
    description = serializers.CharField(required=False)
    default_directory = serializers.CharField(required=False)
    entity_type = one_of(collections.ENTITY_TYPES)(required=False)
    high_assurance = serializers.BooleanField(required=False)


class CollectionChanges(NewCollection):
    """Any of the fields; `storage` is replaced as a whole, and a secret sent as *** stays as it is."""

    display_name = serializers.CharField(max_length=255, required=False)
    storage = StorageField(required=False)
