"""Entry points for django-q: a few lines each, never raising."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from django.conf import settings
from django.db import connections

from timers import clock
from timers.code_timers import DeclarationError
from timers.engine.transfers import slice_runner
from timers.engine.worker import runner, workflow_steps
from timers.engine.worker.thread_pool import ThreadPool
from timers.messaging import cluster_name
from timers.services import processes
from timers.services.executions import cluster_routing
from timers.services.notifications import delivery
from timers.services.timers import code_timers

log = logging.getLogger(__name__)

SLICES_AT_ONCE = 4
NOTICES_AT_ONCE = 2
SLICES_IN_A_ROW = 30
"""A transfer goes on in its thread while no other waits for one: what is known of its files stays at hand."""


@contextmanager
def _nothing_raised(message: str, **about: str) -> Iterator[None]:
    """Log what is raised, the queue's own time-out too: what gets lost has a lease, and the reaper repeats it."""
    try:
        yield
    except BaseException:
        log.exception(message, extra=about)


def run_group(items: list[tuple[str, int, int]]) -> None:
    """Have executions carried out: (id as hex, instant to start at in microseconds, definition) each."""
    with _nothing_raised("A group of executions was not taken."):
        runner.of_this_process().put(items)


def run_slice(transfer_id: str) -> None:
    """Have the next slice of a transfer carried out, by threads of its own so that it holds back nothing."""
    with _nothing_raised("A slice of a transfer was not taken.", transfer=transfer_id):
        _slice_threads(os.getpid()).submit([transfer_id])


def run_steps(step_ids: list[str]) -> None:
    """Have steps of workflows carried out, or gone on with when their time has come."""
    with _nothing_raised("Steps of workflows were not taken."):
        runner.of_this_process()  # which sees to it that the process ends in order
        workflow_steps.of_this_process().put(step_ids)


def deliver_notice(notice_id: str) -> None:
    """Have a notice sent, by threads of its own: the other side may take its time."""
    with _nothing_raised("A notice was not taken.", notice=notice_id):
        _notice_threads(os.getpid()).submit([notice_id])


def answer_cluster_probe() -> None:
    """Say that this cluster carries out what it is sent, with how many workers, and which functions it knows."""
    with _nothing_raised("A cluster probe was not answered."):
        runner.of_this_process()
        name, now = cluster_name.name(), clock.now()
        processes.record_heartbeat(processes.CLUSTER, name, now=now, workers=settings.TIMERS_WORKERS)
        cluster_routing.beat(name, functions=_functions(), now=now)


def _functions() -> list[str]:
    try:
        return list(code_timers.registered())
    except DeclarationError as error:
        log.error("This worker knows no functions: %s", error)
        return []


@lru_cache(maxsize=1)
def _slice_threads(process: int) -> ThreadPool[str]:
    """Return the threads for slices of this process: threads do not survive a fork."""
    return ThreadPool(_run_slice, most=SLICES_AT_ONCE)


def _run_slice(transfer_id: str) -> bool:
    with _nothing_raised("A slice of a transfer failed; the reaper has it repeated.", transfer=transfer_id):
        for _ in range(SLICES_IN_A_ROW):
            goes_on = slice_runner.run_slice(transfer_id, now=clock.now())
            if not goes_on or _slice_threads(os.getpid()).has_backlog():
                break
    connections.close_all()
    return True


@lru_cache(maxsize=1)
def _notice_threads(process: int) -> ThreadPool[str]:
    return ThreadPool(_deliver_notice, most=NOTICES_AT_ONCE)


def _deliver_notice(notice_id: str) -> bool:
    with _nothing_raised("A notice could not be sent; the reaper has it repeated.", notice=notice_id):
        notice = delivery.take(notice_id, now=clock.now())
        if notice is not None:
            error = delivery.deliver(notice, now=clock.now())
            if error is None:
                delivery.sent(notice, now=clock.now())
            else:
                delivery.failed(notice, error, now=clock.now())
    connections.close_all()
    return True
