"""Apps that act for people: those that registered themselves, what people let them do, the key that vouches for it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from timers.models.fields import EncryptedJSONField, InstantField


class RegisteredApp(models.Model):
    """An app that registered itself and keeps a secret, of which only the SHA-256 is kept. It is nobody's by itself."""

    client_id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255)
    template_id = models.CharField(max_length=36, blank=True, default="")
    digest = models.CharField(max_length=64)
    created_at = InstantField()
    last_used_at = InstantField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.client_id})"


class Consent(models.Model):
    """A scope that somebody granted to an app. `path` is the way to it from a root scope, names joined by blanks."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="consents")
    client_id = models.UUIDField()
    path = models.CharField(max_length=2000)
    allows_refresh = models.BooleanField(default=False)
    created_at = InstantField()
    updated_at = InstantField()
    last_used_at = InstantField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "client_id", "path"], name="one_consent_per_path"),
        ]

    def __str__(self) -> str:
        return f"{self.client_id}: {self.path}"


class SigningKey(models.Model):
    """A private key that signs what this site vouches for, encrypted at rest; made once, for all processes."""

    purpose = models.CharField(max_length=20, primary_key=True)
    key_id = models.UUIDField(default=uuid.uuid4)
    private = EncryptedJSONField()
    created_at = InstantField()

    def __str__(self) -> str:
        return f"{self.purpose} key {self.key_id}"
