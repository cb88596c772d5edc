"""The last runs of many timers at once, what of them goes on, and the transfers that they made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from timers.lifecycle import UNFINISHED, ExecutionStatus
from timers.models import Execution, Timer, Transfer
from timers.queries import paging
from timers.queries.paging import HISTORY_ORDER

AT_ONCE = 200
"""How many timers one query asks about."""


@dataclass
class Runs:
    """What is known of one timer's runs: the last that began, newest first, and those that have not ended.

    `transfers` are those of the runs, by id.
    """

    last: list[Execution] = field(default_factory=list)
    unfinished: list[Execution] = field(default_factory=list)
    transfers: dict[UUID, Transfer] = field(default_factory=dict)

    @property
    def begun(self) -> list[Execution]:
        """Those that have begun and not ended."""
        return [execution for execution in self.unfinished if execution.started_at is not None]


def runs_of(timers: Sequence[Timer], *, limit: int) -> dict[UUID, Runs]:
    """Return the runs of each timer, from four queries for every two hundred timers."""
    runs = {timer.pk: Runs() for timer in timers}
    for ids in _some(list(runs)):
        for execution in _newest(ids, limit):
            if len(runs[execution.timer_id].last) < limit:
                runs[execution.timer_id].last.append(execution)
        for execution in Execution.objects.filter(timer__in=ids, status__in=UNFINISHED).order_by("scheduled_for"):
            runs[execution.timer_id].unfinished.append(execution)
    _add_transfers(runs.values())
    return runs


def page(timer: Timer, *, limit: int, marker: str | None) -> tuple[Runs, str | None]:
    """Return one page of a timer's runs, newest first, and the marker of the next; an unknown marker is the start."""
    began = paging.page(_that_began().filter(timer=timer), order=HISTORY_ORDER, limit=limit, marker=marker)
    runs = Runs(last=began.rows)
    runs.unfinished = list(Execution.objects.filter(timer=timer, status__in=UNFINISHED).order_by("scheduled_for"))
    _add_transfers([runs])
    return runs, began.next_marker


def newest(timer: Timer) -> Execution | None:
    """Return the last run of a timer by its planned instant, whether it has begun or not."""
    return Execution.objects.that_ran().filter(timer=timer).order_by("-scheduled_for", "-serial").first()


def _that_began() -> QuerySet[Execution]:
    return Execution.objects.filter(started_at__isnull=False).exclude(status=ExecutionStatus.SKIPPED)


def _newest(ids: list[UUID], limit: int) -> Iterator[Execution]:
    """Yield the newest runs of these timers: those not older than the last one wanted of each."""
    if not limit:
        return
    of_timer = _that_began().filter(timer=OuterRef("pk")).order_by("-scheduled_for", "-serial")
    oldest = Timer.objects.filter(pk__in=ids).annotate(
        oldest=Subquery(of_timer.values("scheduled_for")[limit - 1 : limit])
    )
    newest = Q(pk__in=[])
    for timer_id, since in oldest.values_list("pk", "oldest"):
        of_one = Q(timer=timer_id)
        newest |= of_one if since is None else of_one & Q(scheduled_for__gte=since)
    yield from _that_began().filter(newest).order_by("timer", "-scheduled_for", "-serial")


def _some(ids: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


def _add_transfers(of_timers: Iterable[Runs]) -> None:
    by_transfer = {
        execution.transfer_id: runs
        for runs in of_timers
        for execution in runs.last
        if execution.transfer_id is not None
    }
    for ids in _some(list(by_transfer)):
        for transfer in Transfer.objects.filter(pk__in=ids).select_related("owner", "source", "destination"):
            by_transfer[transfer.pk].transfers[transfer.pk] = transfer
