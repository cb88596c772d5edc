"""Two folders to copy between."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.engine.copier.transferring import Bench
from tests.factories import make_collection
from timers.copying import packs


@pytest.fixture
def rows_of_their_own(monkeypatch: Any) -> None:
    """Give every file a row of its own, as only larger ones have."""
    monkeypatch.setattr(packs, "SMALL", -1)


@pytest.fixture
def bench(tmp_path: Path, settings: Any, owner: Any, now: datetime) -> Bench:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    return Bench(owner, make_collection(owner, here), make_collection(owner, there), here, there, now)
