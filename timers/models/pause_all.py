"""Pauses of everything at once: one owner's timers, or everybody's. A single timer's own pause is its status."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce

from timers.models.fields import InstantField


class SchedulingPauseQuerySet(models.QuerySet["SchedulingPause"]):
    def that_stop(self, user: Any) -> SchedulingPauseQuerySet:
        """The pauses that keep this user's timers from running: everybody's and their own."""
        return self.filter(Q(owner__isnull=True) | Q(owner_id=user.pk))


class SchedulingPause(models.Model):
    """While this row exists, no occurrence of the owner's timers runs; without an owner, of nobody's."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    reason = models.TextField(blank=True, default="")
    since = InstantField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = SchedulingPauseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(Coalesce("owner", Value(0)), name="one_pause_per_owner_and_one_for_everybody"),
        ]

    def __str__(self) -> str:
        return f"pause of {'everybody' if self.owner_id is None else self.owner_id}"
