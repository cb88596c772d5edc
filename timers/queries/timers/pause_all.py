"""The pauses of all scheduling, for the banner of every page and for the page about scheduling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timers.models import SchedulingPause


@dataclass(frozen=True)
class Pauses:
    """The pause of the reader's own timers, and the pause of everybody's; either may be None."""

    own: SchedulingPause | None
    everybody: SchedulingPause | None

    @property
    def paused(self) -> bool:
        return self.any is not None

    @property
    def any(self) -> SchedulingPause | None:
        """The pause to show: everybody's comes first."""
        return self.everybody or self.own


def pauses(user: Any) -> Pauses:
    """Return the pauses that stop the reader's timers, from one query."""
    pause_by_owner = {pause.owner_id: pause for pause in SchedulingPause.objects.that_stop(user).select_related("by")}
    return Pauses(own=pause_by_owner.get(user.pk), everybody=pause_by_owner.get(None))
