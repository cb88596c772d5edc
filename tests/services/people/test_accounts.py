"""What the first start leaves in an empty database."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from timers.lifecycle import TimerStatus
from timers.models import Collection, Timer
from timers.services import demo
from timers.services.people import accounts, tokens

pytestmark = pytest.mark.django_db


def test_the_first_account_is_an_administrator_with_a_working_token(now: datetime) -> None:
    account = accounts.make_first(now=now)

    assert account is not None
    user = get_user_model().objects.get(username=account.username)
    assert user.is_superuser
    assert user.check_password(account.password)
    token = tokens.authenticate_token(account.token, now=now)
    assert token is not None
    assert token.owner == user


def test_a_second_account_is_not_made(owner: Any, now: datetime) -> None:
    assert accounts.make_first(now=now) is None


def test_what_the_operator_chose_is_used(settings: Any, now: datetime) -> None:
    settings.TIMERS_ADMIN_USERNAME = "ana"
    settings.TIMERS_ADMIN_PASSWORD = "chosen by the operator"
    settings.TIMERS_ADMIN_TOKEN = "a-token-chosen-by-the-operator"

    account = accounts.make_first(now=now)

    assert account == accounts.FirstAccount("ana", "chosen by the operator", "a-token-chosen-by-the-operator")


def test_the_demo_is_harmless_when_repeated(settings: Any, admin: Any, now: datetime, tmp_path: Path) -> None:
    settings.TIMERS_LOCAL_ROOTS = (tmp_path,)
    settings.TIMERS_DEMO_TARGET = "http://127.0.0.1:8000/demo/echo"
    made = demo.load(now=now)
    changed = tmp_path / "demo-instrument" / "share" / "godata" / "file1.txt"
    changed.write_text("changed by somebody")

    again = demo.load(now=now)

    assert again == []
    assert Timer.objects.count() == len(made) == 4
    assert Timer.objects.filter(status=TimerStatus.PAUSED).count() == 1
    assert Collection.objects.filter(entity_type="GCSv5_mapped_collection").count() == 2
    assert changed.read_text() == "changed by somebody"
