"""`manage.py createtoken USERNAME`: prints a new token and nothing else."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from timers import clock
from timers.errors import Invalid
from timers.management.migrated import MigratedCommand
from timers.services.people import tokens


class Command(MigratedCommand):
    help = "Print a new API token of a user. It is shown only once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="name of the token")
        parser.add_argument("--days", type=int, help="days for which it is valid (default: forever)")

    def handle(self, *, username: str, name: str, days: int | None, **_: Any) -> None:
        owner = get_user_model().objects.filter(username=username).first()
        if owner is None:
            raise CommandError(f"There is no user {username!r}.")
        try:
            text = tokens.create_token(owner=owner, name=name, days=days, now=clock.now())[1]
        except Invalid as error:
            raise CommandError(error.message) from error
        self.stdout.write(text)
