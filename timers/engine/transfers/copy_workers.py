"""Several files at a time: threads with their own connections, fed and watched by the slice's own thread.

Only the slice's thread uses the database. With one worker everything happens in that thread, on the connections of the
slice.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, Self, TypeAlias, TypeVar

from timers.engine.transfers.parallel_digest import ParallelDigest
from timers.engine.transfers.slice_context import CHECK_SECONDS, Options, SliceContext
from timers.engine.transfers.slice_monitor import Cancelled
from timers.errors import ExternalError
from timers.services.collections import commands as collections
from timers.services.transfers.progress import ResumableFile
from timers.services.transfers.slices import Slice
from timers.storages.base import SourceFault, Storage

STOP_TIMEOUT_SECONDS = 0.2
"""Time that a worker gets to stop by itself before its connections are closed."""

J = TypeVar("J")
R = TypeVar("R")
Result: TypeAlias = R | ExternalError | SourceFault


@dataclass
class FileTally:
    """The counts that copying one file adds to the transfer's counters, and the state of its partial file."""

    counts: Counter[str] = field(default_factory=Counter)
    resumable: list[ResumableFile] = field(default_factory=list)


@dataclass
class CopyWorker:
    """Everything that copying one file needs; `tally` belongs to the present file."""

    context: SliceContext
    source: Storage
    destination: Storage
    parallel_digest: ParallelDigest
    stop: threading.Event | None = None
    """Set when the slice ends; None in the slice's own thread."""
    tally: FileTally = field(default_factory=FileTally)

    def take_tally(self) -> FileTally:
        """Return the tally of the present file, and start a new one."""
        tally, self.tally = self.tally, FileTally()
        return tally

    @property
    def options(self) -> Options:
        return self.context.options

    @property
    def transfer_slice(self) -> Slice:
        return self.context.transfer_slice

    def check(self) -> None:
        """Raise the exception that ends the slice, if the slice is to end."""
        if self.stop is None:
            self.context.checkpoint()
        elif self.stop.is_set():
            raise Cancelled

    def is_spent(self) -> bool:
        """Return whether the slice's time is used."""
        return self.context.monitor.is_spent()

    def check_lease(self) -> None:
        """Raise SliceLost unless the lease certainly still holds."""
        self.context.monitor.check_lease()

    def pause(self, moved: int) -> None:
        """Wait as long as the transfer's rate limit requires after `moved` bytes."""
        self.context.pause(moved, self.check)


class CopyWorkers(Generic[J, R]):
    """Runs jobs in `worker_count` workers, one after another in each; a context manager."""

    def __init__(self, context: SliceContext, process: Callable[[CopyWorker, J], R], *, worker_count: int) -> None:
        self._context, self._process, self._worker_count = context, process, worker_count
        self._jobs: SimpleQueue[J | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[J, Any, FileTally]] = SimpleQueue()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._workers: list[CopyWorker] = []
        self._own_worker = CopyWorker(context, context.source, context.destination, ParallelDigest())

    def run(self, jobs: Iterator[J]) -> Iterator[tuple[J, Result[R]]]:
        """Yield each job with its result, or with the fault that it met; any other exception is raised.

        The next job is requested only when a worker is free.
        """
        if self._worker_count == 1:
            yield from map(self._run_here, jobs)
            return
        pending = 0
        for job in jobs:
            self._jobs.put(job)
            pending += 1
            self._start_threads(pending)
            while pending >= self._worker_count:
                yield self._next_result()
                pending -= 1
        for _ in range(pending):
            yield self._next_result()

    def _run_here(self, job: J) -> tuple[J, Result[R]]:
        result = _attempt(self._own_worker, job, self._process)
        return self._check_result(job, result, self._own_worker.take_tally())

    def _check_result(self, job: J, result: Any, tally: FileTally) -> tuple[J, Result[R]]:
        add_tally(self._context, tally)
        if isinstance(result, BaseException) and not isinstance(result, (ExternalError, SourceFault)):
            raise result
        return job, result

    def _next_result(self) -> tuple[J, Result[R]]:
        while True:
            with suppress(Empty):
                return self._check_result(*self._results.get(timeout=CHECK_SECONDS))
            self._context.checkpoint()

    def _start_threads(self, needed: int) -> None:
        if len(self._threads) < min(needed, self._worker_count):
            thread = threading.Thread(target=self._run_thread, name=f"copy-worker-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run_thread(self) -> None:
        with ExitStack() as stack:
            worker, error = self._open_worker(stack)
            while (job := self._jobs.get()) is not None:
                if worker is None:
                    self._results.put((job, error, FileTally()))
                else:
                    result = _attempt(worker, job, self._process)
                    self._results.put((job, result, worker.take_tally()))

    def _open_worker(self, stack: ExitStack) -> tuple[CopyWorker | None, Exception | None]:
        """Return a worker with its own connections, or the error that prevented it."""
        transfer_slice = self._context.transfer_slice
        try:
            worker = CopyWorker(
                self._context,
                stack.enter_context(collections.storage_for(transfer_slice.source)),
                stack.enter_context(collections.storage_for(transfer_slice.destination or transfer_slice.source)),
                stack.enter_context(ParallelDigest()),
                self._stop,
            )
        except Exception as error:
            return None, error
        self._workers.append(worker)
        return worker, None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for _thread in self._threads:
            self._jobs.put(None)
        if not self._join(STOP_TIMEOUT_SECONDS):
            self._context.cut_short = True
            for worker in self._workers:
                with suppress(Exception):
                    worker.source.close()
                    worker.destination.close()
            self._join(STOP_TIMEOUT_SECONDS)
        self._own_worker.parallel_digest.close()

    def _join(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)


def _attempt(worker: CopyWorker, job: J, process: Callable[[CopyWorker, J], R]) -> R | BaseException:
    try:
        return process(worker, job)
    except Exception as error:
        return error


def add_tally(context: SliceContext, tally: FileTally) -> None:
    """Add a tally to the changes that are written next."""
    context.changes.counts.update(tally.counts)
    context.changes.resumable += tally.resumable


def worker_count(context: SliceContext) -> int:
    """Return how many files at a time are useful between these two storages, within the limit of the transfer."""
    useful = max(context.source.abilities.streams, context.destination.abilities.streams)
    return min(useful, context.options.max_concurrency or useful)
