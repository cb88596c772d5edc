"""The one place that makes messages. A message is a mere wake-up for a row that the reaper knows.

With the database broker a message joins the caller's transaction: it exists exactly when the row it speaks of does.
With Redis it goes out after the commit, and the reaper covers the gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django_q.brokers import Broker, get_broker
from django_q.humanhash import uuid
from django_q.models import OrmQ
from django_q.signing import SignedPackage

RUN_GROUP = "timers.engine.tasks.run_group"
RUN_SLICE = "timers.engine.tasks.run_slice"
CANARY = "timers.engine.tasks.answer_canary"

CHANNEL = "timers_messages"
"""PostgreSQL channel on which the broker is told that messages were committed."""


def package(task: str, *args: Any) -> str:
    """Return the signed message that makes a worker call `task` with plain arguments."""
    name, tag = uuid()
    return SignedPackage.dumps(
        {"id": tag, "name": name, "func": task, "args": args, "kwargs": {}, "started": timezone.now()}
    )


def enqueue(task: str, *args: Any) -> None:
    """Send one message, as part of the present transaction if there is one."""
    send([package(task, *args)])


def send(packages: Iterable[str]) -> None:
    """Send packed messages together, with one notification for all of them."""
    packages = list(packages)
    if not packages:
        return
    if settings.Q_CLUSTER.get("redis"):
        transaction.on_commit(lambda: _send_by_redis(packages))
        return
    now = timezone.now()
    OrmQ.objects.bulk_create(OrmQ(key=settings.Q_CLUSTER["name"], payload=text, lock=now) for text in packages)
    notify()


def notify() -> None:
    """Tell waiting brokers, on commit, that there are messages. SQLite needs no word: brokers watch the file."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("select pg_notify(%s, '')", [CHANNEL])


def _send_by_redis(packages: list[str]) -> None:
    broker = _redis_broker()
    for text in packages:
        broker.enqueue(text)


@lru_cache(maxsize=1)
def _redis_broker() -> Broker:
    return get_broker()
