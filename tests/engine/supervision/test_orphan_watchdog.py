"""What a killed supervisor leaves behind."""

from __future__ import annotations

import subprocess
import sys

import psutil

from tests.acceptance.running import ROOT

STUBBORN = "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), flush=True); input()"
SUPERVISOR = f"""
import os, subprocess, sys
from timers.engine.supervision.orphan_watchdog import OrphanWatchdog
watch = OrphanWatchdog(grace=0.1)
watch.keep_running()
start = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
child = [sys.executable, "-c", start, {STUBBORN!r}]
subprocess.run(child, env={{**os.environ, **watch.environment}})
"""


def test_children_that_do_not_end_by_themselves_are_ended_with_all_they_started() -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    stubborn = psutil.Process(int(supervisor.stdout.readline()))
    family = psutil.Process(supervisor.pid).children(recursive=True)
    assert stubborn in family and len(family) == 3, "the watch, the child, and what that started"

    supervisor.kill()
    supervisor.wait(10)
    _, left = psutil.wait_procs(family, timeout=10)

    assert left == []
