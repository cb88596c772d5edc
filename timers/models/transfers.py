"""Collections, and transfer tasks with their items, files and events."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from timers.lifecycle import TRANSFER_MOVES, UNFINISHED_TRANSFER, TransferStatus, check_move
from timers.models.fields import EncryptedJSONField, InstantField
from timers.models.leases import LeasedQuerySet


class CollectionQuerySet(models.QuerySet["Collection"]):
    def visible_to(self, user: Any) -> CollectionQuerySet:
        """Collections that the user may know of and that were not deleted."""
        present = self.filter(deleted_at__isnull=True)
        return present if user.is_staff else present.filter(owner=user)


class Collection(models.Model):
    """A place with files. `storage` is its kind's parameters without the secrets."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="collections")
    display_name = models.CharField(max_length=255)
    description = models.TextField(blank=True, default="")
    kind = models.CharField(max_length=20)
    storage = models.JSONField(default=dict)
    secrets = EncryptedJSONField(default=dict, blank=True)
    default_directory = models.CharField(max_length=1024, default="/")
    entity_type = models.CharField(max_length=60, default="GCSv5_guest_collection")
    high_assurance = models.BooleanField(default=False)
    health = models.JSONField(default=dict)
    """Result of the last test (services/collections/checks.py); empty before the first."""
    created_at = InstantField()
    updated_at = InstantField()
    deleted_at = InstantField(null=True)

    objects = CollectionQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["owner", "-created_at", "id"], name="collection_newest_of_owner")]

    def __str__(self) -> str:
        return self.display_name


class TransferQuerySet(LeasedQuerySet["Transfer"]):
    lease_columns = ("lease_until", "busy_until")

    def visible_to(self, user: Any) -> TransferQuerySet:
        return self if user.is_staff else self.filter(owner=user)

    def unfinished(self) -> TransferQuerySet:
        return self.filter(status__in=UNFINISHED_TRANSFER)

    def move(self, pk: uuid.UUID, source: str, target: str, **changes: Any) -> bool:
        """Change the state of one transfer if it still is `source`; return whether we did it."""
        check_move(TRANSFER_MOVES, source, target)
        return self.filter(pk=pk, status=source).update(status=target, **changes) == 1


