"""Brings the code timers that modules declare into the database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from timers import clock
from timers.codetimers import DeclarationError
from timers.management.migrated import MigratedCommand
from timers.services import codetimers


class Command(MigratedCommand):
    help = "Bring the code timers that modules declare into the database."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            synced = codetimers.sync(now=clock.now())
        except DeclarationError as error:
            raise CommandError(str(error)) from error
        ended = f" {len(synced.ended)} ended, as their declarations are gone." if synced.ended else ""
        self.stdout.write(f"{len(synced.declared)} code timers.{ended}")
