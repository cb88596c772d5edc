"""Messages to workers and notifications to waiting processes; nothing else sends either.

A message only wakes a worker for a row. It may be lost or come twice: the row is the truth, and the reaper repeats.
With the database broker a message joins the caller's transaction, so it exists exactly when its row does.
With Redis it goes out after the commit, and the reaper covers the gap.

A notification says that something was committed: NOTIFY in PostgreSQL; beside an SQLite file a byte in the named pipe
of each waiting process (`notifier.py`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django_q.brokers import Broker, get_broker
from django_q.humanhash import uuid
from django_q.signing import SignedPackage

RUN_GROUP = "timers.engine.worker.tasks.run_group"
RUN_SLICE = "timers.engine.worker.tasks.run_slice"
RUN_STEPS = "timers.engine.worker.tasks.run_steps"
CLUSTER_PROBE = "timers.engine.worker.tasks.answer_cluster_probe"
DELIVER_NOTICE = "timers.engine.worker.tasks.deliver_notice"

CHANNEL = "timers_messages"
"""Channel of the brokers: messages were committed."""

CHANGES = "timers_changed"
"""Channel of the dispatchers: something may be due earlier than they know."""

MAX_GROUP = 50
"""Executions in one message."""

LONG_QUEUE = 1000
"""From so many waiting messages on, a late message counts as waiting, not as lost."""


def package(task: str, *args: Any) -> str:
    """Return the signed message that makes a worker call `task` with plain arguments."""
    name, tag = uuid()
    return SignedPackage.dumps(
        {"id": tag, "name": name, "func": task, "args": args, "kwargs": {}, "started": timezone.now()}
    )


def enqueue(task: str, *args: Any) -> None:
    """Send one message, as part of the present transaction if there is one."""
    send([package(task, *args)])


def enqueue_executions(items: Sequence[tuple[str, int, int]], *, to: str | None = None) -> int:
    """Send messages for executions (id as hex, instant to start at in microseconds, definition); return how many.

    One execution travels alone and at once, a burst in full groups, spread over the workers. `to` names the one
    cluster that they are for.
    """
    firsts: dict[int, int] = {}
    for item in sorted(items, key=lambda item: item[1]):
        firsts.setdefault(item[2], item[1])
    # executions of one timer travel together: the worker that has all of them decides alone whether they overlap
    ordered = sorted(items, key=lambda item: (firsts[item[2]], item[2], item[1]))
    size = max(1, min(MAX_GROUP, -(-len(ordered) // (2 * settings.TIMERS_WORKERS))))
    packages = [package(RUN_GROUP, ordered[start : start + size]) for start in range(0, len(ordered), size)]
    send(packages, to=to)
    return len(packages)


def key_of(cluster: str | None) -> str:
    """Return the key of the messages for any cluster, or for the one of that name."""
    name = str(settings.Q_CLUSTER["name"])
    return name if cluster is None else f"{name}@{cluster}"


def send(packages: Iterable[str], *, to: str | None = None) -> None:
    """Send packed messages together, with one notification for all of them; `to` one cluster or to any."""
    packages = list(packages)
    if not packages:
        return
    if settings.Q_CLUSTER.get("redis"):
        transaction.on_commit(lambda: _send_by_redis(packages, key_of(to)))
        return
    key, since = key_of(to), connection.ops.adapt_datetimefield_value(timezone.now())
    places = ", ".join(["(%s, %s, %s)"] * len(packages))
    with connection.cursor() as cursor:
        cursor.execute(
            f"insert into django_q_ormq (key, payload, lock) values {places}",
            [value for text in packages for value in (key, text, since)],
        )
    wake_brokers()


def is_long() -> bool:
    """Return whether the queue is long: no worker takes messages, or more come than can be carried out."""
    if settings.Q_CLUSTER.get("redis"):
        return _redis_broker().queue_size() >= LONG_QUEUE
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from (select 1 from django_q_ormq where key = %s limit %s) waiting",
            [str(settings.Q_CLUSTER["name"]), LONG_QUEUE],
        )
        return cursor.fetchone()[0] >= LONG_QUEUE


def wake_brokers() -> None:
    """Notify waiting brokers, on commit, that there are messages."""
    notify(CHANNEL)


def wake_dispatchers() -> None:
    """Notify waiting dispatchers, on commit, that something may be due earlier than they know."""
    notify(CHANGES)


def notify(channel: str) -> None:
    """Notify the subscribers of a channel when the present transaction is committed."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("select pg_notify(%s, '')", [channel])
    elif (folder := pipe_folder(connection.settings_dict["NAME"])) is not None:
        transaction.on_commit(lambda: _write_to_pipes(folder, channel))


def pipe_folder(database: object) -> Path | None:
    """Return the folder with the pipes of an SQLite file, which lies beside it; None for a database in memory."""
    name = str(database)
    if ":memory:" in name or "mode=memory" in name:
        return None
    path = Path(name).resolve()
    return path.with_name(f"{path.name}-notify")


def _write_to_pipes(folder: Path, channel: str) -> None:
    """Write one byte to each pipe of the channel; one that nobody reads any more is removed."""
    for pipe in folder.glob(f"{channel}.*"):
        try:
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            with contextlib.suppress(OSError):
                pipe.unlink()
            continue
        with contextlib.suppress(BlockingIOError):  # full: its reader has been notified already
            os.write(descriptor, b".")
        os.close(descriptor)


def drop_messages(*, but: Iterable[str]) -> int:
    """Delete the messages addressed to clusters other than these; return how many."""
    if settings.Q_CLUSTER.get("redis"):
        return 0
    kept = [key_of(cluster) for cluster in but]
    places = "".join(" and key <> %s" for _ in kept)
    with connection.cursor() as cursor:
        cursor.execute(f"delete from django_q_ormq where key like %s{places}", [key_of("") + "%", *kept])
        return max(0, cursor.rowcount)


def _send_by_redis(packages: list[str], key: str) -> None:
    broker = _redis_broker()
    for text in packages:
        broker.connection.rpush(redis_list(key), text)


def redis_list(key: str) -> str:
    """Return the name of django-q's list in Redis for messages of that key."""
    return f"django_q:{key}:q"


@lru_cache(maxsize=1)
def _redis_broker() -> Broker:
    return get_broker()
