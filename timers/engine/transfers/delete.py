"""The phase `delete`: removes what the source does not hold, or what a delete task names, when the guards allow it."""

from __future__ import annotations

from timers.copying.plan import may_delete
from timers.engine.transfers.bundle_progress import BundleProgress, MemberEnd
from timers.engine.transfers.copy_workers import CopyWorker, CopyWorkers, Result, width
from timers.engine.transfers.slice_context import Final, SliceContext, WaitUntil
from timers.errors import ExternalError
from timers.services.transfers import progress
from timers.services.transfers.progress import Fault, Todo
from timers.storages.base import SourceFault

DELETED = MemberEnd("done", "delete", "delete")


def delete(work: SliceContext) -> bool:
    """Delete until the slice's time is used; return whether nothing is left to be deleted. Deepest paths come first."""
    while rows := progress.to_do(work.held, "delete", work.batch, now=work.watch.now(), last_first=True):
        for row in rows:
            work.checkpoint()
            if row.members is None:
                _delete_one(work, row)
            else:
                _delete_members(work, row)
            if work.watch.spent():
                break
        work.flush()
        if work.watch.spent():
            return False
    retry = progress.next_retry(work.held, ["delete"])
    if retry is not None:
        raise WaitUntil(retry)
    return True


def _delete_one(work: SliceContext, row: Todo) -> None:
    try:
        work.destination.delete(row.destination_path)
    except ExternalError as error:
        if error.reason == "not_empty":  # it holds what the rules leave alone
            work.changes.left.append(row.id)
            return
        if error.reason != "not_found":
            work.row_failed(row, error)
            return
    work.changes.made.append(row.id)
    _count(work)


def _delete_members(work: SliceContext, row: Todo) -> None:
    pack = BundleProgress(row)
    with (
        work.gathering(lambda: work.write_bundle(pack, DELETED)),
        CopyWorkers(work, _remove, width=width(work)) as running,
    ):
        for todo, result in running.run(iter(pack.todos())):
            _take(work, pack, todo, result)


def _remove(lane: CopyWorker, row: Todo) -> bool:
    lane.check()
    try:
        lane.destination.delete(row.destination_path)
    except ExternalError as error:
        if error.reason != "not_found":
            raise
    return True


def _take(work: SliceContext, pack: BundleProgress, todo: Todo, result: Result[bool]) -> None:
    assert todo.member is not None
    if isinstance(result, ExternalError):
        work.row_failed(todo, result, pack)
    elif not isinstance(result, SourceFault):
        pack.done(todo.member)
        _count(work)


def _count(work: SliceContext) -> None:
    if work.held.kind == "delete":
        work.count(files_transferred=1)


def allowed(work: SliceContext) -> bool:
    """Return whether deleting may begin; raises Final where deleting so much cannot be meant."""
    if work.held.kind == "delete":
        return progress.has(work.held, ["delete"])
    if not work.options.delete_extra:
        return False
    found = progress.deletions(work.held)
    if not found.planned:
        return False
    if progress.skipped_any_source(work.held):
        text = "Nothing was deleted: part of the source could not be read."
        work.changes.faults.append(Fault("delete_skipped", "", text))
        if not work.options.dry_run:
            progress.leave_deletions(work.held, now=work.watch.now())
        return False
    if found.empty_source is not None:
        raise _refused(f"{found.empty_source} holds no file", reason="source_empty")
    if not may_delete(found.planned, of=found.present, most=work.options.max_delete):
        raise _refused(f"{found.planned:,} of {found.present:,} entries are more than allowed", reason="delete_refused")
    return True


def say_whether_allowed(work: SliceContext) -> None:
    """Write down why a transfer like this one would delete nothing, for who looks before copying."""
    try:
        allowed(work)
    except Final as final:
        work.changes.faults.append(Fault(final.error.reason, "", final.error.message))


def _refused(why: str, *, reason: str) -> Final:
    return Final(ExternalError(f"Nothing was deleted: {why}.", retryable=False, reason=reason))
