"""Runs as many of nameko's own timers as asked for, and prints how late each run began, in milliseconds, as JSON.

For an environment of its own that has nameko: `python tests/bench/peer_nameko.py NUMBER INTERVAL SECONDS`. Each run is
compared with the grid through the earliest run of its timer, as nameko does not tell its instants; its first second,
in which it starts, is left out.
"""

import eventlet

eventlet.monkey_patch()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

from nameko.containers import ServiceContainer  # noqa: E402
from nameko.timer import timer  # noqa: E402

number, interval, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
stamps: list[list[float]] = [[] for _ in range(number)]


def method(which: int):
    def stamp(self) -> None:
        stamps[which].append(time.time())

    stamp.__name__ = f"stamp_{which}"
    return timer(interval=interval)(stamp)


contents = {f"stamp_{which}": method(which) for which in range(number)}
service = type("Stamps", (), {"name": "stamps", **contents})
container = ServiceContainer(service, config={"max_workers": 1000, "AMQP_URI": "memory://"})
container.start()
time.sleep(seconds)
late = []
for each in stamps:
    offsets = [at - count * interval for count, at in enumerate(each)][round(1 / interval) :]
    late += [1000 * (offset - min(offsets)) for offset in offsets]
print(json.dumps(sorted(late)))
sys.stdout.flush()
os._exit(0)
