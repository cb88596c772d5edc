"""Running one slice of a transfer: take it, continue where the last one stopped, hand over.

A slice lasts a few seconds.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta

from timers.copying.rate_limiter import RateLimiter
from timers.engine.transfers import attributes, compare, copy, delete, partial_files, remove, verify
from timers.engine.transfers.lease_keeper import LeaseKeeper
from timers.engine.transfers.options import Options
from timers.engine.transfers.rows import next_retry_at
from timers.engine.transfers.scanning import scan, settle
from timers.engine.transfers.slice_context import SliceContext, WaitUntil
from timers.engine.transfers.slice_faults import TransferFailed
from timers.engine.transfers.slice_monitor import Cancelled, SliceMonitor
from timers.errors import ExternalError
from timers.lifecycle import TransferStatus
from timers.services.collections import commands as collections
from timers.services.transfers import progress, slices
from timers.services.transfers.progress import Fault
from timers.services.transfers.slices import Slice, SliceLost

SLICE_SECONDS = 2.0
BATCH_ROWS = 200
"""Number of rows that are read at a time; each may be a bundle of a thousand files."""

PAUSE_AFTER_PROGRESS = timedelta(seconds=1)
"""Pause after a fault of a store that let something through before."""

TIMED_OUT = "timed_out"

log = logging.getLogger(__name__)


class _StoreWaits(Exception):
    """A store failed in a way that may heal, after the slice recorded something or not."""

    def __init__(self, error: ExternalError, *, has_progressed: bool) -> None:
        super().__init__(error.message)
        self.error, self.has_progressed = error, has_progressed


def run_slice(
    transfer_id: str,
    *,
    now: datetime,
    budget: float = SLICE_SECONDS,
    batch: int = BATCH_ROWS,
    monotonic: Callable[[], float] = time.monotonic,
) -> bool:
    """Run one slice; return False when it is not due or another worker runs it."""
    transfer_slice = slices.take(transfer_id, owner=f"{socket.gethostname()[:40]}:{os.getpid()}", now=now)
    if transfer_slice is None:
        return False
    monitor = SliceMonitor(transfer_slice, now=now, budget=budget, monotonic=monotonic)
    with suppress(SliceLost), LeaseKeeper(transfer_slice, monitor):
        try:
            _run(transfer_slice, monitor, batch)
        except SliceLost:
            raise
        except ExternalError as error:
            _store_failed(transfer_slice, monitor, error)
        except _StoreWaits as waiting:
            _store_failed(transfer_slice, monitor, waiting.error, has_progressed=waiting.has_progressed)
        except Exception as error:
            log.exception("A slice met a defect.", extra={"transfer": str(transfer_slice.transfer_id)})
            slices.end(
                transfer_slice, TransferStatus.FAILED, now=monitor.now(), message=f"Defect: {error!r}", reason="error"
            )
    return True


def _run(transfer_slice: Slice, monitor: SliceMonitor, batch: int) -> None:
    with ExitStack() as stack:
        source = stack.enter_context(collections.storage_for(transfer_slice.source))
        destination = (
            stack.enter_context(collections.storage_for(transfer_slice.destination))
            if transfer_slice.destination
            else source
        )
        options = Options.read(transfer_slice.options, requested_at=transfer_slice.requested_at)
        context = SliceContext(
            transfer_slice,
            source,
            destination,
            options,
            monitor,
            batch,
            RateLimiter(options.bytes_per_second_at(monitor.now())),
        )
        try:
            _run_or_wait(context)
        except Cancelled:
            _end(context, TransferStatus.CANCELLED, message="Cancelled.")
        except TransferFailed as failure:
            _end(context, TransferStatus.FAILED, message=failure.error.message, reason=failure.error.reason)
        except WaitUntil as wait:
            context.flush()
            slices.wait(transfer_slice, until=_before_deadline(transfer_slice.deadline_at, wait.until))


def _run_or_wait(context: SliceContext) -> None:
    try:
        _check_start(context)
        _run_phases(context)
    except ExternalError as error:
        if not context.can_heal(error):
            raise TransferFailed(error) from error
        context.flush()
        raise _StoreWaits(error, has_progressed=context.has_progressed) from error


def _check_start(context: SliceContext) -> None:
    if context.transfer_slice.cancel_requested:
        raise Cancelled
    deadline = context.transfer_slice.deadline_at
    if deadline is not None and context.monitor.now() >= deadline:
        last = progress.last_fault(context.transfer_slice)
        message = f"The deadline passed. {last}" if last else "The deadline passed before everything was copied."
        raise TransferFailed(ExternalError(message, retryable=False, reason=TIMED_OUT))


def _run_phases(context: SliceContext) -> None:
    """Run the phases from the present one on; hand over when the slice's time is used."""
    phases = _phases(context)
    phase: str | None = context.transfer_slice.phase
    while phase is not None:
        if phase != context.transfer_slice.phase:
            context.enter(phase)
        if not _PHASES[phase](context):
            context.flush()
            end_slice = slices.pause if context.monitor.pause_requested else slices.release
            end_slice(context.transfer_slice, now=context.monitor.now())
            return
        phase = _next_phase(context, phases, phase)
    if context.options.dry_run:
        delete.record_refusal(context)
    number, message, reason = progress.untolerated_failures(context.transfer_slice)
    if number:
        _end(context, TransferStatus.FAILED, message=_failure_text(number, message), reason=reason)
    else:
        _end(context, TransferStatus.SUCCEEDED)


