"""An action whose doings each test supplies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from timers.actions.base import ACTIONS, Action, Context, Defaults, Outcome


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> type[Probe]:
    """An action whose doings the test supplies: `probe.doings["name"] = function of the context`."""
    Probe.doings = {}
    monkeypatch.setitem(ACTIONS._entries, "probe", Probe)
    return Probe


class Probe(Action):
    kind = "probe"
    label = "Probe"
    icon = "probe"
    defaults = Defaults(max_attempts=1, timeout_seconds=60.0)
    doings: ClassVar[dict[str, Callable[[Context], Outcome | None]]] = {}

    @classmethod
    def clean(cls, body: Mapping[str, Any], *, owner: Any) -> dict[str, Any]:
        return dict(body)

    def run(self, context: Context) -> Outcome:
        return self.doings[context.parameters["do"]](context) or Outcome.completed()