class Transfer(models.Model):
    """A request to make a destination match a source, or (kind `delete`) to remove what the items name at the source.

    It goes on in slices; `slice` is the newest one's fencing number. `run_at` is when the next slice may begin,
    `lease_until` the instant after which the reaper wakes it again. `cursor` is the row up to which the phase has come,
    where it goes through finished rows; `current` the files at work when a slice last wrote, `samples` the course of
    the counters (copying.rates).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="transfers")
    submission_id = models.UUIDField(null=True)
    timer_id = models.UUIDField(null=True)
    execution_id = models.UUIDField(null=True)
    attempt = models.PositiveIntegerField(null=True)
    step_id = models.UUIDField(null=True)
    """The step of a workflow run that waits for it."""
    kind = models.CharField(max_length=10, default="transfer")
    source = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="+")
    destination = models.ForeignKey(Collection, on_delete=models.PROTECT, null=True, related_name="+")
    label = models.CharField(max_length=255, blank=True, default="")
    options = models.JSONField(default=dict)
    status = models.CharField(max_length=10, default=TransferStatus.PENDING)
    phase = models.CharField(max_length=10, default="scan")
    error_message = models.TextField(null=True)
    failure_reason = models.CharField(max_length=40, null=True)
    deadline_at = InstantField(null=True)
    requested_at = InstantField()
    started_at = InstantField(null=True)
    finished_at = InstantField(null=True)
    run_at = InstantField(null=True)
    lease_until = InstantField(null=True)
    lease_owner = models.CharField(max_length=64, null=True)
    busy_until = InstantField(null=True)
    slice = models.PositiveIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    pause_requested = models.BooleanField(default=False)
    paused_at = InstantField(null=True)
    cursor = models.BigIntegerField(default=0)
    current = models.JSONField(default=list)
    samples = models.JSONField(default=list)
    files = models.BigIntegerField(default=0)
    directories = models.BigIntegerField(default=0)
    symlinks = models.BigIntegerField(default=0)
    bytes_total = models.BigIntegerField(default=0)
    files_transferred = models.BigIntegerField(default=0)
    files_skipped = models.BigIntegerField(default=0)
    files_failed = models.BigIntegerField(default=0)
    bytes_transferred = models.BigIntegerField(default=0)
    bytes_checksummed = models.BigIntegerField(default=0)
    faults = models.BigIntegerField(default=0)
    warnings = models.BigIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)

    objects = TransferQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "submission_id"],
                name="one_transfer_per_submission",
                condition=Q(submission_id__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["execution_id", "attempt"],
                name="one_transfer_per_attempt",
                condition=Q(execution_id__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["step_id", "attempt"],
                name="one_transfer_per_step_attempt",
                condition=Q(step_id__isnull=False),
            ),
            models.CheckConstraint(condition=Q(status__in=list(TransferStatus)), name="transfer_status_known"),
        ]
        indexes = [
            models.Index(fields=["owner", "-requested_at", "id"], name="transfer_newest_of_owner"),
            models.Index(
                fields=["lease_until"], name="transfer_unfinished", condition=Q(status__in=list(UNFINISHED_TRANSFER))
            ),
        ]

    def __str__(self) -> str:
        return self.label or str(self.id)


class TransferItem(models.Model):
    """A pair of paths that was asked for. With `is_link` a symbolic link is copied as such, not what it leads to."""

    transfer = models.ForeignKey(Transfer, on_delete=models.CASCADE, related_name="items")
    number = models.PositiveIntegerField()
    source_path = models.TextField()
    destination_path = models.TextField()
    recursive = models.BooleanField(null=True)
    is_link = models.BooleanField(default=False)
    external_checksum = models.CharField(max_length=128, null=True)
    checksum_algorithm = models.CharField(max_length=20, null=True)
    expanded = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["transfer", "number"], name="one_item_per_number")]

    def __str__(self) -> str:
        return f"{self.source_path} to {self.destination_path}"


class TransferFile(models.Model):
    """Row that an item expanded to: a file to copy, a folder, a link, a path to delete, or a bundle of small files.

    `step` is copy, link, mkdir, chmod, delete or remove (of a source that was moved), or compare until both files were
    read; `state` is pending, done, skipped or failed, or deferred until what it `waits_for` is settled: another source
    whose name may be the same at the destination (its destination path), or "delete" of what stands in its place.
    A failed row is `tolerated` when the options make its fault a warning; `mode` are a folder's permission bits.
    `verdict` is what it means for the destination (copying.plan.FileVerdict); `level` the comparison really used,
    `verified` how a copy was checked; `there_*` what stood at the destination. A folder whose content is not known yet
    is `unlisted`; `parent` is the row of the folder that a row was found in. `part` is the temporary file that holds
    the first `bytes_done` bytes. A bundle stands for `count` files of one folder, whose paths its paths are, that share
    all but name, size, times and digest: those are its `members` (copying.bundles). `size` is that of all together.
    """

    transfer = models.ForeignKey(Transfer, on_delete=models.CASCADE, db_index=False, related_name="file_rows")
    item = models.PositiveIntegerField()
    parent = models.BigIntegerField(null=True)
    step = models.CharField(max_length=10)
    source_path = models.TextField()
    destination_path = models.TextField()
    size = models.BigIntegerField(default=0)
    modified_at = InstantField(null=True)
    state = models.CharField(max_length=10, default="pending")
    waits_for = models.TextField(null=True)
    tolerated = models.BooleanField(default=False)
    mode = models.PositiveSmallIntegerField(null=True)
    unlisted = models.BooleanField(default=False)
    count = models.PositiveIntegerField(default=1)
    members = models.TextField(null=True)
    verdict = models.CharField(max_length=10, null=True)
    level = models.CharField(max_length=10, null=True)
    verified = models.CharField(max_length=10, null=True)
    checksum = models.CharField(max_length=140, null=True)
    there_size = models.BigIntegerField(null=True)
    there_modified_at = InstantField(null=True)
    part = models.TextField(null=True)
    bytes_done = models.BigIntegerField(default=0)
    faults = models.PositiveIntegerField(default=0)
    retry_at = InstantField(null=True)
    error_message = models.TextField(null=True)
    failure_reason = models.CharField(max_length=40, null=True)
    finished_at = InstantField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["transfer", "id"], name="file_in_order"),
            models.Index(fields=["transfer", "step", "id"], name="file_to_do", condition=Q(state="pending")),
            models.Index(fields=["transfer", "id"], name="folder_to_list", condition=Q(unlisted=True)),
        ]

    def __str__(self) -> str:
        return f"{self.step} {self.destination_path}"


class TransferEvent(models.Model):
    """One line of a transfer's history, append-only: a phase begun, a fault with path and text, the end."""

    transfer = models.ForeignKey(Transfer, on_delete=models.CASCADE, db_index=False, related_name="events")
    at = InstantField()
    code = models.CharField(max_length=40)
    is_fault = models.BooleanField(default=False)
    phase = models.CharField(max_length=10, blank=True, default="")
    path = models.TextField(null=True)
    text = models.TextField(blank=True, default="")

    class Meta:
        indexes = [models.Index(fields=["transfer", "-id"], name="transfer_event_newest")]

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"
