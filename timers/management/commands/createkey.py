"""`manage.py createkey USERNAME`: prints the id and secret of a new client key as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from timers import clock
from timers.errors import Invalid
from timers.management.migrated import MigratedCommand
from timers.services.people import tokens


class Command(MigratedCommand):
    help = "Print a new client key of a user: OAuth2 client credentials, or keyId and keySecret. It is shown only once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="name of the key")

    def handle(self, *, username: str, name: str, **_: Any) -> None:
        owner = get_user_model().objects.filter(username=username).first()
        if owner is None:
            raise CommandError(f"There is no user {username!r}.")
        try:
            key, secret = tokens.create_key(owner=owner, name=name, now=clock.now())
        except Invalid as error:
            raise CommandError(error.message) from error
        self.stdout.write(json.dumps({"client_id": str(key.client_id), "client_secret": secret}))
