"""`manage.py up`: runs web server, dispatcher and cluster on one machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import socket
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections

from timers import clock
from timers.code_timers import DeclarationError
from timers.engine.supervision.supervisor import Supervisor, authority
from timers.models import sql
from timers.services import demo
from timers.services.people import accounts
from timers.services.timers import code_timers

_LOCK_NUMBER = 7_241_905_332
"""Advisory lock: two installations that start together must not both create the tables and the first account."""


class Command(BaseCommand):
    help = "Run web server, dispatcher and cluster on this machine, until Ctrl-C."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (8000)")
        parser.add_argument("--workers", type=int, default=2, help="worker processes of the cluster (2)")
        parser.add_argument("--demo", action="store_true", help="load example collections and timers")

    def handle(self, *, host: str, port: int, workers: int, demo: bool, **_: Any) -> None:  # type: ignore[override]
        _check_port(host, port)
        loop_clock = clock.Clock()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: loop_clock.stop())
        environment = _environment(host, port, workers=workers, with_demo=demo)
        settings.TIMERS_DEMO_TARGET = environment["TIMERS_DEMO_TARGET"]
        self._prepare(with_demo=demo)
        connections.close_all()
        Supervisor(host=host, port=port, environment=environment, clock=loop_clock).run(self._say_ready)

    def _say_ready(self, url: str) -> None:
        self.stdout.write(f"Ready: {url}")
        self.stdout.flush()

    def _prepare(self, *, with_demo: bool) -> None:
        try:
            with sql.alone(_LOCK_NUMBER):
                call_command("migrate", interactive=False, verbosity=0)
                account = accounts.make_first(now=clock.now())
        except OperationalError as error:
            reason = " ".join(str(error).split())
            raise CommandError(f"DATABASE_URL names a database that cannot be used: {reason}") from error
        if account is not None:
            self.stdout.write("The first account was created. Its password and token are shown only once:")
            self.stdout.write(f"  username: {account.username}")
            self.stdout.write(f"  password: {_shown(account.password, settings.TIMERS_ADMIN_PASSWORD)}")
            self.stdout.write(f"  API token: {_shown(account.token, settings.TIMERS_ADMIN_TOKEN)}")
        try:
            code_timers.sync(now=clock.now())
        except DeclarationError as error:
            raise CommandError(str(error)) from error
        if with_demo:
            demo.load(now=clock.now())
        self.stdout.flush()


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CommandError(f"Cannot listen on {host}:{port}: {error}. Choose another --port or --host.") from error


def _environment(host: str, port: int, *, workers: int, with_demo: bool) -> dict[str, str]:
    """Return the environment variables that child processes get in addition to our own."""
    here = authority(host, port)
    return {
        "TIMERS_BASE_URL": os.environ.get("TIMERS_BASE_URL") or f"http://{here}",
        "TIMERS_LISTEN": here,
        "TIMERS_WORKERS": str(workers),
        "TIMERS_DEMO_TARGET": f"http://{here}/demo/echo" if with_demo else "",
    }


def _shown(value: str, given: str) -> str:
    """Return a secret that was made here; one that was given is not written into a journal."""
    return "as given in the environment" if given else value
