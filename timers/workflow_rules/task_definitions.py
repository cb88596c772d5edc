"""Definitions of tasks: how often a failed one is tried again, and how long its worker may take or be silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from timers.errors import Invalid
from timers.workflow_rules import field_readers

MAX_RETRIES = 10_000
MAX_DELAY_SECONDS = 30 * 86_400
DEFAULT_RETRIES = 3
DEFAULT_DELAY = 60
DEFAULT_RESPONSE_TIMEOUT = 3_600


class RetryLogic(StrEnum):
    """How the delay grows from one retry to the next."""

    FIXED = "FIXED"
    LINEAR_BACKOFF = "LINEAR_BACKOFF"
    EXPONENTIAL_BACKOFF = "EXPONENTIAL_BACKOFF"


class TimeoutPolicy(StrEnum):
    """What a task that takes longer than `timeoutSeconds` comes to."""

    RETRY = "RETRY"
    TIME_OUT_WF = "TIME_OUT_WF"
    ALERT_ONLY = "ALERT_ONLY"


@dataclass(frozen=True)
class RetryRule:
    """How patiently a task is tried; the values here are those of a task that nobody defined."""

    retries: int = 0
    delay_seconds: int = 0
    logic: RetryLogic = RetryLogic.FIXED
    scale: int = 1
    response_timeout_seconds: int = DEFAULT_RESPONSE_TIMEOUT
    timeout_seconds: int = 0
    timeout_policy: TimeoutPolicy = TimeoutPolicy.TIME_OUT_WF
    template: Mapping[str, Any] = field(default_factory=dict)
    """Inputs where neither the workflow nor its references give any."""

    def delay(self, retry: int) -> int:
        """Return the seconds before retry number `retry`, counted from 1."""
        if self.logic is RetryLogic.LINEAR_BACKOFF:
            return min(MAX_DELAY_SECONDS, self.delay_seconds * self.scale * retry)
        if self.logic is RetryLogic.EXPONENTIAL_BACKOFF:
            return min(MAX_DELAY_SECONDS, self.delay_seconds * 2 ** min(retry - 1, 32))
        return self.delay_seconds


UNDEFINED = RetryRule()


def read(document: object) -> tuple[str, RetryRule]:
    """Return the name that a document defines, and its patience; raises Invalid naming the field."""
    if not isinstance(document, Mapping):
        raise Invalid({"": "A task definition is an object with a name."})
    name = field_readers.name(document.get("name"), "name")
    given = {key: value for key, value in document.items() if value is not None}
    return name, RetryRule(
        retries=field_readers.whole(given.get("retryCount", DEFAULT_RETRIES), "retryCount", least=0, most=MAX_RETRIES),
        delay_seconds=field_readers.whole(
            given.get("retryDelaySeconds", DEFAULT_DELAY), "retryDelaySeconds", least=0, most=MAX_DELAY_SECONDS
        ),
        logic=_word(given.get("retryLogic", RetryLogic.FIXED), "retryLogic", RetryLogic),
        scale=field_readers.whole(given.get("backoffScaleFactor", 1), "backoffScaleFactor", least=1),
        response_timeout_seconds=field_readers.whole(
            given.get("responseTimeoutSeconds") or DEFAULT_RESPONSE_TIMEOUT, "responseTimeoutSeconds", least=1
        ),
        timeout_seconds=field_readers.whole(given.get("timeoutSeconds", 0), "timeoutSeconds", least=0),
        timeout_policy=_word(given.get("timeoutPolicy", TimeoutPolicy.TIME_OUT_WF), "timeoutPolicy", TimeoutPolicy),
        template=field_readers.mapping(given.get("inputTemplate"), "inputTemplate"),
    )


def _word(value: object, field: str, known: Any) -> Any:
    if value not in list(known):
        raise Invalid({field: f"Must be one of {', '.join(known)}."})
    return known(value)
