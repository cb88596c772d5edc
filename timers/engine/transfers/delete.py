"""The phase `delete`: removes what the source does not hold, or what a delete task names, when the guards allow it."""

from __future__ import annotations

from timers.copying.plan import may_delete
from timers.engine.transfers import kept
from timers.engine.transfers.bundle_progress import BundleProgress, MemberEnd
from timers.engine.transfers.copy_workers import CopyWorker, CopyWorkers, Result, worker_count
from timers.engine.transfers.slice_context import SliceContext, WaitUntil
from timers.engine.transfers.slice_faults import TransferFailed
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import Fault, FileRow
from timers.storages.base import SourceFault, Storage

DELETED = MemberEnd("done", "delete", "delete")


def delete(context: SliceContext) -> bool:
    """Delete until the slice's time is used; return whether nothing is left to be deleted. Deepest paths come first."""
    while rows := progress.pending_rows(
        context.transfer_slice, "delete", context.batch, now=context.monitor.now(), last_first=True
    ):
        for row in rows:
            context.checkpoint()
            if row.members is None:
                _delete_one(context, row)
            else:
                _delete_members(context, row)
            if context.monitor.is_spent():
                break
        context.flush()
        if context.monitor.is_spent():
            return False
    retry = progress.next_retry(context.transfer_slice, ["delete"])
    if retry is not None:
        raise WaitUntil(retry)
    return True


def _delete_one(context: SliceContext, row: FileRow) -> None:
    try:
        _remove_entry(context, context.destination, row)
    except ExternalError as error:
        if error.reason == "not_empty" and context.transfer_slice.kind != "delete":  # it holds what the rules exclude
            context.changes.left.append(row.id)
            return
        if error.reason != "not_found":
            context.row_failed(row, error)
            return
    context.changes.made.append(row.id)
    _count(context)


def _delete_members(context: SliceContext, row: FileRow) -> None:
    bundle = BundleProgress(row)
    with (
        context.completing_changes(lambda: context.write_bundle(bundle, DELETED)),
        CopyWorkers(context, _remove, worker_count=worker_count(context)) as workers,
    ):
        for member_row, result in workers.run(iter(bundle.member_rows())):
            _record_result(context, bundle, member_row, result)


def _remove_entry(context: SliceContext, storage: Storage, row: FileRow) -> None:
    if row.there_size is None and row.member is None:  # folders have no size
        storage.delete_folder(row.destination_path)
    else:
        kept.keep(context, storage, row)
        storage.delete(row.destination_path)


def _remove(worker: CopyWorker, row: FileRow) -> bool:
    worker.check()
    try:
        _remove_entry(worker.context, worker.destination, row)
    except ExternalError as error:
        if error.reason != "not_found":
            raise
    return True


def _record_result(context: SliceContext, bundle: BundleProgress, row: FileRow, result: Result[bool]) -> None:
    assert row.member is not None
    if isinstance(result, ExternalError):
        context.row_failed(row, result, bundle)
    elif not isinstance(result, SourceFault):
        bundle.done(row.member)
        _count(context)


def _count(context: SliceContext) -> None:
    if context.transfer_slice.kind == "delete":
        context.count(files_transferred=1)


def is_allowed(context: SliceContext) -> bool:
    """Return whether deleting may begin; raises TransferFailed where deleting so much cannot be intended."""
    if context.transfer_slice.kind == "delete":
        return progress.has_rows(context.transfer_slice, ["delete"])
    if not context.options.delete_extra:
        return False
    deletions = progress.deletions(context.transfer_slice)
    if not deletions.planned:
        return False
    if progress.has_unread_source(context.transfer_slice):
        text = "Nothing was deleted: part of the source could not be read."
        context.changes.faults.append(Fault("delete_skipped", "", text))
        if not context.options.dry_run:
            progress.skip_deletions(context.transfer_slice, now=context.monitor.now())
        return False
    if deletions.empty_source is not None:
        raise _refused(f"{deletions.empty_source} holds no file", reason="source_empty")
    if not may_delete(deletions.planned, total=deletions.present, limit=context.options.max_delete):
        raise _refused(
            f"{deletions.planned:,} of {deletions.present:,} entries are more than allowed", reason="delete_refused"
        )
    return True


def record_refusal(context: SliceContext) -> None:
    """Record why a transfer like this one would delete nothing, for a dry run."""
    try:
        is_allowed(context)
    except TransferFailed as failure:
        context.changes.faults.append(Fault(failure.error.reason, "", failure.error.message))


def _refused(explanation: str, *, reason: str) -> TransferFailed:
    return TransferFailed(ExternalError(f"Nothing was deleted: {explanation}.", retryable=False, reason=reason))
