"""Policies in sentences: what becomes of a run in the way, of missed ones, and of failures."""

from __future__ import annotations

from timers import formatting
from timers.scheduling.catchup import CatchUpPolicy
from timers.scheduling.overlap import OverlapPolicy
from timers.scheduling.policies import Policies

_OVERLAPS = {
    OverlapPolicy.SKIP: "A run that comes while the last one still runs is left out",
    OverlapPolicy.QUEUE_ONE: "One run waits while the last one still runs",
    OverlapPolicy.QUEUE_ALL: "Runs wait in order while the last one still runs",
    OverlapPolicy.CANCEL_PREVIOUS: "A new run stops the last one",
    OverlapPolicy.ALLOW: "Runs may overlap",
}
_CATCH_UPS = {
    CatchUpPolicy.LATEST: "the last one missed while the service was down is made up for",
    CatchUpPolicy.ALL: "all that were missed while the service was down are made up for",
    CatchUpPolicy.NONE: "what was missed while the service was down is left out",
}


def describe(policies: Policies) -> str:
    """Return the policies in a few sentences."""
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
    said = []
    if policies.jitter_seconds:
        said.append(f"The start is spread over {formatting.duration_words(policies.jitter_seconds)}.")
    if policies.pause_after_failures:
        said.append(f"It is paused after {formatting.count_of(policies.pause_after_failures, 'failure')} in a row.")
    if policies.notify:
        told = len(policies.notify)
        said.append("One address is told how it went." if told == 1 else f"{told} addresses are told how it went.")
    return said
