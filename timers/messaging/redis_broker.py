"""django-q's broker over Redis: a list of messages for any cluster, and one for each cluster's own."""

from __future__ import annotations

from django_q.brokers.redis_broker import Redis

from timers.messaging import cluster_name, queue
from timers.messaging.cluster_probe import RollCall


class RedisBroker(Redis):
    """Messages are taken as they come; the reaper repeats what a cluster had taken when it died."""

    _roll_call: RollCall | None = None

    def dequeue(self) -> list[tuple[None, str]] | None:
        self._roll_call = self._roll_call or RollCall()
        if called := self._roll_call.due():
            return called
        own = queue.redis_list(queue.key_of(cluster_name.name()))
        task = self.connection.blpop([self.list_key, own], 1)
        return [(None, task[1])] if task else None
