"""Broker of django-q over Redis: one list of messages for any cluster, and one for each cluster."""

from __future__ import annotations

from django_q.brokers.redis_broker import Redis

from timers.messaging import cluster_name, queue
from timers.messaging.cluster_probe import ClusterProbe


class RedisBroker(Redis):
    """Messages are taken as they come; the reaper repeats what a cluster had taken when it died."""

    _probe: ClusterProbe | None = None

    def dequeue(self) -> list[tuple[None, str]] | None:
        self._probe = self._probe or ClusterProbe()
        if probes := self._probe.due():
            return probes
        own = queue.redis_list(queue.key_of(cluster_name.name()))
        task = self.connection.blpop([self.list_key, own], 1)
        return [(None, task[1])] if task else None
