"""Sharing work between runs of code timers: `from timers.work import claim_work`. Needs Django."""

from timers.services.executions.work_items import Item, claim_work

__all__ = ["Item", "claim_work"]
