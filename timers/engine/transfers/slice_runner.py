"""One slice of a transfer: take it, go on where the last one stopped, hand over. Never longer than a few seconds."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime

from timers.copying.rate_limiter import RateLimiter
from timers.engine.transfers import compare, copy, delete, partial_files, scan, verify
from timers.engine.transfers.lease_keeper import LeaseKeeper
from timers.engine.transfers.rows import again_at
from timers.engine.transfers.slice_context import Final, Options, SliceContext, WaitUntil
from timers.engine.transfers.slice_monitor import Cancelled, SliceMonitor
from timers.errors import ExternalError
from timers.lifecycle import TransferStatus
from timers.services.collections import commands as collections
from timers.services.transfers import progress, slices
from timers.services.transfers.progress import Fault
from timers.services.transfers.slices import Slice, SliceLost

BUDGET = 2.0
BATCH = 200
"""Rows that are read at a time; each may be a pack of a thousand files."""

TIMED_OUT = "timed_out"

log = logging.getLogger(__name__)


def run_slice(
    transfer_id: str,
    *,
    now: datetime,
    budget: float = BUDGET,
    batch: int = BATCH,
    monotonic: Callable[[], float] = time.monotonic,
) -> bool:
    """Carry out one slice; return False when it was not its time or somebody else is at it."""
    held = slices.take(transfer_id, owner=f"{socket.gethostname()[:40]}:{os.getpid()}", now=now)
    if held is None:
        return False
    watch = SliceMonitor(held, now=now, budget=budget, monotonic=monotonic)
    with suppress(SliceLost), LeaseKeeper(held, watch):
        try:
            _open_and_work(held, watch, batch)
        except SliceLost:
            raise
        except ExternalError as error:
            _fault(held, watch, error)
        except Exception as error:
            log.exception("A slice met a defect.", extra={"transfer": str(held.transfer_id)})
            slices.end(held, TransferStatus.FAILED, now=watch.now(), message=f"Defect: {error!r}", reason="error")
    return True


def _open_and_work(held: Slice, watch: SliceMonitor, batch: int) -> None:
    with ExitStack() as stack:
        source = stack.enter_context(collections.storage_for(held.source))
        destination = stack.enter_context(collections.storage_for(held.destination)) if held.destination else source
        options = Options.read(held.options)
        work = SliceContext(held, source, destination, options, watch, batch, RateLimiter(options.bytes_per_second))
        try:
            _attempt(work)
        except Cancelled:
            _end(work, TransferStatus.CANCELLED, message="Cancelled.")
        except Final as final:
            _end(work, TransferStatus.FAILED, message=final.error.message, reason=final.error.reason)
        except WaitUntil as wait:
            work.flush()
            slices.wait(held, until=_not_after(held.deadline_at, wait.until))


def _attempt(work: SliceContext) -> None:
    try:
        _check_start(work)
        _carry_on(work)
    except ExternalError as error:
        if not work.can_heal(error):
            raise Final(error) from error
        work.flush()
        raise


def _check_start(work: SliceContext) -> None:
    if work.held.cancel_requested:
        raise Cancelled
    deadline = work.held.deadline_at
    if deadline is not None and work.watch.now() >= deadline:
        last = progress.last_fault(work.held)
        message = f"The deadline passed. {last}" if last else "The deadline passed before everything was copied."
        raise Final(ExternalError(message, retryable=False, reason=TIMED_OUT))


def _carry_on(work: SliceContext) -> None:
    """Go through the phases from the present one; hand over when the slice's time is used."""
    phases = _phases(work)
    phase: str | None = work.held.phase
    while phase is not None:
        if phase != work.held.phase:
            work.enter(phase)
        if not _STEPS[phase](work):
            work.flush()
            slices.release(work.held, now=work.watch.now())
            return
        phase = _next_phase(work, phases, phase)
    if work.options.dry_run:
        delete.say_whether_allowed(work)
    _end(work, TransferStatus.SUCCEEDED)


_STEPS = {
    "scan": scan.scan,
    "compare": compare.compare,
    "copy": copy.copy,
    "verify": verify.verify,
    "delete": delete.delete,
}


def _phases(work: SliceContext) -> list[str]:
    """Return the phases that this transfer goes through."""
    if work.held.kind == "delete":
        return ["scan", "delete"]
    if work.options.dry_run:
        return ["scan", "compare"]
    return ["scan", "compare", "copy", *(["verify"] if work.options.verify else []), "delete"]


def _next_phase(work: SliceContext, phases: list[str], phase: str) -> str | None:
    """Return the next phase that has something to do; None after the last."""
    if phase == "verify" and progress.has(work.held, ["copy"]):
        return "copy"
    for name in phases[phases.index(phase) + 1 :]:
        if name == "compare" and not progress.has(work.held, ["compare"]):
            continue
        if name == "copy" and not progress.has(work.held, ["mkdir", "link", "copy"]):
            continue
        if name == "verify" and not progress.has(work.held, ["copy"], "done"):
            continue
        if name == "delete" and not delete.allowed(work):
            continue
        return name
    return None


def _end(work: SliceContext, status: TransferStatus, *, message: str | None = None, reason: str | None = None) -> None:
    """End the transfer. Parts that nobody will go on with are removed: before, on a disk; after, on a far store."""
    near = work.destination.abilities.quick_stat
    if status is not TransferStatus.SUCCEEDED and near:
        _tidy(work)
    work.at_work.clear()
    work.flush()
    retryable = reason == TIMED_OUT and not work.held.options.get("deadline")
    slices.end(work.held, status, now=work.watch.now(), message=message, reason=reason, retryable=retryable)
    if status is not TransferStatus.SUCCEEDED and not near:
        _tidy(work)


def _tidy(work: SliceContext) -> None:
    if work.held.taken_over or work.cut_short:
        with suppress(ExternalError, Cancelled):
            partial_files.sweep(work)
    partial_files.remove_kept(work)


def _fault(held: Slice, watch: SliceMonitor, error: ExternalError) -> None:
    """A store failed as a whole: wait and try again, or give up where that cannot help."""
    if not error.retryable:
        slices.end(held, TransferStatus.FAILED, now=watch.now(), message=error.message, reason=error.reason)
        return
    changes = progress.Changes(faults=[Fault(error.reason, "", error.message)])
    changes.counts["faults"] += 1
    progress.record(held, changes, now=watch.now())
    failures = held.failures + 1
    slices.wait(held, until=_not_after(held.deadline_at, again_at(failures, now=watch.now())), failures=failures)


def _not_after(deadline: datetime | None, instant: datetime) -> datetime:
    return instant if deadline is None else min(deadline, instant)
