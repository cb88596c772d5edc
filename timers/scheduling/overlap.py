"""The overlap decision: an occurrence comes due while an earlier one is unfinished (docs/policies.md)."""

from __future__ import annotations

from enum import Enum, StrEnum, auto

WAITING_LIMITS = {"queue_one": 1, "queue_all": 100}
"""Maximum number of occurrences that wait behind the running one, by policy."""


class OverlapPolicy(StrEnum):
    """The values of `overlap`."""

    SKIP = "skip"
    """The new occurrence is skipped and does not count as a run."""
    QUEUE_ONE = "queue_one"
    """One occurrence may wait. While it does, later ones are skipped."""
    QUEUE_ALL = "queue_all"
    """Up to a hundred occurrences wait in planned order. Further ones are skipped."""
    CANCEL_PREVIOUS = "cancel_previous"
    """The running executions are cancelled, then the new one starts."""
    ALLOW = "allow"
    """The new one starts at once, beside the running ones."""


class Decision(Enum):
    """The decision on the occurrence."""

    START = auto()
    QUEUE = auto()
    SKIP = auto()
    CANCEL_AND_START = auto()


def decide(policy: OverlapPolicy, *, running: int, waiting: int) -> Decision:
    """Return the decision on an occurrence that is due.

    `running` is the number of the timer's executions that have begun and not ended, including those between two
    attempts. `waiting` is the number of earlier ones that have not begun.
    """
    if policy is OverlapPolicy.ALLOW or running + waiting == 0:
        return Decision.START
    if policy is OverlapPolicy.CANCEL_PREVIOUS:
        return Decision.CANCEL_AND_START
    return Decision.QUEUE if waiting < WAITING_LIMITS.get(policy, 0) else Decision.SKIP
