"""Events: the append-only history of who did what, and of what the service noticed."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from timers.models.fields import InstantField


class Event(models.Model):
    """One line of history. `actor` is null when the service itself did it; `verb` is a stable word ("paused")."""

    at = InstantField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    verb = models.CharField(max_length=40)
    timer_id = models.UUIDField(null=True)
    object_id = models.UUIDField(null=True)
    text = models.TextField(blank=True, default="")
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["timer_id", "-id"], name="event_newest_of_timer"),
            models.Index(fields=["at"], name="event_age"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.text}"
