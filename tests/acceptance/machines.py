"""Code timers that two installations share; each run leaves a line in the file that TRACE names."""

from __future__ import annotations

import os
import time
from pathlib import Path

from timers import timer


def trace(name: str) -> None:
    """Append one line, written at once, so that lines of several processes stay whole."""
    descriptor = os.open(Path(os.environ["TRACE"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, f"{name} {os.environ['MACHINE']}\n".encode())
    os.close(descriptor)


class Machines:
    name = "machines"

    @timer(interval=0.5, overlap="allow")
    def once(self) -> None:
        trace("once")

    @timer(interval=0.1)
    def rapid(self) -> None:
        trace("rapid")

    @timer(interval=1, on="every")
    def everywhere(self) -> None:
        trace("everywhere")

    @timer(interval=86_400)
    def long(self) -> None:
        self._stay("long")

    @timer(interval=86_400, at_most_once=True)
    def precious(self) -> None:
        self._stay("precious")

    def _stay(self, name: str) -> None:
        """Begin what ends on no machine but the second one."""
        trace(name)
        if os.environ["MACHINE"] == "one":
            time.sleep(600)
