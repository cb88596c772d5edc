"""Over any sequence of ticks, each occurrence ends in exactly one row: run, or counted among those left out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.steps import OK, begin_due, claim_at, end, seconds
from tests.factories import make_webhook_timer
from timers.models import Execution, Schedule
from timers.services.timers import definition_cache

pytestmark = pytest.mark.django_db

# how far the clock moves before a tick (backwards too), how far ahead it claims, whether workers are awake
TICKS = st.lists(
    st.tuples(
        st.one_of(st.floats(-5, 5), st.floats(-300, 300), st.floats(0, 90_000)),
        st.sampled_from([0.0, 0.5]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)
POLICIES = st.sampled_from(
    [
        {"overlap": "allow", "catch_up": "latest"},
        {"overlap": "skip", "catch_up": "none"},
        {"overlap": "skip", "catch_up": "latest", "catch_up_window_seconds": 600},
        {"overlap": "queue_one", "catch_up": "all"},
        {"overlap": "queue_all", "catch_up": "all", "catch_up_window_seconds": 1000},
        {"overlap": "cancel_previous", "catch_up": "latest"},
    ]
)


class Undo(Exception):
    """Ends an example; its transaction is rolled back."""


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(interval=st.sampled_from([0.1, 1, 7.5, 60, 3600]), ticks=TICKS, policies=POLICIES)
def test_each_occurrence_of_an_interval_ends_in_exactly_one_row(
    owner: Any, now: datetime, interval: float, ticks: list[tuple[float, float, bool]], policies: dict[str, Any]
) -> None:
    definition_cache.forget()
    with pytest.raises(Undo), transaction.atomic():
        timer = make_webhook_timer(
            owner, schedule={"type": "recurring", "interval_seconds": interval}, policies=policies, now=now
        )
        instant = now
        for step, ahead, awake in ticks:
            instant += seconds(step)
            claim_at(instant, ahead=ahead)
            if awake:
                end(begin_due(instant), OK, instant)

        found = Execution.objects.filter(timer=timer).order_by("scheduled_for")
        following = Schedule.objects.get(pk=timer.pk).next_planned_at
        expected = now
        for row in found:
            assert row.scheduled_for == expected
            assert row.occurrences == 1 or row.status == "skipped"
            last = row.scheduled_until or row.scheduled_for
            assert round((last - row.scheduled_for) / seconds(interval)) == row.occurrences - 1
            expected = last + seconds(interval)
        assert following == expected
        assert Schedule.objects.get(pk=timer.pk).fired_count == found.exclude(status="skipped").count()
        raise Undo
