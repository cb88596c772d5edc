"""The command line of the site: `manage.py` in a checkout, `timers` in an installed package."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from timersite import logs
from timersite.env import SettingError

SERVICES = frozenset({"dispatch", "qcluster"})
"""Commands that run until they are stopped. All their output belongs into the log."""


def main() -> None:
    """Run the management command of the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "timersite.settings")
    _flush_every_line()
    try:
        if SERVICES & set(sys.argv[1:2]):
            logs.keep_printed_lines()
        _execute()
    except SettingError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")


def _flush_every_line() -> None:
    """Flush the standard streams after each line, also into a file or a pipe, for supervisors that read them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def _execute() -> None:
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
