"""The command line of the site: `manage.py` in a checkout, `timers` where the package is installed."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from timersite import logs
from timersite.env import SettingError

SERVICES = frozenset({"dispatch", "qcluster"})
"""Commands that run until they are stopped: all they print is for the log."""


def main() -> None:
    """Run the management command that the command line names."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "timersite.settings")
    _flush_every_line()
    try:
        if SERVICES & set(sys.argv[1:2]):
            logs.keep_printed_lines()
        _execute()
    except SettingError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")


def _flush_every_line() -> None:
    """Write each line at once, also into a file or a pipe: whoever supervises the process reads along."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def _execute() -> None:
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
