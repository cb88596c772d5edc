"""Notices: messages to one recipient over a channel, kept until they are sent or given up."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from timers.lifecycle import NoticeStatus
from timers.models.fields import InstantField
from timers.models.leases import LeasedQuerySet


class NoticeQuerySet(LeasedQuerySet["Notice"]):
    lease_columns = ("lease_until", "run_at")
    owner_column = None


class Notice(models.Model):
    """One message to one recipient. `target` is an address or a URL, empty for the owner's own address.

    `type` is a stable word for programs ("timer.failed"); `object_kind` and `object_id` say what it is about. While it
    is pending, `run_at` is when it may be sent, or when the one who sends it now counts as gone; `lease_until` the
    instant after which the reaper repeats its message. `attempts` is the fencing number.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    channel = models.CharField(max_length=20)
    target = models.TextField(blank=True, default="")
    type = models.CharField(max_length=40)
    subject = models.CharField(max_length=255)
    text = models.TextField()
    data = models.JSONField(default=dict)
    object_kind = models.CharField(max_length=20)
    object_id = models.UUIDField(null=True)
    created_at = InstantField()
    status = models.CharField(max_length=10, default=NoticeStatus.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    run_at = InstantField(null=True)
    lease_until = InstantField(null=True)
    error_message = models.TextField(null=True)
    sent_at = InstantField(null=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(status__in=list(NoticeStatus)), name="notice_status_known")]
        indexes = [
            models.Index(fields=["lease_until"], name="notice_waiting", condition=Q(lease_until__isnull=False)),
            models.Index(fields=["created_at"], name="notice_age"),
        ]

    def __str__(self) -> str:
        return f"{self.channel}: {self.subject}"
