"""What is kept between executions is forgotten between tests, whose databases use numbers again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from timers.services import instructions


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    instructions.forget()
    yield
    instructions.forget()
