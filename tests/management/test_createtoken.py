"""`manage.py createtoken` and `createkey`."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from timers import clock
from timers.models import Token
from timers.services.people import tokens


def output(*arguments: str) -> str:
    stdout = io.StringIO()
    call_command(*arguments, stdout=stdout)
    return stdout.getvalue()


def test_the_token_alone_is_printed(owner: Any) -> None:
    printed = output("createtoken", "owner", "--name", "backup", "--days", "30")

    assert printed.count("\n") == 1
    token = tokens.authenticate_token(printed.strip(), now=clock.now())
    assert token == Token.objects.get()
    assert token.name == "backup"
    assert token.expires_at == token.created_at + timedelta(days=30)


def test_the_pair_is_printed_as_json(owner: Any) -> None:
    pair = json.loads(output("createkey", "owner"))

    assert set(pair) == {"client_id", "client_secret"}
    key = tokens.authenticate_key(pair["client_id"], pair["client_secret"], now=clock.now())
    assert key is not None
    assert key.owner == owner


@pytest.mark.parametrize("command", ["createtoken", "createkey"])
def test_an_unknown_user_is_one_sentence(db: None, command: str) -> None:
    with pytest.raises(CommandError, match=r"^There is no user 'nobody'\.$") as caught:
        output(command, "nobody")
    assert caught.value.returncode == 1


@pytest.mark.parametrize("arguments", [("--days", "0"), ("--name", "")])
def test_what_cannot_work_is_one_sentence(owner: Any, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        output("createtoken", "owner", *arguments)
    assert not Token.objects.exists()
