"""What every action must do. Inherit ActionContract, name the class and give examples."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from timers.actions.base import ACTIONS, MASK, Action, Context, Outcome, OutcomeKind
from timers.errors import ExternalError, Invalid

ENDINGS_WITHOUT_ERROR = (OutcomeKind.COMPLETED, OutcomeKind.WAITING)


def context_for(parameters: dict[str, Any], **changes: Any) -> Context:
    """Return the context of a first attempt that has ten seconds."""
    now = datetime.now(UTC)
    given: dict[str, Any] = {
        "execution_id": uuid4(),
        "timer_id": uuid4(),
        "owner_id": 1,
        "name": "an example",
        "parameters": parameters,
        "attempt": 1,
        "scheduled_for": datetime(2026, 3, 2, 12, 0, tzinfo=UTC),
        "started_at": now,
        "deadline": now + timedelta(seconds=10),
    }
    return Context(**{**given, **changes})


class ActionContract:
    """The suite. `good` is a list of bodies, `bad` a list of (body, dotted name of the field at fault).

    Override the fixture `owner` when the rights of a user count, and `runnable` and `failing` with bodies that this
    machine can carry out: one that works and one whose outside does not.
    """

    action: ClassVar[type[Action]]
    good: ClassVar[list[dict[str, Any]]]
    bad: ClassVar[list[tuple[dict[str, Any], str]]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "good_body" in metafunc.fixturenames:
            metafunc.parametrize("good_body", self.good)
        if "bad_example" in metafunc.fixturenames:
            metafunc.parametrize("bad_example", self.bad)

    @pytest.fixture
    def owner(self) -> Any:
        return None

    @pytest.fixture
    def runnable(self) -> dict[str, Any]:
        pytest.skip("This action has no example that can be carried out here.")

    @pytest.fixture
    def failing(self) -> dict[str, Any]:
        pytest.skip("This action has no example whose outside fails.")

    @pytest.fixture
    def clean(self, owner: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
        return lambda body: self.action.clean(copy.deepcopy(body), owner=owner)

    def test_it_is_found_by_its_kind(self) -> None:
        assert ACTIONS.get(self.action.kind) is self.action

    def test_it_has_words_and_an_icon_for_people(self) -> None:
        assert self.action.label.strip()
        assert self.action.icon.strip()

    def test_cleaning_leaves_the_given_body_alone(self, good_body: dict[str, Any], owner: Any) -> None:
        before = copy.deepcopy(good_body)

        self.action.clean(good_body, owner=owner)

        assert good_body == before

    def test_a_clean_body_is_json_and_stays_as_it_is(self, good_body: dict[str, Any], clean: Any) -> None:
        cleaned = clean(good_body)

        assert json.loads(json.dumps(cleaned)) == cleaned
        assert clean(cleaned) == cleaned

    def test_a_bad_body_names_the_field_at_fault(self, bad_example: tuple[dict[str, Any], str], clean: Any) -> None:
        body, name = bad_example

        with pytest.raises(Invalid) as caught:
            clean(body)

        assert name in caught.value.fields
        assert all(text.endswith(".") for texts in caught.value.fields.values() for text in texts)

    def test_an_unknown_field_is_refused(self, good_body: dict[str, Any], clean: Any) -> None:
        with pytest.raises(Invalid) as caught:
            clean({**good_body, "no_such_field": 1})

        assert "no_such_field" in caught.value.fields

    def test_secrets_leave_and_return(self, good_body: dict[str, Any], clean: Any) -> None:
        cleaned = clean(good_body)

        masked, secrets = self.action.split_secrets(cleaned)

        assert not any(secret in json.dumps(masked) for secret in secrets.values() if secret != MASK)
        assert self.action.join_secrets(masked, secrets) == cleaned
        assert self.action.join_secrets(masked, {}) == masked

    def test_a_masked_secret_is_named_and_stays_masked(self, good_body: dict[str, Any], clean: Any) -> None:
        masked, secrets = self.action.split_secrets(clean(good_body))

        assert self.action.split_secrets(masked) == (masked, dict.fromkeys(secrets, MASK))

    def test_a_masked_body_can_be_saved_again(self, good_body: dict[str, Any], clean: Any) -> None:
        masked, _ = self.action.split_secrets(clean(good_body))

        assert clean(masked) == masked

    def test_the_summary_is_one_line_without_secrets(self, good_body: dict[str, Any], clean: Any) -> None:
        cleaned = clean(good_body)
        _, secrets = self.action.split_secrets(cleaned)

        summary = self.action.summary(cleaned)

        assert summary.strip()
        assert "\n" not in summary
        assert not any(secret in summary for secret in secrets.values() if secret != MASK)

    def test_running_ends_well_and_the_outcome_can_be_stored(self, runnable: dict[str, Any], clean: Any) -> None:
        outcome = self.action().run(context_for(clean(runnable)))

        assert outcome.ending in ENDINGS_WITHOUT_ERROR
        assert outcome.error_message is None
        _assert_storable(outcome)

    def test_a_fault_of_the_outside_has_a_reason_and_a_sentence(self, failing: dict[str, Any], clean: Any) -> None:
        try:
            outcome = self.action().run(context_for(clean(failing)))
        except ExternalError as error:
            assert error.reason
            assert error.message
        else:
            assert outcome.ending is OutcomeKind.FAILED
            assert outcome.failure_reason
            assert outcome.error_message
            _assert_storable(outcome)


def _assert_storable(outcome: Outcome) -> None:
    for document in (outcome.result, outcome.details):
        assert document is None or json.loads(json.dumps(document, allow_nan=False)) == document
        assert "\\u0000" not in json.dumps(document)
