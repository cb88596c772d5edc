"""Options of a transfer as lines of text."""

from __future__ import annotations

import pytest

from timers.errors import Invalid
from timers.web.timers.action_forms import option_lines


def test_rules_are_read_and_written_again() -> None:
    text = "exclude *.tmp\ninclude dir raw data*\nexclude logs/**\nexclude file /*.bak"

    rules = option_lines.read_rules(f"\n{text}\n\n")

    assert [{name: value for name, value in rule.items() if name != "DATA_TYPE"} for rule in rules] == [
        {"method": "exclude", "name": "*.tmp"},
        {"method": "include", "type": "dir", "name": "raw data*"},
        {"method": "exclude", "path": "logs/**"},
        {"method": "exclude", "type": "file", "path": "/*.bak"},
    ]
    assert option_lines.write_rules(rules) == text


def test_limits_are_read_and_written_again() -> None:
    text = "08:00-18:00 MON-FRI 5\n22:00-06:00 0.5 Europe/Berlin\n09:00-10:00 SAT,SUN 2.000001 UTC"

    limits = option_lines.read_limits(text)

    assert limits == [
        {"between": ["08:00", "18:00"], "weekdays": "MON-FRI", "max_bytes_per_second": 5_000_000},
        {"between": ["22:00", "06:00"], "max_bytes_per_second": 500_000, "timezone": "Europe/Berlin"},
        {"between": ["09:00", "10:00"], "weekdays": "SAT,SUN", "max_bytes_per_second": 2_000_001, "timezone": "UTC"},
    ]
    assert option_lines.write_limits(limits) == text
    assert option_lines.read_limits("8:00 - 18:00 5MB/s") == [
        {"between": ["8:00", "18:00"], "max_bytes_per_second": 5_000_000}
    ]


def test_metadata_is_read_and_written_again() -> None:
    metadata = option_lines.read_metadata("team: data\nlink:https://example.org")

    assert metadata == {"team": "data", "link": "https://example.org"}
    assert option_lines.write_metadata(metadata) == "team: data\nlink: https://example.org"
    assert option_lines.read_metadata(" \n") is None


@pytest.mark.parametrize("text", ["team", "team: a\nteam: b"])
def test_metadata_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        option_lines.read_metadata(text)

    assert list(refused.value.fields) == ["metadata"]
