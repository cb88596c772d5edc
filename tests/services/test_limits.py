"""Limits: exact over many processes and threads, without a double share at a window's edge, each subject by itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timers.errors import TooMany
from timers.models import LimitCounter
from timers.services import limits
from timers.services.limits import Limit

pytestmark = pytest.mark.django_db

TEN = Limit("tests", 10, 300, "tries")


def passes(subject: str, now: datetime, limit: Limit = TEN) -> bool:
    try:
        limits.take(limit, subject, now=now)
    except TooMany:
        return False
    return True


def test_ten_are_allowed_and_the_eleventh_says_when_the_next_may_come(now: datetime) -> None:
    assert all(passes("a", now) for _ in range(10))
    with pytest.raises(TooMany) as caught:
        limits.take(TEN, "a", now=now)

    assert caught.value.message == "Too many tries: 10 are allowed in 5 minutes."
    assert 0 < caught.value.retry_after <= 300
    assert passes("b", now)
    assert passes("a", now + timedelta(minutes=10))


def test_what_is_given_back_does_not_count(now: datetime) -> None:
    for _ in range(50):
        limits.take(TEN, "a", now=now)
        limits.give_back(TEN, "a", now=now)

    assert passes("a", now)


def test_counters_that_count_no_more_are_deleted_by_the_next_one(now: datetime) -> None:
    assert passes("a", now)
    assert passes("b", now + timedelta(days=1))

    assert LimitCounter.objects.count() == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(0, 90), min_size=1, max_size=60))
def test_no_span_of_time_has_much_more_than_the_limit(now: datetime, pauses: list[float]) -> None:
    LimitCounter.objects.all().delete()
    instant, passed = now, []
    for pause in pauses:
        instant += timedelta(seconds=pause)
        if passes("a", instant):
            passed.append(instant)

    for first in passed:
        within = [one for one in passed if first <= one < first + timedelta(seconds=TEN.seconds)]
        assert len(within) <= 2 * TEN.most - 1
    assert len(passed) >= min(len(pauses), TEN.most)


@pytest.mark.django_db(transaction=True)
def test_no_hit_is_lost_between_threads(now: datetime) -> None:
    def hits(_: Any) -> int:
        try:
            return sum(passes("a", now) for _ in range(20))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(hits, range(4))) == 10
