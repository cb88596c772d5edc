"""What every channel must do. Inherit ChannelContract, name the class, give examples and a real other side."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import pytest

from timers.channels.base import CHANNELS, Channel, Delivery, clean, split
from timers.errors import ExternalError, Invalid

NOTICE = UUID("11111111-2222-4333-8444-555555555555")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def delivery(target: str, **changes: Any) -> Delivery:
    """Return an attempt to tell `target` that a timer failed."""
    given = {
        "id": NOTICE,
        "target": target,
        "type": "timer.failed",
        "subject": "Timer Zürich failed: ∞",
        "text": "The timer Zürich failed.\n\nPlanned for: …\n",
        "data": {"name": "Zürich", "attempt": 3},
        "created_at": NOON,
        "sent_at": NOON,
    }
    return Delivery(**{**given, **changes})


class ChannelContract:
    """The suite. `good` and `bad` are words of a policy `notify`.

    The fixtures name targets that take what they are given, refuse it for good, refuse it for now and cannot be
    reached; `arrived` returns (identifier, subject, text) of everything that was taken.
    """

    channel: ClassVar[type[Channel]]
    good: ClassVar[list[str]]
    bad: ClassVar[list[str]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        for name, examples in (("good_word", self.good), ("bad_word", self.bad)):
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, examples)

    @pytest.fixture
    def taking(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def refusing(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def moody(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def unreachable(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def arrived(self) -> Callable[[], list[tuple[str, str, str]]]:
        raise NotImplementedError

    def test_it_is_found_by_its_kind_and_has_words_for_people(self) -> None:
        assert CHANNELS.get(self.channel.kind) is self.channel
        assert self.channel.label.strip()

    def test_a_word_is_stored_as_one_that_means_the_same(self, good_word: str) -> None:
        stored = clean(f" {good_word} ", owner=None)

        assert clean(stored, owner=None) == stored
        assert split(stored) == split(good_word)
        assert split(stored)[0] == self.channel.kind

    def test_a_word_that_leads_nowhere_is_refused_with_a_sentence(self, bad_word: str) -> None:
        with pytest.raises(Invalid) as caught:
            clean(bad_word, owner=None)

        assert caught.value.fields[""][0].endswith(".")

    def test_what_is_handed_over_arrives_whole(self, taking: str, arrived: Any) -> None:
        self.channel().deliver(delivery(taking))

        ((_, subject, text),) = arrived()
        assert subject == "Timer Zürich failed: ∞"
        assert text.strip() == "The timer Zürich failed.\n\nPlanned for: …"

    def test_who_gets_it_twice_can_tell(self, taking: str, arrived: Any) -> None:
        for _ in range(2):
            self.channel().deliver(delivery(taking))

        first, second = arrived()
        assert first[0] == second[0]
        assert str(NOTICE) in first[0]

    def test_a_refusal_for_good_is_not_worth_another_attempt(self, refusing: str, arrived: Any) -> None:
        with pytest.raises(ExternalError) as caught:
            self.channel().deliver(delivery(refusing))

        assert not caught.value.retryable
        assert arrived() == []

    def test_a_refusal_for_now_is(self, moody: str) -> None:
        with pytest.raises(ExternalError) as caught:
            self.channel().deliver(delivery(moody))

        assert caught.value.retryable

    def test_so_is_an_other_side_that_is_away(self, unreachable: str) -> None:
        with pytest.raises(ExternalError) as caught:
            self.channel().deliver(delivery(unreachable))

        assert caught.value.retryable
        assert caught.value.message
