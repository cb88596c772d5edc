"""The phase `delete`: removes what the source does not hold, when the guards allow it."""

from __future__ import annotations

from timers.copying.plan import may_delete
from timers.engine.work import Final, Wait, Work
from timers.errors import ExternalError
from timers.services import transfer_progress as progress
from timers.services.transfer_progress import Fault


def delete(work: Work) -> bool:
    """Delete until the slice's time is used; return whether nothing is left to be deleted. Deepest paths come first."""
    while rows := progress.to_do(work.held, "delete", work.batch, now=work.watch.now(), last_first=True):
        for row in rows:
            work.watch.check()
            try:
                work.destination.delete(row.destination_path)
            except ExternalError as error:
                if error.reason == "not_empty":  # it holds what the rules leave alone
                    work.changes.left.append(row.id)
                    continue
                if error.reason != "not_found":
                    work.row_failed(row, row.destination_path, error, of_source=False)
                    continue
            work.changes.made.append(row.id)
        work.flush()
        if work.watch.spent():
            return False
    retry = progress.next_retry(work.held, ["delete"])
    if retry is not None:
        raise Wait(retry)
    return True


def guard(work: Work) -> bool:
    """Return whether deleting may begin; raises Final where deleting so much cannot be meant."""
    found = progress.deletions(work.held)
    if not found.planned:
        return False
    if progress.skipped_any_source(work.held):
        text = "Nothing was deleted: part of the source could not be read."
        work.changes.faults.append(Fault("delete_skipped", "", text))
        return False
    if found.empty_source is not None:
        raise _refused(f"{found.empty_source} holds nothing")
    if not may_delete(found.planned, of=found.present, most=work.options.max_delete):
        raise _refused(f"{found.planned:,} of {found.present:,} entries are more than allowed")
    return True


def _refused(why: str) -> Final:
    return Final(ExternalError(f"Nothing was deleted: {why}.", retryable=False, reason="delete_refused"))
