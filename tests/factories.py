"""Small makers of what tests need, through the services that the product itself uses."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from timers.models import Collection, Timer
from timers.services.timers import commands as timers

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOURLY = {"type": "recurring", "interval_seconds": 3600}


def make_webhook_timer(owner: Any, *, now: datetime = NOW, **fields: Any) -> Timer:
    """Return a stored webhook timer that runs every hour from `now` on, unless `fields` say otherwise."""
    return timers.create(
        **{
            "owner": owner,
            "action": "webhook",
            "name": "Tell the hook",
            "schedule": HOURLY,
            "body": {"url": "https://hooks.example.org/timers", "json": {"hello": "there"}},
            "now": now,
            **fields,
        }
    )


def make_code_timer(owner: Any, *, function: str = "timers.last_hour", now: datetime = NOW, **fields: Any) -> Timer:
    """Return a stored code timer that runs every hour from `now` on, unless `fields` say otherwise."""
    return make_webhook_timer(
        owner, now=now, **{"action": "code", "name": "Run the code", "body": {"function": function}, **fields}
    )


def make_collection(owner: Any, root: Path, *, now: datetime = NOW, **fields: Any) -> Collection:
    """Return a stored local collection over an existing folder."""
    return Collection.objects.create(
        **{
            "owner": owner,
            "display_name": root.name,
            "kind": "local",
            "storage": {"root": str(root)},
            "created_at": now,
            "updated_at": now,
            **fields,
        }
    )
