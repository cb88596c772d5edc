"""Registered functions run with the rights of the service: who may name one is said by its declaration."""

from __future__ import annotations

from typing import Any

import pytest

from timers.actions.code import CodeAction
from timers.code_timers import Declaration, DeclarationError, RegisteredFunction, timer
from timers.errors import Forbidden, Invalid
from timers.services.timers import code_timers

pytestmark = pytest.mark.django_db


def recount() -> None: ...


@pytest.mark.parametrize(
    ("allow", "staff", "superuser", "may"),
    [
        ("administrators", False, False, False),
        ("administrators", True, False, False),
        ("administrators", True, True, True),
        ("staff", False, False, False),
        ("staff", True, False, True),
        ("all", False, False, True),
    ],
)
def test_a_function_is_named_by_those_whom_its_declaration_allows_and_known_to_them_alone(
    monkeypatch: Any, owner: Any, allow: str, staff: bool, superuser: bool, may: bool
) -> None:
    declaration = Declaration(function=recount, name="stock.recount", allow=allow)
    entry = RegisteredFunction(name="stock.recount", declaration=declaration, module="stock")
    monkeypatch.setattr(code_timers, "registered", lambda: {"stock.recount": entry})
    owner.is_staff, owner.is_superuser = staff, superuser

    with pytest.raises(Invalid) as unknown:
        CodeAction.clean({"function": "other"}, owner=owner)
    assert ("stock.recount" in str(unknown.value)) is may
    if may:
        assert CodeAction.clean({"function": "stock.recount"}, owner=owner) == {"function": "stock.recount"}
    else:
        with pytest.raises(Forbidden):
            CodeAction.clean({"function": "stock.recount"}, owner=owner)


def test_without_a_word_a_function_is_for_administrators_and_other_words_are_refused() -> None:
    assert Declaration(function=recount, name=None).allow == "administrators"
    with pytest.raises(DeclarationError, match="allow must be"):
        timer(name="stock.recount", allow="everybody")(recount)
