"""Hand-written SQL and its connection."""

from __future__ import annotations

import pytest
from django.db import connection

from timers.models import sql


@pytest.mark.django_db(transaction=True)
def test_a_lone_question_outlives_a_connection_that_went_away() -> None:
    if not sql.on_postgresql():
        pytest.skip("The connection of an SQLite file does not go away.")
    ((before,),) = sql.ask("select pg_backend_pid()")
    assert connection.connection is not None
    connection.connection.close()

    ((after,),) = sql.ask("select pg_backend_pid()")

    assert before != after
