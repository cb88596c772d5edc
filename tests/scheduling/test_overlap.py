"""What becomes of an occurrence that meets one that is not done."""

from __future__ import annotations

import pytest

from timers.scheduling.overlap import Decision, OverlapPolicy, decide

START, QUEUE, SKIP, CANCEL = Decision.START, Decision.QUEUE, Decision.SKIP, Decision.CANCEL_AND_START


@pytest.mark.parametrize("policy", OverlapPolicy)
def test_it_starts_when_nothing_is_in_its_way(policy: OverlapPolicy) -> None:
    assert decide(policy, running=0, waiting=0) is START


@pytest.mark.parametrize(("policy", "running", "waiting", "decision"), [
    ("skip", 1, 0, SKIP), ("skip", 0, 1, SKIP), ("skip", 3, 3, SKIP),
    ("queue_one", 1, 0, QUEUE), ("queue_one", 1, 1, SKIP), ("queue_one", 0, 1, SKIP), ("queue_one", 2, 0, QUEUE),
    ("queue_all", 1, 0, QUEUE), ("queue_all", 1, 99, QUEUE), ("queue_all", 1, 100, SKIP), ("queue_all", 0, 1, QUEUE),
    ("cancel_previous", 1, 0, CANCEL), ("cancel_previous", 0, 1, CANCEL), ("cancel_previous", 2, 5, CANCEL),
    ("allow", 1, 0, START), ("allow", 1_000, 1_000, START),
])  # fmt: skip
def test_each_policy_decides_in_its_way(policy: str, running: int, waiting: int, decision: Decision) -> None:
    assert decide(OverlapPolicy(policy), running=running, waiting=waiting) is decision
