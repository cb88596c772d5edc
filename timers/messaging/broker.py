"""Broker of django-q over our database: takes messages in batches, is woken by notifications, never raises.

A message is deleted when it is taken. It only wakes a worker: its row is the truth, and the reaper repeats messages
that a cluster had taken when it died.
"""

from __future__ import annotations

import logging
import os
import time

from django.db import DatabaseError, InterfaceError, connection
from django_q.brokers import Broker
from django_q.conf import Conf

from timers.messaging import cluster_name, notifier, queue
from timers.messaging.cluster_probe import ClusterProbe
from timers.models import sql as rows

log = logging.getLogger(__name__)

MAX_WAIT_SECONDS = 1.0
"""Time after which the table is read although no notification came; also how long a stop may take."""

INITIAL_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.1, 2.0
"""Time between two attempts to reach a database that went away, doubled each time."""

_TAKE = """
delete from django_q_ormq where id in (
  select id from django_q_ormq where key in (%s, %s) order by id limit %s{locked})
returning id, payload"""


class DatabaseBroker(Broker):
    """Messages are rows of django-q's own table: those for any cluster, and those for this broker's own."""

    _subscription: tuple[int, notifier.Notifier] | None = None
    _probe: ClusterProbe | None = None
    _pause = INITIAL_PAUSE_SECONDS

    def enqueue(self, task: str) -> None:
        queue.send([task])

    def dequeue(self) -> list[tuple[None, str]] | None:
        """Return the next messages, oldest first; waits a while for some, and answers None when there are none."""
        try:
            subscription = self._own_notifier()
            self._probe = self._probe or ClusterProbe()
            taken = [*self._take(), *self._probe.due()]
            if not taken and subscription.wait(MAX_WAIT_SECONDS):
                taken = self._take()
            self._pause = INITIAL_PAUSE_SECONDS
            return taken or None
        except (DatabaseError, InterfaceError, OSError) as error:
            self._recover(error)
            return None

    def queue_size(self) -> int:
        return rows.fetch("select count(*) from django_q_ormq where key = %s", [self.list_key])[0][0]

    def lock_size(self) -> int:
        return 0

    def purge_queue(self) -> int:
        return rows.change("delete from django_q_ormq where key = %s", [self.list_key])

    def delete_queue(self) -> int:
        return self.purge_queue()

    def ping(self) -> bool:
        return True

    def info(self) -> str:
        return f"Database ({connection.vendor})"

    def _take(self) -> list[tuple[None, str]]:
        if not rows.on_postgresql() and not self._has_messages():
            return []
        sql = _TAKE.format(locked=rows.locked("update skip locked"))
        with rows.turn():
            taken = sorted(rows.fetch(sql, [self.list_key, self._own_key(), Conf.BULK]))
        return [(None, payload) for _, payload in taken]

    def _has_messages(self) -> bool:
        """Return whether there is a message, so that SQLite's one write lock is worth taking."""
        keys = [self.list_key, self._own_key()]
        return bool(rows.fetch("select 1 from django_q_ormq where key in (%s, %s) limit 1", keys))

    def _own_key(self) -> str:
        return queue.key_of(cluster_name.name())

    def _own_notifier(self) -> notifier.Notifier:
        """Return the notifier of this process; one from before a fork belongs to its parent."""
        if self._subscription is None or self._subscription[0] != os.getpid():
            self._subscription = (os.getpid(), notifier.subscribe(queue.CHANNEL))
        return self._subscription[1]

    def _recover(self, error: Exception) -> None:
        """Drop what may be broken and pause, each time longer, so that a database that went away can come back."""
        log.warning("The broker lost the database and tries again: %s", error)
        if self._subscription is not None:
            self._subscription[1].close()
            self._subscription = None
        connection.close()
        time.sleep(self._pause)
        self._pause = min(MAX_PAUSE_SECONDS, self._pause * 2)
