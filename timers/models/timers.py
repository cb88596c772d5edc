"""Timers: named, owned wishes; their definitions, tags and signing secrets."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from timers.lifecycle import TIMER_MOVES, TimerStatus, check_move
from timers.models.fields import EncryptedJSONField, InstantField

CONDUCTOR = "conductor"
"""The interface whose timers are known by their names."""


class TimerQuerySet(models.QuerySet["Timer"]):
    def visible_to(self, user: Any) -> TimerQuerySet:
        """Timers that the user may know of: their own; all for administrators."""
        return self if user.is_staff else self.filter(owner=user)

    def not_deleted(self) -> TimerQuerySet:
        return self.exclude(status=TimerStatus.DELETED)

    def tagged(self, key: str, value: str | None = None) -> TimerQuerySet:
        """Timers with that tag, whatever its value when `value` is None."""
        wanted = TimerTag.objects.filter(key=key) if value is None else TimerTag.objects.filter(key=key, value=value)
        return self.filter(pk__in=wanted.values("timer_id"))

    def move(self, pk: uuid.UUID, source: str, target: str, **changes: Any) -> bool:
        """Change the state of one timer if it still is `source`; return whether we did it."""
        check_move(TIMER_MOVES, source, target)
        return self.filter(pk=pk, status=source).update(status=target, **changes) == 1


class Timer(models.Model):
    """A wish: do this action on that schedule. What is rewritten by firing lives in its Schedule."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="timers")
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True, default="")
    action = models.CharField(max_length=40)
    interface = models.CharField(max_length=20, blank=True, default="")
    """The interface that it was made through, where that one shows only its own."""
    status = models.CharField(max_length=10, default=TimerStatus.ACTIVE)
    status_reason = models.TextField(blank=True, default="")
    status_changed_at = InstantField()
    status_changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    paused_until = InstantField(null=True, blank=True)
    definition = models.ForeignKey(
        "timers.Definition", null=True, on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    created_at = InstantField()
    updated_at = InstantField()

    objects = TimerQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=list(TimerStatus)), name="timer_status_known"),
            models.UniqueConstraint(
                fields=["owner", "name"],
                name="one_schedule_per_name",
                condition=Q(interface=CONDUCTOR) & ~Q(status=TimerStatus.DELETED),
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "id"], name="timer_newest_of_owner"),
            models.Index(fields=["-created_at", "id"], name="timer_newest"),
            models.Index(Lower("name"), "id", name="timer_by_name"),
            models.Index(fields=["paused_until"], name="timer_snoozed", condition=Q(paused_until__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name


class TimerOrigin(models.Model):
    """Request of another dialect for a timer: its document, kept as long as the body made from it.

    `client_id` is the app on whose consents the timer runs; null when it has all rights of its owner.
    """

    timer = models.OneToOneField(Timer, primary_key=True, on_delete=models.CASCADE, related_name="origin")
    client_id = models.UUIDField(null=True)
    document = models.JSONField(default=dict)
    body_digest = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"origin of {self.timer_id}"


class Definition(models.Model):
    """Definition of a timer as of one edit, immutable and numbered; an execution names the one it carried out."""

    timer = models.ForeignKey(Timer, on_delete=models.CASCADE, related_name="definitions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=255)
    action = models.CharField(max_length=40)
    schedule = models.JSONField()
    body = models.JSONField()
    secrets = EncryptedJSONField(default=dict, blank=True)
    policies = models.JSONField()
    created_at = InstantField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["timer", "number"], name="one_definition_per_number"),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.number}"

    def fields(self) -> dict[str, Any]:
        """Return it by the names of the creation fields, without its secrets."""
        return {
            "name": self.name,
            "timer_type": self.action,
            "schedule": self.schedule,
            "body": self.body,
            "policies": self.policies,
        }


class TimerTag(models.Model):
    """One key and value on a timer; a key may stand more than once with different values."""

    timer = models.ForeignKey(Timer, on_delete=models.CASCADE, related_name="tag_rows")
    key = models.CharField(max_length=255)
    value = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["timer", "key", "value"], name="one_tag_per_key_and_value"),
        ]
        indexes = [models.Index(fields=["key", "value"], name="tag_lookup")]

    def __str__(self) -> str:
        return f"{self.key}:{self.value}" if self.value else self.key


class SigningSecret(models.Model):
    """A key that signs a timer's webhook deliveries; the newest signs first, older ones until they expire."""

    timer = models.ForeignKey(Timer, on_delete=models.CASCADE, related_name="signing_secrets")
    secret = EncryptedJSONField()
    created_at = InstantField()
    expires_at = InstantField(null=True)

    def __str__(self) -> str:
        return f"signing secret of {self.timer_id}"
