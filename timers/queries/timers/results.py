"""The last and the unfinished runs of many timers at once, with their transfers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from timers.lifecycle import UNFINISHED, ExecutionStatus
from timers.models import Execution, Timer, Transfer
from timers.queries import paging
from timers.queries.paging import HISTORY_ORDER

MAX_TIMERS_PER_QUERY = 200
"""Maximum number of timers in one query."""


@dataclass
class TimerRuns:
    """The runs of one timer: the last ones that began, newest first, and the unfinished ones.

    `transfers` holds the transfers of the runs, by id.
    """

    last: list[Execution] = field(default_factory=list)
    unfinished: list[Execution] = field(default_factory=list)
    transfers: dict[UUID, Transfer] = field(default_factory=dict)

    @property
    def begun(self) -> list[Execution]:
        """The unfinished runs that have begun."""
        return [execution for execution in self.unfinished if execution.started_at is not None]


def runs_of(timers: Sequence[Timer], *, limit: int) -> dict[UUID, TimerRuns]:
    """Return the runs of each timer, from four queries per two hundred timers."""
    runs_by_timer = {timer.pk: TimerRuns() for timer in timers}
    for ids in _in_batches(list(runs_by_timer)):
        for execution in _newest(ids, limit):
            if len(runs_by_timer[execution.timer_id].last) < limit:
                runs_by_timer[execution.timer_id].last.append(execution)
        for execution in Execution.objects.filter(timer__in=ids, status__in=UNFINISHED).order_by("scheduled_for"):
            runs_by_timer[execution.timer_id].unfinished.append(execution)
    _add_transfers(runs_by_timer.values())
    return runs_by_timer


def page(timer: Timer, *, limit: int, marker: str | None) -> tuple[TimerRuns, str | None]:
    """Return a page of a timer's runs, newest first, and the next marker. An unknown marker means the first page."""
    begun = paging.page(_begun().filter(timer=timer), order=HISTORY_ORDER, limit=limit, marker=marker)
    runs = TimerRuns(last=begun.rows)
    runs.unfinished = list(Execution.objects.filter(timer=timer, status__in=UNFINISHED).order_by("scheduled_for"))
    _add_transfers([runs])
    return runs, begun.next_marker


def newest(timer: Timer) -> Execution | None:
    """Return the last run of a timer by planned instant, also if it has not begun; None if there is none."""
    return Execution.objects.that_ran().filter(timer=timer).order_by("-scheduled_for", "-serial").first()


def _begun() -> QuerySet[Execution]:
    return Execution.objects.filter(started_at__isnull=False).exclude(status=ExecutionStatus.SKIPPED)


def _newest(ids: list[UUID], limit: int) -> Iterator[Execution]:
    """Yield the newest `limit` runs of each timer, and those with the same planned instant as the oldest of them."""
    if not limit:
        return
    of_timer = _begun().filter(timer=OuterRef("pk")).order_by("-scheduled_for", "-serial")
    oldest = Timer.objects.filter(pk__in=ids).annotate(
        oldest=Subquery(of_timer.values("scheduled_for")[limit - 1 : limit])
    )
    condition = Q(pk__in=[])
    for timer_id, since in oldest.values_list("pk", "oldest"):
        of_this_timer = Q(timer=timer_id)
        condition |= of_this_timer if since is None else of_this_timer & Q(scheduled_for__gte=since)
    yield from _begun().filter(condition).order_by("timer", "-scheduled_for", "-serial")


def _in_batches(ids: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), MAX_TIMERS_PER_QUERY):
        yield ids[start : start + MAX_TIMERS_PER_QUERY]


def _add_transfers(all_runs: Iterable[TimerRuns]) -> None:
    runs_by_transfer: dict[UUID, TimerRuns] = {}
    for runs in all_runs:
        for execution in runs.last:
            if execution.transfer_id is not None:
                runs_by_transfer[execution.transfer_id] = runs
    for ids in _in_batches(list(runs_by_transfer)):
        for transfer in Transfer.objects.filter(pk__in=ids).select_related("owner", "source", "destination"):
            runs_by_transfer[transfer.pk].transfers[transfer.pk] = transfer
