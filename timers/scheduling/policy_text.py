"""Policies in sentences: overlap, catch-up, attempts, and the others that are set."""

from __future__ import annotations

from timers import formatting
from timers.scheduling.catchup import CatchUpPolicy
from timers.scheduling.overlap import OverlapPolicy
from timers.scheduling.policies import Policies

_OVERLAPS = {
    OverlapPolicy.SKIP: "A run that is due while the last one still runs is skipped",
    OverlapPolicy.QUEUE_ONE: "One run waits while the last one still runs",
    OverlapPolicy.QUEUE_ALL: "Runs wait in order while the last one still runs",
    OverlapPolicy.CANCEL_PREVIOUS: "A new run stops the last one",
    OverlapPolicy.ALLOW: "Runs may overlap",
}
_CATCH_UPS = {
    CatchUpPolicy.LATEST: "the last run missed while the service was down is made up for",
    CatchUpPolicy.ALL: "all runs missed while the service was down are made up for",
    CatchUpPolicy.NONE: "runs missed while the service was down are skipped",
}


def describe(policies: Policies) -> str:
    """Return a few sentences that describe the policies."""
    return " ".join([_runs(policies), _attempts(policies), *_more(policies)])


def _runs(policies: Policies) -> str:
    window = policies.catch_up_window_seconds
    limit = (
        f", up to {formatting.duration_words(window)} late"
        if window is not None and policies.catch_up is not CatchUpPolicy.NONE
        else ""
    )
    return f"{_OVERLAPS[policies.overlap]}; {_CATCH_UPS[policies.catch_up]}{limit}."


def _attempts(policies: Policies) -> str:
    if policies.max_attempts == 1:
        return f"It is tried once{_time_limit(policies)}."
    pause = (
        f", {formatting.duration_words(policies.backoff_seconds)} apart and then twice as long each time"
        if policies.backoff_seconds
        else ""
    )
    return f"It is tried up to {formatting.count_of(policies.max_attempts, 'time')}{pause}{_time_limit(policies)}."


def _time_limit(policies: Policies) -> str:
    seconds = policies.timeout_seconds
    if seconds is None:
        return ", for as long as it takes"
    return f", for {formatting.duration_words(seconds)} at most" + ("" if policies.max_attempts == 1 else " each")


def _more(policies: Policies) -> list[str]:
    sentences = []
    if policies.jitter_seconds:
        sentences.append(f"The start is spread over {formatting.duration_words(policies.jitter_seconds)}.")
    if policies.pause_after_failures:
        sentences.append(
            f"It is paused after {formatting.count_of(policies.pause_after_failures, 'failure')} in a row."
        )
    if policies.notify:
        recipients = len(policies.notify)
        sentences.append("One address is notified." if recipients == 1 else f"{recipients} addresses are notified.")
    return sentences
