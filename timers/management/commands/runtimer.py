"""`manage.py runtimer NAME`: runs one code timer now, in this process, with its output."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import CommandError

from timers.code_timers import DeclarationError
from timers.engine.worker import foreground
from timers.errors import NotFound
from timers.management.migrated import MigratedCommand


class Command(MigratedCommand):
    help = "Run a registered function now, in the foreground. The run of a declared timer is recorded in its history."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", help="registered name: module.function, service.method, or as declared")

    def handle(self, *, name: str, **_: Any) -> None:  # type: ignore[override]
        try:
            ended = foreground.run(name)
        except (NotFound, DeclarationError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted.", returncode=130) from None
        if ended.traceback:
            self.stderr.write(ended.traceback)
        if ended.result is not None:
            self.stdout.write(f"result: {json.dumps(ended.result.get('value'), default=str)}")
        if ended.status != "completed":
            raise CommandError(f"{ended.status}: {ended.message}")
        self.stdout.write(self.style.SUCCESS(f"completed in {ended.seconds:.3f} s"))
