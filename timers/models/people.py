"""Tables of callers: hashed tokens, client keys, calendar feeds, answers to repeated requests, preferences."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from timers.models.fields import InstantField


class Token(models.Model):
    """A bearer token; only its SHA-256 and its first letters are kept. `scopes` empty: all rights of its user.

    `kind` is personal (made by hand), or what an app holds: access, refresh, or a code to be exchanged for both. Those
    name the app (`client_id`), whom they are shown to (`resource_server`), and the `grant` that all of them came from;
    `details` is what a code is bound to.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    prefix = models.CharField(max_length=12)
    kind = models.CharField(max_length=20, default="personal")
    scopes = models.JSONField(default=list, blank=True)
    client_id = models.UUIDField(null=True)
    resource_server = models.CharField(max_length=200, blank=True, default="")
    grant = models.UUIDField(null=True)
    details = models.JSONField(default=dict, blank=True)
    created_at = InstantField()
    expires_at = InstantField(null=True)
    last_used_at = InstantField(null=True)
    revoked_at = InstantField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["digest"], name="one_token_per_digest")]
        indexes = [
            models.Index(fields=["owner", "-created_at"], name="token_newest_of_owner"),
            models.Index(fields=["grant"], name="token_of_grant", condition=Q(grant__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class ClientKey(models.Model):
    """A pair of identifier and secret that acts as its owner; only the secret's SHA-256 is kept."""

    client_id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="client_keys")
    name = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    created_at = InstantField()
    last_used_at = InstantField(null=True)
    revoked_at = InstantField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.client_id})"


class CalendarFeed(models.Model):
    """The secret address under which one person's runs to come can be read; only the secret's SHA-256 is kept."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="calendar_feed")
    digest = models.CharField(max_length=64)
    created_at = InstantField()
    last_read_at = InstantField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["digest"], name="one_calendar_per_digest")]

    def __str__(self) -> str:
        return f"calendar of {self.owner_id}"


class IdempotentAnswer(models.Model):
    """The first answer to a POST with an Idempotency-Key; `status` is null while it is being worked out."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=255)
    key = models.CharField(max_length=255)
    body_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)
    created_at = InstantField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "path", "key"], name="one_answer_per_idempotency_key")]
        indexes = [models.Index(fields=["created_at"], name="idempotent_answer_age")]

    def __str__(self) -> str:
        return f"{self.path} {self.key}"


class Preference(models.Model):
    """Preferences of one user for pages."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preference")
    timezone = models.CharField(max_length=60, blank=True, default="")
    theme = models.CharField(max_length=10, blank=True, default="")
    keyboard = models.BooleanField(default=True)
    """True when single keys are shortcuts on pages."""

    def __str__(self) -> str:
        return f"preferences of {self.owner_id}"
