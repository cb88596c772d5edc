"""Programs that run in an environment of their own, and somebody who pastes the code when one asks for a login."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.globus.person import Person

LINK = re.compile(r"(http://\S+/v2/oauth2/authorize\?\S+)\s")
PATIENCE = 60


@dataclass
class Outcome:
    """What a program printed, and its exit status."""

    status: int
    text: str


class Terminal:
    """A home folder in which programs keep their logins, pointed at one site."""

    def __init__(self, home: Path, base_url: str, **more: str) -> None:
        self.home = home
        self.variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "NO_PROXY": "127.0.0.1,localhost",
            "PYTHONUNBUFFERED": "1",
            **{
                f"GLOBUS_SDK_SERVICE_URL_{name}": f"{base_url}/globus/"
                for name in ("AUTH", "TIMER", "TRANSFER", "FLOWS")
            },
            "TIMER_SERVICE_URL": f"{base_url}/globus",
            **more,
        }
        home.mkdir(parents=True, exist_ok=True)
        services = f"auth_service = {base_url}/globus/\ntransfer_service = {base_url}/globus/\n"
        (home / ".globus.cfg").write_text(f"[environment default]\n{services}")

    def run(self, *command: object, person: Person | None = None) -> Outcome:
        """Return what came of a program. Without a person nobody answers its questions."""
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=self.home,
            env=self.variables,
            stdin=subprocess.PIPE if person is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            return Outcome(*self._follow(process, person))
        finally:
            process.kill()
            process.wait()

    def _follow(self, process: subprocess.Popen[str], person: Person | None) -> tuple[int, str]:
        assert process.stdout is not None
        text, answered = "", 0
        while chunk := os.read(process.stdout.fileno(), 65536).decode():
            text += chunk
            links: Sequence[str] = LINK.findall(text)
            if person is not None and len(links) > answered:
                assert process.stdin is not None
                process.stdin.write(person.code(links[answered]) + "\n")
                process.stdin.flush()
                answered += 1
        return process.wait(PATIENCE), text
