"""The last runs of many timers at once, what of them goes on, and the transfers that they made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from timers import clock
from timers.lifecycle import UNFINISHED, ExecutionStatus
from timers.models import Execution, Timer, Transfer
from timers.queries.paging import after, read_marker, write_marker

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
        return [each for each in self.unfinished if each.started_at is not None]


def runs_of(timers: Sequence[Timer], *, limit: int) -> dict[UUID, Runs]:
    """Return the runs of each timer, from four queries for every two hundred timers."""
    found = {timer.pk: Runs() for timer in timers}
    for ids in _some(list(found)):
        for each in _newest(ids, limit):
            if len(found[each.timer_id].last) < limit:
                found[each.timer_id].last.append(each)
        for each in Execution.objects.filter(timer__in=ids, status__in=UNFINISHED).order_by("scheduled_for"):
            found[each.timer_id].unfinished.append(each)
    _add_transfers(found.values())
    return found


def page(timer: Timer, *, limit: int, marker: str | None) -> tuple[Runs, str | None]:
    """Return one page of a timer's runs, newest first, and the marker of the next; an unknown marker is the start."""
    rows = _that_began().filter(timer=timer)
    place = read_marker(marker, 2)
    if place is not None and all(type(value) is int and abs(value) < 2**63 for value in place):
        rows = rows.filter(after(["-scheduled_for", "-serial"], place))
    got = list(rows.order_by("-scheduled_for", "-serial")[: limit + 1])
    runs = Runs(last=got[:limit])
    runs.unfinished = list(Execution.objects.filter(timer=timer, status__in=UNFINISHED).order_by("scheduled_for"))
    _add_transfers([runs])
    return runs, _marker(got[limit - 1]) if len(got) > limit else None


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
    wanted = Q(pk__in=[])
    for timer_id, since in oldest.values_list("pk", "oldest"):
        one = Q(timer=timer_id)
        wanted |= one if since is None else one & Q(scheduled_for__gte=since)
    yield from _that_began().filter(wanted).order_by("timer", "-scheduled_for", "-serial")


def _some(ids: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


def _add_transfers(found: Iterable[Runs]) -> None:
    wanted = {each.transfer_id: runs for runs in found for each in runs.last if each.transfer_id is not None}
    for ids in _some(list(wanted)):
        for transfer in Transfer.objects.filter(pk__in=ids).select_related("owner", "source", "destination"):
            wanted[transfer.pk].transfers[transfer.pk] = transfer


def _marker(execution: Execution) -> str:
    return write_marker(clock.to_us(execution.scheduled_for), execution.serial)
