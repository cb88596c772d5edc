"""Schedules: the one narrow row per timer that a firing rewrites."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from timers.models.fields import InstantField
from timers.models.timers import Timer


class Schedule(models.Model):
    """When a timer runs next, and what the claim needs to know to move it on.

    `next_planned_at` is the nominal instant, `next_run_at` that plus jitter (or later, when planning was set aside);
    both are null when nothing is to come: paused, ended, deleted. `watermark_at` is the last planned instant that was
    dealt with. Of calendar rules, and those with a window, the claim reads the document in the definition.
    `breaker_openings` says how often in a row the breaker has opened; an active timer with some is being tried.
    """

    timer = models.OneToOneField(Timer, primary_key=True, on_delete=models.CASCADE, related_name="schedule")
    definition_id = models.BigIntegerField()
    kind = models.CharField(max_length=20)
    interval_us = models.BigIntegerField(null=True)
    next_planned_at = InstantField(null=True)
    next_run_at = InstantField(null=True)
    watermark_at = InstantField(null=True)
    end_at = InstantField(null=True)
    max_runs = models.BigIntegerField(null=True)
    fired_count = models.BigIntegerField(default=0)
    overlap = models.CharField(max_length=20)
    catch_up = models.CharField(max_length=20)
    catch_up_window_us = models.BigIntegerField(null=True)
    catch_up_limit = models.PositiveIntegerField(default=100)
    jitter_us = models.BigIntegerField(default=0)
    planning_failures = models.PositiveIntegerField(default=0)
    has_window = models.BooleanField(default=False)
    breaker_openings = models.PositiveIntegerField(default=0)
    run_count = models.BigIntegerField(default=0)
    failure_count = models.BigIntegerField(default=0)
    cancelled_count = models.BigIntegerField(default=0)
    consecutive_failures = models.BigIntegerField(default=0)
    last_run_at = InstantField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(next_run_at__isnull=True) | Q(next_planned_at__isnull=False),
                name="a_next_run_has_a_planned_time",
            ),
            models.CheckConstraint(
                condition=Q(interval_us__isnull=True) | Q(interval_us__gte=100_000), name="interval_from_a_tenth_second"
            ),
            models.CheckConstraint(
                condition=Q(max_runs__isnull=True) | Q(fired_count__lte=F("max_runs")),
                name="never_more_runs_than_asked",
            ),
        ]
        indexes = [
            models.Index(fields=["next_run_at"], name="schedule_due", condition=Q(next_run_at__isnull=False)),
            models.Index(fields=["timer"], name="schedule_failing", condition=Q(consecutive_failures__gt=0)),
        ]

    def __str__(self) -> str:
        return f"schedule of {self.timer_id}"
