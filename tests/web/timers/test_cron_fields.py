"""The cron builder and the text of the expression keep in step, both ways."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from tests.web.conftest import fields_of_webhook
from timers.models import Timer

pytestmark = pytest.mark.django_db
DAILY = {"cron_pattern": "daily", "cron_at": "09:00", "cron_shown_for": "0 0 9 * * ?", "expression": "0 0 9 * * ?"}


def preview(browser: Client, **fields: Any) -> str:
    data = fields_of_webhook(when="cron", **{**DAILY, **fields})
    return browser.post("/timers/new/preview/", data, headers={"HX-Request": "true"}).content.decode()


def test_what_is_picked_changes_the_text(owners_browser: Client) -> None:
    part = preview(owners_browser, cron_pattern="weekly", cron_weekdays=["MON", "WED"], cron_at="06:15")

    assert re.search(r'id="expression"[^>]* value="0 15 6 \? \* MON,WED"[^>]* hx-swap-oob="true"', part)
    assert 'name="cron_shown_for" value="0 15 6 ? * MON,WED" hx-swap-oob="true"' in part
    assert "Every Monday and Wednesday at 06:15" in part
    assert 'id="cron-builder"' not in part


def test_what_is_typed_changes_what_is_picked(owners_browser: Client) -> None:
    part = preview(owners_browser, expression="0 30 4 L * ?")

    assert 'id="cron-builder" hx-swap-oob="true"' in part
    assert 'value="monthly" checked' in part
    assert '<option value="L" selected>' in part
    assert 'id="expression"' not in part


@pytest.mark.parametrize("expression", ["", "hello", "0 0 9 31 2 ? *"])
def test_what_cannot_be_read_leaves_the_choices_alone(owners_browser: Client, expression: str) -> None:
    part = preview(owners_browser, expression=expression)

    assert "hx-swap-oob" in part  # the sentences about policies
    assert 'id="cron-builder"' not in part
    assert 'id="expression"' not in part


def test_other_choices_for_the_same_rule_stay(owners_browser: Client) -> None:
    custom = {f"cron_field_{place}": field for place, field in enumerate(("0", "0", "9", "*", "*", "?"))}

    part = preview(owners_browser, cron_pattern="custom", **custom)

    assert 'id="cron-builder"' not in part
    assert 'id="expression"' not in part


def test_without_a_script_what_is_picked_is_saved(owners_browser: Client) -> None:
    fields = {**DAILY, "cron_pattern": "monthly", "cron_on": "nth", "cron_nth": "2", "cron_weekday": "TUE"}

    answer = owners_browser.post("/timers/new/", fields_of_webhook(when="cron", **fields))

    assert answer.status_code == 302
    definition = Timer.objects.get().definition
    assert definition is not None
    assert definition.schedule["expression"] == "0 0 9 ? * TUE#2"


def test_a_text_that_was_changed_wins(owners_browser: Client) -> None:
    fields = {**DAILY, "cron_pattern": "weekly", "cron_weekdays": ["FRI"], "expression": "0 0 7 * * ?"}

    owners_browser.post("/timers/new/", fields_of_webhook(when="cron", **fields))

    definition = Timer.objects.get().definition
    assert definition is not None
    assert definition.schedule["expression"] == "0 0 7 * * ?"


@pytest.mark.parametrize(
    "nonsense",
    [
        {"cron_at": "99:99"},
        {"cron_pattern": "yearly"},
        {"cron_step": "x"},
        {"cron_pattern": "hourly", "cron_minute": "²"},
        {"cron_pattern": "custom", "cron_field_0": "a b c" * 200},
        {"cron_pattern": "monthly", "cron_on": "99"},
    ],
)
def test_nonsense_is_answered_calmly(owners_browser: Client, nonsense: dict[str, str]) -> None:
    assert (
        owners_browser.post("/timers/new/preview/", fields_of_webhook(when="cron", **{**DAILY, **nonsense})).status_code
        == 200
    )
    assert owners_browser.post("/timers/new/", fields_of_webhook(when="cron", **{**DAILY, **nonsense})).status_code in (
        200,
        302,
    )
