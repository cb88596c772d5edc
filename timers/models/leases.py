"""Leases: how rows are held by one worker at a time, in all tables that are; and the times of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, Self, TypeVar

from django.db import models

Leased = TypeVar("Leased", bound=models.Model)


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaseTimes:
    """The times of one leased table."""

    lease: timedelta
    """Silence of a holder after which its row is taken from it."""
    message_lease: timedelta
    """Time after which the first message for a row is repeated."""
    repeat_after: timedelta
    """Time after which a repeated message is repeated: longer, so that a long queue does not grow."""
    renew_seconds: float = 0.0
    """Seconds between two renewals by the holder."""
    check_seconds: float = 0.0
    """Seconds between two questions of the holder whether it is to stop."""
    batch: int = 500
    """Overdue rows that are taken back at once."""


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


EXECUTIONS = LeaseTimes(
    lease=_seconds(15),
    message_lease=_seconds(5),
    repeat_after=_seconds(20),
    renew_seconds=5.0,
    check_seconds=1.0,
)
STEPS = LeaseTimes(lease=_seconds(15), message_lease=_seconds(10), repeat_after=_seconds(20), renew_seconds=4.0)
TRANSFERS = LeaseTimes(
    lease=_seconds(15),
    message_lease=_seconds(15),
    repeat_after=_seconds(20),
    renew_seconds=5.0,
    check_seconds=0.4,
)
NOTICES = LeaseTimes(
    lease=timedelta(minutes=3),  # longer than a channel may take
    message_lease=_seconds(15),
    repeat_after=timedelta(minutes=1),
    batch=100,
)
WORK_ITEM_LEASE = timedelta(hours=1)
"""Lease of a work item without a deadline of its run; no message is sent for work items."""

VERY_LATE = timedelta(minutes=2)
"""Behind a long queue messages are waiting rather than lost: only those that are so late are repeated."""

MAX_LOST_ATTEMPTS = 5
"""Lost workers after which an execution or a step has failed."""


class LeasedQuerySet(models.QuerySet[Leased], Generic[Leased]):
    """Rows that one worker at a time holds until their `lease_until`; after that instant they are taken back.

    A caller filters on the state, holder and fencing number that it knows and reads the number of rows that were
    changed: that is the compare-and-set.
    """

    lease_columns: ClassVar[tuple[str, ...]] = ("lease_until",)
    owner_column: ClassVar[str | None] = "lease_owner"

    def take(self, owner: Any = None, *, until: datetime, **changes: Any) -> int:
        """Have these rows held until an instant; return how many there were to be had."""
        return self.renew(until=until, **self._owned_by(owner), **changes)

    def renew(self, *, until: datetime, **changes: Any) -> int:
        """Extend the leases; return of how many rows."""
        return self.update(**dict.fromkeys(self.lease_columns, until), **changes)

    def release(self, *, until: datetime | None = None, **changes: Any) -> int:
        """Have these rows held by nobody; return how many. They are overdue after `until`, if that is given."""
        free = dict.fromkeys(self.lease_columns, None) | self._owned_by(None)
        return self.update(**free | {"lease_until": until} | changes)

    def overdue(self, *, now: datetime) -> Self:
        """Return the rows whose leases ran out, oldest first, locked; those that others have locked are left out."""
        return self.filter(lease_until__lte=now).order_by("lease_until").select_for_update(skip_locked=True)

    def repeat_overdue(self, times: LeaseTimes, *, now: datetime) -> list[Any]:
        """Extend the leases of overdue rows, whose messages are sent once more; return their primary keys."""
        keys = list(self.overdue(now=now).values_list("pk", flat=True)[: times.batch])
        self.model._default_manager.filter(pk__in=keys).update(lease_until=now + times.repeat_after)
        return keys

    def _owned_by(self, owner: Any) -> dict[str, Any]:
        return {} if self.owner_column is None else {self.owner_column: owner}
