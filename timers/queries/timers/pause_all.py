"""What is paused as a whole, for the top of every page and for the page about scheduling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timers.models import SchedulingPause


@dataclass(frozen=True)
class Pauses:
    """The reader's own pause of everything, and everybody's; either may be missing."""

    own: SchedulingPause | None
    everybody: SchedulingPause | None

    @property
    def paused(self) -> bool:
        return self.any is not None

    @property
    def any(self) -> SchedulingPause | None:
        """Return the pause to tell of first: everybody's."""
        return self.everybody or self.own


def pauses(user: Any) -> Pauses:
    """Return what keeps the reader's timers from running, from one query."""
    found = {pause.owner_id: pause for pause in SchedulingPause.objects.that_stop(user).select_related("by")}
    return Pauses(own=found.get(user.pk), everybody=found.get(None))
