"""Transfers: requests to make a destination match a source, with their files and history."""

from __future__ import annotations

from rest_framework import serializers

from timers.api.serializers.fields import Document, Instant, Object, one_of
from timers.lifecycle import TransferStatus
from timers.models import Transfer


class TransferSerializer(Document):
    """The context holds `now`, for the speed of what goes on."""

    id = serializers.UUIDField()
    status = one_of(TransferStatus)()
    label = serializers.CharField()  # type: ignore[assignment]
    source_endpoint = serializers.UUIDField(source="source_id")
    destination_endpoint = serializers.UUIDField(source="destination_id")
    files = serializers.IntegerField()
    directories = serializers.IntegerField()
    bytes_total = serializers.IntegerField()
    files_transferred = serializers.IntegerField()
    files_skipped = serializers.IntegerField()
    files_failed = serializers.IntegerField()
    bytes_transferred = serializers.IntegerField()
    bytes_checksummed = serializers.IntegerField()
    bytes_per_second = serializers.SerializerMethodField()
    faults = serializers.IntegerField()
    phase = serializers.CharField()
    error_message = serializers.CharField(allow_null=True)
    failure_reason = serializers.CharField(allow_null=True, help_text="A stable word, for programs.")
    deadline = Instant(source="deadline_at", allow_null=True)
    requested_at = Instant()
    started_at = Instant(allow_null=True)
    completion_time = Instant(source="finished_at", allow_null=True)
    execution_id = serializers.UUIDField(allow_null=True)
    timer_id = serializers.UUIDField(allow_null=True)
    owner = serializers.CharField(source="owner.get_username", help_text="The owner's user name.")

    def get_bytes_per_second(self, transfer: Transfer) -> int:
        if transfer.started_at is None:
            return 0
        seconds = ((transfer.finished_at or self.context["now"]) - transfer.started_at).total_seconds()
        return round(transfer.bytes_transferred / seconds) if seconds > 0 else 0


class TransferPage(serializers.Serializer):
    transfers = TransferSerializer(many=True)
    marker = serializers.CharField(allow_null=True, help_text="Of the next page; null on the last one.")


class FileSerializer(Document):
    step = serializers.CharField(help_text="copy, mkdir or delete.")
    source_path = serializers.CharField()
    destination_path = serializers.CharField()
    size = serializers.IntegerField()
    status = serializers.CharField(source="state", help_text="pending, done, skipped or failed.")
    level = serializers.CharField(allow_null=True, help_text="The comparison that was really used.")
    checksum = serializers.CharField(allow_null=True)
    bytes_transferred = serializers.IntegerField(source="bytes_done")
    faults = serializers.IntegerField()
    error_message = serializers.CharField(allow_null=True)
    failure_reason = serializers.CharField(allow_null=True)
    completion_time = Instant(source="finished_at", allow_null=True)


class FilePage(serializers.Serializer):
    files = FileSerializer(many=True)
    marker = serializers.CharField(allow_null=True, help_text="Of the next page; null on the last one.")


class TransferEventSerializer(Document):
    time = Instant(source="at")
    code = serializers.CharField()
    is_fault = serializers.BooleanField()
    phase = serializers.CharField()
    path = serializers.CharField(allow_null=True)
    text = serializers.CharField()


class EventPage(serializers.Serializer):
    events = TransferEventSerializer(many=True)
    marker = serializers.CharField(allow_null=True, help_text="Of the next page; null on the last one.")


class TransferRequest(Document):
    """The Globus TransferData document; the fields that are usual."""

    source_endpoint = serializers.UUIDField()
    destination_endpoint = serializers.UUIDField()
    DATA = serializers.ListField(child=Object(), help_text="Items of source_path, destination_path, recursive?.")
    label = serializers.CharField(required=False, allow_null=True, max_length=128)  # type: ignore[assignment]
    sync_level = serializers.IntegerField(
        required=False, allow_null=True, help_text="0 exists, 1 size, 2 mtime, 3 checksum; null: copy always."
    )
    verify_checksum = serializers.BooleanField(required=False)
    preserve_timestamp = serializers.BooleanField(required=False)
    delete_destination_extra = serializers.BooleanField(required=False)
    skip_source_errors = serializers.BooleanField(required=False)
    filter_rules = serializers.ListField(child=Object(), required=False, allow_null=True)
    deadline = Instant(required=False, allow_null=True)
    submission_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="A repeat with the same one answers the first transfer."
    )