def _failure_text(number: int, first: str | None) -> str:
    text = first or "A file could not be copied."
    return text if number == 1 else f"{number:,} entries failed, the first: {text}"


_PHASES = {
    "scan": scan.scan,
    "compare": compare.compare,
    "copy": copy.copy,
    "verify": verify.verify,
    "delete": delete.delete,
    "settle": settle.settle,
    "attributes": attributes.set_attributes,
    "remove": remove.remove,
}


def _phases(context: SliceContext) -> list[str]:
    """Return the phases of this transfer, in order."""
    if context.transfer_slice.kind == "delete":
        return ["scan", "delete"]
    if context.options.dry_run:
        return ["scan", "compare"]
    verify_phase = ["verify"] if context.options.verify else []
    remove_phase = ["remove"] if context.options.delete_source else []
    return ["scan", "compare", "copy", *verify_phase, "delete", "settle", "attributes", *remove_phase]


def _next_phase(context: SliceContext, phases: list[str], phase: str) -> str | None:
    """Return the next phase that has something to do; None after the last."""
    if phase == "verify" and progress.has_rows(context.transfer_slice, ["copy"]):
        return "copy"
    if phase == "settle" and progress.has_work(context.transfer_slice):
        return "scan"
    for name in phases[phases.index(phase) + 1 :]:
        if name == "compare" and not progress.has_rows(context.transfer_slice, ["compare"]):
            continue
        if name == "copy" and not progress.has_rows(context.transfer_slice, ["mkdir", "link", "copy"]):
            continue
        if name == "verify" and not progress.has_rows(context.transfer_slice, ["copy"], "done"):
            continue
        if name == "delete" and not delete.is_allowed(context):
            continue
        if name == "settle" and not progress.deferred_rows(context.transfer_slice, 1):
            continue
        if name == "attributes" and not attributes.are_needed(context):
            continue
        return name
    return None


def _end(
    context: SliceContext, status: TransferStatus, *, message: str | None = None, reason: str | None = None
) -> None:
    """End the transfer.

    Partial files that will not be resumed are removed: before that on a disk, afterwards on a far store.
    """
    is_local = context.destination.abilities.quick_stat
    if status is not TransferStatus.SUCCEEDED and is_local:
        _remove_partials(context)
    context.files_in_progress.clear()
    context.flush()
    retryable = reason == TIMED_OUT and not context.transfer_slice.options.get("deadline")
    slices.end(
        context.transfer_slice, status, now=context.monitor.now(), message=message, reason=reason, retryable=retryable
    )
    if status is not TransferStatus.SUCCEEDED and not is_local:
        _remove_partials(context)


def _remove_partials(context: SliceContext) -> None:
    if context.transfer_slice.taken_over or context.cut_short:
        with suppress(ExternalError, Cancelled):
            partial_files.sweep(context)
    partial_files.remove_all_kept(context)


def _store_failed(
    transfer_slice: Slice, monitor: SliceMonitor, error: ExternalError, *, has_progressed: bool = False
) -> None:
    """Handle the failure of a whole store: wait and try again, or fail the transfer where that cannot help.

    The pause grows only as long as nothing gets through.
    """
    if not error.retryable:
        slices.end(transfer_slice, TransferStatus.FAILED, now=monitor.now(), message=error.message, reason=error.reason)
        return
    changes = progress.Changes(faults=[Fault(error.reason, "", error.message)])
    changes.counts["faults"] += 1
    progress.record(transfer_slice, changes, now=monitor.now())
    now, failures = monitor.now(), 1 if has_progressed else transfer_slice.failures + 1
    until = now + PAUSE_AFTER_PROGRESS if has_progressed else next_retry_at(failures, now=now)
    slices.wait(transfer_slice, until=_before_deadline(transfer_slice.deadline_at, until), failures=failures)


def _before_deadline(deadline: datetime | None, instant: datetime) -> datetime:
    return instant if deadline is None else min(deadline, instant)
