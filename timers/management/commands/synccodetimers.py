"""`manage.py synccodetimers`: stores the code timers that modules declare in the database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from timers import clock
from timers.code_timers import DeclarationError
from timers.management.migrated import MigratedCommand
from timers.services.timers import code_timers


class Command(MigratedCommand):
    help = "Store the code timers that modules declare in the database."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            synced = code_timers.sync(now=clock.now())
        except DeclarationError as error:
            raise CommandError(str(error)) from error
        ended = f" {len(synced.ended)} ended, because their declarations were removed." if synced.ended else ""
        self.stdout.write(f"{len(synced.declared)} code timers.{ended}")
