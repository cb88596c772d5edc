"""Guessing passwords is slow at every page that takes one, whatever the spelling of the name, and is on record."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

PAGES = ("/login/", "/admin/login/")
WRONG, RIGHT = "wrong-password", "hunter-hunter-2"


@pytest.fixture(autouse=True)
def known(owner: Any) -> Any:
    owner.set_password(RIGHT)
    owner.is_staff = owner.is_superuser = True
    owner.save()
    return owner


def log_in(page: str, username: str, password: str, address: str = "192.0.2.1") -> Any:
    return Client().post(page, {"username": username, "password": password}, REMOTE_ADDR=address)


@pytest.mark.parametrize("page", PAGES)
def test_ten_wrong_passwords_are_answered_and_then_not_even_the_right_one(page: str) -> None:
    assert [log_in(page, "owner", WRONG).status_code for _ in range(10)] == [200] * 10

    refused = log_in(page, "owner", RIGHT)

    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 300
    assert "Too many wrong passwords" in refused.content.decode()
    assert log_in(page, "owner", RIGHT, address="192.0.2.2").status_code == 302


def test_both_pages_count_together_and_other_spellings_of_the_name_count_for_it() -> None:
    for name in ("owner", "OWNER", "ｏｗｎｅｒ", " owner ", "Owner"):
        for page in PAGES:
            log_in(page, name, WRONG)

    assert log_in("/login/", "owner", RIGHT).status_code == 429


def test_many_names_from_one_address_are_slowed_down_too() -> None:
    for number in range(100):
        log_in("/login/", f"user{number}", WRONG)

    assert log_in("/login/", "owner", RIGHT).status_code == 429


def test_a_log_in_that_works_clears_the_name_and_does_not_count() -> None:
    for _ in range(15):
        for _ in range(6):
            log_in("/login/", "owner", WRONG)
        assert log_in("/login/", "owner", RIGHT).status_code == 302


def test_a_failed_log_in_is_on_record_with_name_and_address_and_without_the_password(caplog: Any) -> None:
    with caplog.at_level(logging.WARNING):
        log_in("/login/", "owner", WRONG)

    (record,) = [record for record in caplog.records if getattr(record, "event", "") == "login.failed"]
    assert (record.user, record.address) == ("owner", "192.0.2.1")
    assert WRONG not in caplog.text
