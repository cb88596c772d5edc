"""Processes: the parts that are alive, as their heartbeats tell."""

from __future__ import annotations

from django.db import models

from timers.models.fields import InstantField


class Process(models.Model):
    """The latest sign of life of a dispatcher or a worker of a cluster; `name` is host:pid, or as its role sees fit."""

    role = models.CharField(max_length=20)
    name = models.CharField(max_length=120)
    started_at = InstantField()
    seen_at = InstantField()
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name_plural = "processes"
        constraints = [models.UniqueConstraint(fields=["role", "name"], name="one_row_per_process")]

    def __str__(self) -> str:
        return f"{self.role} {self.name}"
