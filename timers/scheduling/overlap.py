"""What happens to an occurrence that comes due while the last one is still at it (docs/policies.md)."""

from __future__ import annotations

from enum import Enum, StrEnum, auto

WAITING_LIMITS = {"queue_one": 1, "queue_all": 100}
"""How many occurrences may wait in front of the running one, by policy."""


class OverlapPolicy(StrEnum):
    """The values of `overlap`."""

    SKIP = "skip"
    """The new occurrence is left out; it does not count as a run."""
    QUEUE_ONE = "queue_one"
    """One occurrence may wait; while it does, later ones are left out."""
    QUEUE_ALL = "queue_all"
    """Occurrences wait in planned order, up to a hundred; beyond that they are left out."""
    CANCEL_PREVIOUS = "cancel_previous"
    """What runs is asked to stop, then the new one starts."""
    ALLOW = "allow"
    """The new one starts at once, beside what runs."""


class Decision(Enum):
    """What to do with the occurrence."""

    START = auto()
    QUEUE = auto()
    SKIP = auto()
    CANCEL_AND_START = auto()


def decide(policy: OverlapPolicy, *, running: int, waiting: int) -> Decision:
    """Return what becomes of an occurrence whose instant has come.

    `running` counts the timer's executions that have begun and not ended, those between two attempts too; `waiting`
    those in front of this one that have not begun.
    """
    if policy is OverlapPolicy.ALLOW or running + waiting == 0:
        return Decision.START
    if policy is OverlapPolicy.CANCEL_PREVIOUS:
        return Decision.CANCEL_AND_START
    return Decision.QUEUE if waiting < WAITING_LIMITS.get(policy, 0) else Decision.SKIP
