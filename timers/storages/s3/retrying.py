"""Retries of single requests: a lost answer or an overloaded store does not end what was going on.

The pauses are short, because the engine tries again later what fails here.
"""

from __future__ import annotations

from random import uniform
from typing import Any

from botocore.exceptions import ConnectionError as LostConnection
from botocore.exceptions import ConnectTimeoutError, HTTPClientError, ReadTimeoutError, SSLError

MAX_TRIES = 5
MAX_SLOW_TRIES = 2
"""Number of attempts when the store does not answer in time, or no secure connection is possible."""

PAUSE_SECONDS, OVERLOAD_PAUSE_SECONDS = 0.1, 0.3
"""Longest first pause after a lost answer, and after the store said that it is overloaded; each next one is doubled."""
MAX_PAUSE_SECONDS = 5.0

_OVERLOADED_STATUSES = frozenset({429, 503})
_FAILED_STATUSES = frozenset({500, 502, 504})
_OVERLOADED_CODES = frozenset({"SlowDown", "ServiceUnavailable", "Throttling", "TooManyRequests"})
_FAILED_CODES = frozenset({"InternalError", "RequestTimeout"})


def pause_before_retry(*, response: Any, attempts: int, caught_exception: Exception | None, **_: Any) -> float | None:
    """Return the seconds to wait before the next attempt of a request; None where it is not tried again.

    The library asks this after each of the `attempts`, and waits.
    """
    if caught_exception is not None:
        return pause_seconds(attempts) if attempts < _max_tries(caught_exception) else None
    http_response, answer = response
    code = str(answer.get("Error", {}).get("Code", ""))
    if attempts >= MAX_TRIES:
        return None
    if http_response.status_code in _OVERLOADED_STATUSES or code in _OVERLOADED_CODES:
        stated = _stated_seconds(http_response.headers.get("retry-after", ""))
        return max(stated, pause_seconds(attempts, first=OVERLOAD_PAUSE_SECONDS))
    return pause_seconds(attempts) if http_response.status_code in _FAILED_STATUSES or code in _FAILED_CODES else None


def pause_seconds(attempts: int, *, first: float = PAUSE_SECONDS) -> float:
    """Return the seconds to wait after so many attempts, at random so that many callers do not return together."""
    return uniform(0.5, 1.0) * min(first * 2 ** (attempts - 1), MAX_PAUSE_SECONDS)


def _max_tries(error: Exception) -> int:
    if isinstance(error, ReadTimeoutError | ConnectTimeoutError | SSLError):
        return MAX_SLOW_TRIES
    return MAX_TRIES if isinstance(error, LostConnection | HTTPClientError) else 1


def _stated_seconds(retry_after: str) -> float:
    """Return the seconds that the store asks for, as far as somebody can wait for them here."""
    return min(float(retry_after), MAX_PAUSE_SECONDS) if retry_after.isascii() and retry_after.isdigit() else 0.0
