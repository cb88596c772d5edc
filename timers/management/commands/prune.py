"""`manage.py prune`: deletes history that is older than `--days`."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError

from timers import clock
from timers.management.migrated import MigratedCommand
from timers.services import retention


class Command(MigratedCommand):
    help = "Delete old finished executions, transfers and events. The last ten runs of each timer are kept."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=90, help="days of history to keep (90)")

    def handle(self, *, days: int, **_: Any) -> None:  # type: ignore[override]
        if not 0 <= days <= 36_500:
            raise CommandError("--days must be a number from 0 to 36500.")
        now = clock.now()
        pruned = retention.prune(before=now - timedelta(days=days), now=now)
        self.stdout.write(
            f"Deleted {pruned.executions} executions, {pruned.transfers} transfers, {pruned.events} events, "
            f"{pruned.notices} notices, {pruned.tokens} tokens of apps and {pruned.answers} kept answers."
        )
