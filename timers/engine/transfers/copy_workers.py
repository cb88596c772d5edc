"""Several files at a time: threads with connections of their own, fed and watched by the slice's own thread.

Only that thread speaks to the database. With one lane everything happens in it, on the connections of the slice.
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

END_WITHIN = 0.2
"""How long a lane may take to stop by itself before its connections are closed under it."""

J = TypeVar("J")
R = TypeVar("R")
Result: TypeAlias = R | ExternalError | SourceFault


@dataclass
class FileTally:
    """What copying one file adds to the transfer's counters, and what became of its part."""

    counts: Counter[str] = field(default_factory=Counter)
    kept: list[ResumableFile] = field(default_factory=list)


@dataclass
class CopyWorker:
    """What copying one file needs; `tally` is that of the present one."""

    work: SliceContext
    source: Storage
    destination: Storage
    echo: ParallelDigest
    stop: threading.Event | None = None
    """Set when the slice ends; None in the slice's own thread."""
    tally: FileTally = field(default_factory=FileTally)

    def take_tally(self) -> FileTally:
        """Return what the present file adds, and begin anew."""
        tally, self.tally = self.tally, FileTally()
        return tally

    @property
    def options(self) -> Options:
        return self.work.options

    @property
    def held(self) -> Slice:
        return self.work.held

    def check(self) -> None:
        """Raise what ends the slice, if it is to end."""
        if self.stop is None:
            self.work.checkpoint()
        elif self.stop.is_set():
            raise Cancelled

    def spent(self) -> bool:
        """Return whether the slice has had its time."""
        return self.work.watch.spent()

    def check_lease(self) -> None:
        """Raise SliceLost unless the lease surely still holds."""
        self.work.watch.check_lease()

    def pause(self, moved: int) -> None:
        """Wait as long as the limit on the transfer's speed asks for after so many bytes."""
        self.work.pause(moved, self.check)


class CopyWorkers(Generic[J, R]):
    """Carries out jobs, one after another in each of `width` lanes; a context manager."""

    def __init__(self, work: SliceContext, do: Callable[[CopyWorker, J], R], *, width: int) -> None:
        self._work, self._do, self._width = work, do, width
        self._jobs: SimpleQueue[J | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[J, Any, FileTally]] = SimpleQueue()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: list[CopyWorker] = []
        self._own = CopyWorker(work, work.source, work.destination, ParallelDigest())

    def run(self, jobs: Iterator[J]) -> Iterator[tuple[J, Result[R]]]:
        """Yield each job with its result, or the fault that it met; what is no fault is raised.

        No more jobs are asked for than there are lanes free.
        """
        if self._width == 1:
            yield from map(self._here, jobs)
            return
        waiting = 0
        for job in jobs:
            self._jobs.put(job)
            waiting += 1
            self._more_threads(waiting)
            while waiting >= self._width:
                yield self._answer()
                waiting -= 1
        for _ in range(waiting):
            yield self._answer()

    def _here(self, job: J) -> tuple[J, Result[R]]:
        result = _attempt(self._own, job, self._do)
        return self._judged(job, result, self._own.take_tally())

    def _judged(self, job: J, result: Any, tally: FileTally) -> tuple[J, Result[R]]:
        add(self._work, tally)
        if isinstance(result, BaseException) and not isinstance(result, (ExternalError, SourceFault)):
            raise result
        return job, result

    def _answer(self) -> tuple[J, Result[R]]:
        while True:
            with suppress(Empty):
                return self._judged(*self._answers.get(timeout=CHECK_SECONDS))
            self._work.checkpoint()

    def _more_threads(self, wanted: int) -> None:
        if len(self._threads) < min(wanted, self._width):
            thread = threading.Thread(target=self._serve, name=f"lane-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self) -> None:
        with ExitStack() as stack:
            lane, problem = self._opened(stack)
            while (job := self._jobs.get()) is not None:
                if lane is None:
                    self._answers.put((job, problem, FileTally()))
                else:
                    result = _attempt(lane, job, self._do)
                    self._answers.put((job, result, lane.take_tally()))

    def _opened(self, stack: ExitStack) -> tuple[CopyWorker | None, Exception | None]:
        """Return a lane with connections of its own, or why there is none."""
        held = self._work.held
        try:
            lane = CopyWorker(
                self._work,
                stack.enter_context(collections.storage_for(held.source)),
                stack.enter_context(collections.storage_for(held.destination or held.source)),
                stack.enter_context(ParallelDigest()),
                self._stop,
            )
        except Exception as error:
            return None, error
        self._open.append(lane)
        return lane, None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for _thread in self._threads:
            self._jobs.put(None)
        if not self._joined(END_WITHIN):
            self._work.cut_short = True
            for lane in self._open:
                with suppress(Exception):
                    lane.source.close()
                    lane.destination.close()
            self._joined(END_WITHIN)
        self._own.echo.close()

    def _joined(self, seconds: float) -> bool:
        ends = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)


def _attempt(lane: CopyWorker, job: J, do: Callable[[CopyWorker, J], R]) -> R | BaseException:
    try:
        return do(lane, job)
    except Exception as error:
        return error


def add(work: SliceContext, tally: FileTally) -> None:
    """Add a tally to what is written down next."""
    work.changes.counts.update(tally.counts)
    work.changes.kept += tally.kept


def width(work: SliceContext) -> int:
    """Return how many files at a time help between these two storages, within the limit of the transfer."""
    helpful = max(work.source.abilities.streams, work.destination.abilities.streams)
    return min(helpful, work.options.most_at_once or helpful)
