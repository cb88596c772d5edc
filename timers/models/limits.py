"""Counters of the limits on how often something may be done."""

from __future__ import annotations

from typing import NamedTuple

from django.db import models

from timers.models.statement import Statement


class LimitCounter(models.Model):
    """How often one subject did something within one window of time.

    `key` is the limit's name and a digest of the subject; windows are numbered from 1970 on.
    """

    key = models.CharField(max_length=100)
    window = models.BigIntegerField()
    number = models.BigIntegerField(default=0)
    ends_us = models.BigIntegerField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "window"], name="one_counter_per_window")]

    def __str__(self) -> str:
        return f"{self.key} in {self.window}: {self.number}"


class Counted(NamedTuple):
    """The counter after a change."""

    number: int


ADD = Statement(
    """
insert into timers_limitcounter (key, "window", number, ends_us)
values (%(key)s, %(window)s, %(by)s, %(ends_us)s)
on conflict (key, "window") do update set number = timers_limitcounter.number + excluded.number
returning number""",
    returns=Counted,
)
"""Adds to a counter in one statement, so that no hit is lost between processes."""
