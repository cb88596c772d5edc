"""`manage.py dispatch`: fires timers until it is stopped."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from timers.clock import Clock
from timers.engine.dispatch.dispatcher import AHEAD, Dispatcher


class Command(BaseCommand):
    help = "Fire timers when they are due, until stopped. Any number of dispatchers may run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--ahead", type=float, default=AHEAD, help="seconds that timers are claimed ahead")

    def handle(self, *args: Any, **options: Any) -> None:
        dispatcher = Dispatcher(Clock(), ahead=options["ahead"])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: dispatcher.stop())
        dispatcher.run()
