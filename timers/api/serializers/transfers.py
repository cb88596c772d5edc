"""Transfers: requests to make a destination match a source, or to delete; with their files and history."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from timers import formatting
from timers.api.serializers.fields import Document, InputDocument, Instant, Object, one_of
from timers.lifecycle import UNFINISHED_TRANSFER, TransferStatus
from timers.models import Transfer
from timers.queries.transfers.files import STATES, VERDICTS, VerdictTotals, file_totals
from timers.queries.transfers.listing import bytes_per_second, time_left

KINDS = ("transfer", "delete")


class CurrentFile(serializers.Serializer):
    path = serializers.CharField()
    bytes_done = serializers.IntegerField()
    size = serializers.IntegerField()


class TransferSerializer(Document):
    """The context holds `now`, for the speed of what goes on."""

    id = serializers.UUIDField()
    type = one_of(KINDS)(source="kind")
    status = one_of(TransferStatus)()
    dry_run = serializers.SerializerMethodField(help_text="Whether it only says what would be done.")
    label = serializers.CharField()  # type: ignore[assignment]
    source_endpoint = serializers.UUIDField(source="source_id", help_text="Of a deletion, where it deletes.")
    destination_endpoint = serializers.UUIDField(source="destination_id", allow_null=True)
    files = serializers.IntegerField()
    directories = serializers.IntegerField()
    symlinks = serializers.IntegerField()
    bytes_total = serializers.IntegerField()
    files_transferred = serializers.IntegerField()
    files_skipped = serializers.IntegerField()
    files_failed = serializers.IntegerField()
    warnings = serializers.IntegerField(help_text="Files that were left out with a reason, and what could not be kept.")
    bytes_transferred = serializers.IntegerField()
    bytes_checksummed = serializers.IntegerField()
    bytes_per_second = serializers.SerializerMethodField(help_text="Of the last seconds; once it ended, the mean.")
    seconds_left = serializers.SerializerMethodField(help_text="At that speed; null when nobody can tell.")
    faults = serializers.IntegerField()
    phase = serializers.CharField(help_text="scan, compare, copy, verify or delete.")
    current = serializers.SerializerMethodField(help_text="The files at work now.")
    options = serializers.SerializerMethodField(help_text="What was asked for, complete: sync_level, filter_rules, ...")
    error_message = serializers.CharField(allow_null=True)
    failure_reason = serializers.CharField(allow_null=True, help_text="A stable word, for programs.")
    deadline = Instant(source="deadline_at", allow_null=True)
    paused_at = serializers.SerializerMethodField(help_text="Since when it is paused; null when it is not.")
    requested_at = Instant()
    started_at = Instant(allow_null=True)
    completion_time = Instant(source="finished_at", allow_null=True)
    execution_id = serializers.UUIDField(allow_null=True)
    timer_id = serializers.UUIDField(allow_null=True)
    owner = serializers.CharField(source="owner.get_username", help_text="The owner's user name.")

    def get_dry_run(self, transfer: Transfer) -> bool:
        return bool(transfer.options.get("dry_run"))

    def get_bytes_per_second(self, transfer: Transfer) -> int:
        return bytes_per_second(transfer, now=self.context["now"])

    @extend_schema_field({"type": "number", "nullable": True})
    def get_seconds_left(self, transfer: Transfer) -> float | None:
        left = time_left(transfer, now=self.context["now"])
        return None if left is None else round(left.total_seconds(), 1)

    @extend_schema_field({"type": "string", "format": "date-time", "nullable": True})
    def get_paused_at(self, transfer: Transfer) -> str | None:
        paused_at = transfer.paused_at if transfer.status == TransferStatus.PAUSED else None
        return None if paused_at is None else formatting.iso(paused_at)

    @extend_schema_field(CurrentFile(many=True))
    def get_current(self, transfer: Transfer) -> list[dict[str, Any]]:
        return transfer.current if transfer.status in UNFINISHED_TRANSFER else []

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_options(self, transfer: Transfer) -> dict[str, Any]:
        return {name: value for name, value in transfer.options.items() if name != "deadline"}


class AmountSerializer(serializers.Serializer):
    files = serializers.IntegerField()
    bytes = serializers.IntegerField()


class PlanSerializer(serializers.Serializer):
    add = AmountSerializer()
    change = AmountSerializer()
    delete = AmountSerializer()
    same = AmountSerializer()
    error = AmountSerializer()


class TransferWithPlanSerializer(TransferSerializer):
    plan = serializers.SerializerMethodField(help_text="What its files mean for the destination, as far as is known.")

    @extend_schema_field(PlanSerializer)
    def get_plan(self, transfer: Transfer) -> dict[str, dict[str, int]]:
        return {name: _amount(amount) for name, amount in file_totals(transfer.pk).verdicts.items()}


def _amount(amount: VerdictTotals) -> dict[str, int]:
    return {"files": amount.files, "bytes": amount.bytes}


class TransferPage(serializers.Serializer):
    transfers = TransferSerializer(many=True)
    marker = serializers.CharField(allow_null=True, help_text="Of the next page; null on the last one.")


class FileSerializer(Document):
    step = serializers.CharField(
        help_text="copy, compare (not decided yet), link, mkdir, chmod, delete, or remove (at the source)."
    )
    source_path = serializers.CharField(help_text="Empty for what only the destination holds.", allow_blank=True)
    destination_path = serializers.CharField()
    size = serializers.IntegerField()
    modified_at = Instant(allow_null=True)
    destination_size = serializers.IntegerField(source="there_size", allow_null=True)
    destination_modified_at = Instant(source="there_modified_at", allow_null=True)
    status = one_of(STATES)(source="state")
    verdict = serializers.CharField(allow_null=True, help_text=f"{', '.join(VERDICTS)}; null: not known yet.")
    level = serializers.CharField(allow_null=True, help_text="The comparison that was really used.")
    verified = serializers.CharField(allow_null=True, help_text="How the copy was checked: checksum or size.")
    checksum = serializers.CharField(allow_null=True)
    bytes_transferred = serializers.IntegerField(source="bytes_done")
    faults = serializers.IntegerField()
    error_message = serializers.CharField(allow_null=True)
    failure_reason = serializers.CharField(allow_null=True)
    completion_time = Instant(source="finished_at", allow_null=True)


class FilePage(serializers.Serializer):
    files = FileSerializer(many=True)
    marker = serializers.CharField(allow_null=True, help_text="Of the next page; null on the last one.")


class ManifestAnswer(serializers.Serializer):
    transfer = TransferSerializer()
    files = FileSerializer(many=True)


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
    """The Globus document of a transfer, or of a deletion (DATA_TYPE delete); the fields that are usual."""

    DATA_TYPE = one_of(KINDS)(required=False)
    source_endpoint = serializers.UUIDField(required=False)
    destination_endpoint = serializers.UUIDField(required=False)
    endpoint = serializers.UUIDField(required=False, help_text="Of a deletion.")
    DATA = serializers.ListField(
        child=Object(),
        help_text="Items of source_path, destination_path, recursive?; with DATA_TYPE transfer_symlink_item a symbolic "
        "link as such; of a deletion: path.",
    )
    label = serializers.CharField(required=False, allow_null=True, max_length=128)  # type: ignore[assignment]
    sync_level = serializers.IntegerField(
        required=False, allow_null=True, help_text="0 exists, 1 size, 2 mtime, 3 checksum; null: copy always."
    )
    verify_checksum = serializers.BooleanField(required=False)
    preserve_timestamp = serializers.BooleanField(
        required=False, help_text="Files and folders keep their times; refused where the destination keeps none."
    )
    preserve_permissions = serializers.BooleanField(
        required=False, help_text="Files and folders keep their mode bits exactly; both ends must have some."
    )
    encrypt_data = serializers.BooleanField(
        required=False, help_text="Refused when the connection to one of the ends is not encrypted."
    )
    delete_destination_extra = serializers.BooleanField(required=False)
    max_delete = serializers.IntegerField(
        required=False, allow_null=True, help_text="How many deletions are meant; else 1,000, or a quarter."
    )
    delete_source = serializers.BooleanField(
        required=False, help_text="Move: what was verified at the destination is deleted at the source."
    )
    keep_replaced = Object(
        required=False,
        allow_null=True,
        help_text="{path}: where what would be overwritten or deleted at the destination is moved, such as "
        '/.replaced/{{ planned_at|date:"%Y-%m-%d" }}/. {folder}: what no transfer deletes; the beginning of the path.',
    )
    skip_source_errors = serializers.BooleanField(
        required=False, help_text="What cannot be read is left out and counted as a warning."
    )
    skip_destination_errors = serializers.BooleanField(
        required=False, help_text="What cannot be written is left out and counted as a warning."
    )
    fail_on_quota_errors = serializers.BooleanField(required=False)
    recursive_symlinks = serializers.CharField(required=False, allow_null=True, help_text="ignore, keep or copy.")
    filter_rules = serializers.ListField(child=Object(), required=False, allow_null=True)
    min_age_seconds = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, help_text="Only files that were changed at least so long ago."
    )
    max_age_seconds = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, help_text="Only files that were changed at most so long ago."
    )
    min_size = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, help_text="Only files of at least so many bytes."
    )
    max_size = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, help_text="Only files of at most so many bytes."
    )
    dry_run = serializers.BooleanField(required=False, help_text="Only say what would be done.")
    max_bytes_per_second = serializers.IntegerField(required=False, allow_null=True, min_value=1024)
    bandwidth = serializers.ListField(
        child=Object(),
        required=False,
        allow_null=True,
        help_text="Limits by time of day: {between, weekdays?, timezone?, max_bytes_per_second}. The smallest counts.",
    )
    max_concurrency = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=64)
    metadata = Object(required=False, allow_null=True, help_text="Of new objects: names and texts. Object stores only.")
    storage_class = serializers.CharField(
        required=False, allow_null=True, help_text="Of new objects, such as STANDARD_IA. Object stores only."
    )
    recursive = serializers.BooleanField(required=False, help_text="Of a deletion: folders with all they hold.")
    ignore_missing = serializers.BooleanField(required=False, help_text="Of a deletion.")
    interpret_globs = serializers.BooleanField(required=False, help_text="Of a deletion: *, ? and [abc] in paths.")
    deadline = Instant(required=False, allow_null=True)
    submission_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="A repeat with the same one answers the first transfer."
    )


class RerunRequest(InputDocument):
    """Which part of a transfer is run again, and options that the rerun changes."""

    only = one_of(["failed"])(
        required=False, allow_null=True, help_text="failed: just what failed. Left out or null: all of it."
    )

    dry_run = serializers.BooleanField(required=False, allow_null=True)
    max_delete = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=1_000_000_000)
    delete_destination_extra = serializers.BooleanField(required=False, allow_null=True)
