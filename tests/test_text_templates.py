"""Texts with values of a run: what they mean, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from timers.errors import Invalid
from timers.text_templates import TextTemplate, escape

AT = datetime(2026, 11, 30, 23, 5, 9, 42, tzinfo=UTC)


def render(text: str, at: datetime = AT) -> str:
    return TextTemplate.parse(text, "path", names=["planned_at"]).render({"planned_at": at})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/plain/path", "/plain/path"),
        ("/a } } { b", "/a } } { b"),
        ("{{ planned_at }}", "2026-11-30T23:05:09+00:00"),
        ('/backup/{{ planned_at|date:"%Y/%m/%d" }}/', "/backup/2026/11/30/"),
        ("/{{planned_at | date : '%F_%H%M%S'}}.tar", "/2026-11-30_230509.tar"),
        (
            '{{ planned_at|date:"%A %a %B %b %j %y %I%p %u %G-W%V %T %f %%" }}',
            "Monday Mon November Nov 334 26 11PM 1 2026-W49 23:05:09 000042 %",
        ),
        ('/a/{{ "{{" }}cookiecutter.name}}/b', "/a/{{cookiecutter.name}}/b"),
        ('{{ planned_at|date:"}}%Y" }}', "}}2026"),
    ],
)
def test_values_stand_where_their_names_stood(text: str, expected: str) -> None:
    assert render(text) == expected


def test_a_date_is_written_in_the_zone_of_its_instant_and_a_plain_instant_in_utc() -> None:
    berlin = AT.astimezone(ZoneInfo("Europe/Berlin"))

    assert render('{{ planned_at|date:"%F %H %z" }}', berlin) == "2026-12-01 00 +0100"
    assert render("{{ planned_at }}", berlin) == "2026-11-30T23:05:09+00:00"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/{{ plannedat }}", "no value plannedat"),
        ("/{{ cookiecutter.name }}", "no value cookiecutter.name"),
        ('/{{ planned_at|date:"%Q" }}', "no code %Q"),
        ('/{{ planned_at|date:"%" }}', "no code %;"),
        ('/{{ planned_at|date:"" }}', "needs a format"),
        ("/{{ planned_at|upper }}", "cannot be read"),
        ("/{{ }}", "cannot be read"),
        ("/{{ planned_at", "no }} after it"),
        ("{{" * 200_000, "no }} after it"),
    ],
)
def test_what_has_no_meaning_is_refused_by_the_name_of_its_field(text: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        render(text)

    assert list(refused.value.fields) == ["path"]
    assert words in refused.value.message


@given(st.text(alphabet="{}\"'| planed_t:%Y/"))
@example("/a/{{ planned_at }}")
@example("{{{{{")
@example('{{ "{{" }}')
def test_escaped_text_is_itself(text: str) -> None:
    assert render(escape(text)) == text


def test_the_beginning_is_what_stands_before_the_first_value() -> None:
    def beginning(text: str) -> str:
        return TextTemplate.parse(text, "path", names=["planned_at"]).beginning

    assert beginning('/kept/by day/{{ planned_at|date:"%F" }}/x') == "/kept/by day/"
    assert beginning("/kept/") == "/kept/"
    assert beginning("{{ planned_at }}/x") == ""
    assert beginning('/{{ "{{" }}/{{ planned_at }}') == "/{{/"
