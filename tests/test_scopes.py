"""Scopes as text and as trees."""

from __future__ import annotations

import pytest

from timers import scopes
from timers.errors import Invalid
from timers.scopes import TIMERS, TRANSFER, Scope, data_access, parse

A, B = data_access("a"), data_access("b")


def test_a_text_is_read_as_trees() -> None:
    text = f"{TIMERS}[{TRANSFER}[*{A} *{B}]] openid"

    found = parse(text)

    files = (Scope(A, optional=True), Scope(B, optional=True))
    assert found == (Scope(TIMERS, needs=(Scope(TRANSFER, needs=files),)), Scope("openid"))
    assert " ".join(map(str, found)) == text


def test_what_is_named_twice_is_joined() -> None:
    assert parse(f"{TRANSFER} {TRANSFER}[*{A}] {TRANSFER}[{A}]") == (Scope(TRANSFER, needs=(Scope(A),)),)


def test_every_scope_has_a_path_from_its_root() -> None:
    found = list(scopes.paths(parse(f"{TIMERS}[{TRANSFER}[*{A}]] openid")))

    assert found == [(TIMERS,), (TIMERS, TRANSFER), (TIMERS, TRANSFER, A), ("openid",)]


@pytest.mark.parametrize(
    ("name", "server"),
    [
        ("openid", "auth.globus.org"),
        ("urn:globus:auth:scope:auth.globus.org:view_identity_set", "auth.globus.org"),
        (TRANSFER, "transfer.api.globus.org"),
        (TIMERS, "524230d7-ea86-4a52-8312-86065a9e0417"),
        ("https://auth.globus.org/scopes/actions.globus.org/transfer/transfer", "actions.globus.org"),
        ("https://auth.globus.org/scopes/eec9b274-0c81-4334-bdc2-54e90e689b9a/all", scopes.FLOWS_SERVER),
        ("nonsense", None),
        ("https://example.org/scopes/a/b", None),
        (f"https://auth.globus.org/scopes/a/{'b' * 200}", None),
    ],
)
def test_a_scope_addresses_one_server(name: str, server: str | None) -> None:
    assert scopes.server_of(name) == server


def test_scopes_are_grouped_by_server_with_the_identities_first() -> None:
    assert list(scopes.by_server([TIMERS, TRANSFER, "openid", "email", TIMERS]).items()) == [
        ("auth.globus.org", ["openid", "email"]),
        (scopes.TIMERS_SERVER, [TIMERS]),
        (scopes.TRANSFER_SERVER, [TRANSFER]),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[openid]",
        "openid]",
        "openid[",
        f"{TIMERS}[{TRANSFER}",
        "openid" + "[openid" * 9 + "]" * 9,
        "x" * 20_000,
    ],
)
def test_a_text_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="scope"):
        parse(text)
