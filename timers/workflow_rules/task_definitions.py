"""Task definitions: retries of failed tasks, and time limits of their workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from timers import validation
from timers.errors import Invalid

MAX_RETRIES = 10_000
MAX_DELAY_SECONDS = 30 * 86_400
DEFAULT_RETRIES = 3
DEFAULT_DELAY_SECONDS = 60
DEFAULT_RESPONSE_TIMEOUT_SECONDS = 3_600


class RetryLogic(StrEnum):
    """Growth of the delay from one retry to the next."""

    FIXED = "FIXED"
    LINEAR_BACKOFF = "LINEAR_BACKOFF"
    EXPONENTIAL_BACKOFF = "EXPONENTIAL_BACKOFF"


class TimeoutPolicy(StrEnum):
    """Reaction to a task that takes longer than `timeoutSeconds`."""

    RETRY = "RETRY"
    TIME_OUT_WF = "TIME_OUT_WF"
    ALERT_ONLY = "ALERT_ONLY"


@dataclass(frozen=True)
class RetryRule:
    """Rule for retries and time limits of a task. The defaults are those of a task without a definition."""

    retries: int = 0
    delay_seconds: int = 0
    logic: RetryLogic = RetryLogic.FIXED
    scale: int = 1
    response_timeout_seconds: int = DEFAULT_RESPONSE_TIMEOUT_SECONDS
    timeout_seconds: int = 0
    timeout_policy: TimeoutPolicy = TimeoutPolicy.TIME_OUT_WF
    template: Mapping[str, Any] = field(default_factory=dict)
    """Default inputs, for names that the workflow does not set."""

    def delay(self, retry: int) -> int:
        """Return the delay in seconds before retry number `retry`, counted from 1."""
        if self.logic is RetryLogic.LINEAR_BACKOFF:
            return min(MAX_DELAY_SECONDS, self.delay_seconds * self.scale * retry)
        if self.logic is RetryLogic.EXPONENTIAL_BACKOFF:
            return min(MAX_DELAY_SECONDS, self.delay_seconds * 2 ** min(retry - 1, 32))
        return self.delay_seconds


UNDEFINED = RetryRule()


def read(document: object) -> tuple[str, RetryRule]:
    """Return the name of the task that a document defines, and its rule; raises Invalid naming the field."""
    if not isinstance(document, Mapping):
        raise Invalid({"": "A task definition must be an object with a name."})
    name = validation.path_name(document.get("name"), "name")
    given = {key: value for key, value in document.items() if value is not None}
    return name, RetryRule(
        retries=validation.whole(
            given.get("retryCount", DEFAULT_RETRIES), "retryCount", minimum=0, maximum=MAX_RETRIES
        ),
        delay_seconds=validation.whole(
            given.get("retryDelaySeconds", DEFAULT_DELAY_SECONDS),
            "retryDelaySeconds",
            minimum=0,
            maximum=MAX_DELAY_SECONDS,
        ),
        logic=validation.choice(given.get("retryLogic", RetryLogic.FIXED), "retryLogic", RetryLogic),
        scale=validation.whole(given.get("backoffScaleFactor", 1), "backoffScaleFactor", minimum=1),
        response_timeout_seconds=validation.whole(
            given.get("responseTimeoutSeconds") or DEFAULT_RESPONSE_TIMEOUT_SECONDS, "responseTimeoutSeconds", minimum=1
        ),
        timeout_seconds=validation.whole(given.get("timeoutSeconds", 0), "timeoutSeconds", minimum=0),
        timeout_policy=validation.choice(
            given.get("timeoutPolicy", TimeoutPolicy.TIME_OUT_WF), "timeoutPolicy", TimeoutPolicy
        ),
        template=validation.mapping(given.get("inputTemplate"), "inputTemplate"),
    )
