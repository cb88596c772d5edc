"""Two collections to copy between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.factories import make_collection
from timers.models import Collection


@pytest.fixture
def places(tmp_path: Path, settings: Any, owner: Any) -> tuple[Collection, Collection]:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    return make_collection(owner, tmp_path / "a"), make_collection(owner, tmp_path / "b")
