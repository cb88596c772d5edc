"""How apps get tokens, and what these open."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.test import Client

from tests.globus.conftest import (
    APP,
    BASE,
    SITE,
    VERIFIER,
    Browser,
    Caller,
    by_hand,
    redeem,
    token_request,
    tokens_for,
    wish,
)
from timers import clock
from timers.models import Consent, RegisteredApp, Token
from timers.scopes import TIMERS, TIMERS_SERVER, TRANSFER, TRANSFER_SERVER
from timers.services.people import identities
from timers.services.people import tokens as access

pytestmark = pytest.mark.django_db

AUTH_SERVER = "auth.globus.org"
BOTH = f"openid {TIMERS}[{TRANSFER}] {TRANSFER}"


def key_of(owner: Any) -> tuple[str, str]:
    key, secret = access.create_key(owner=owner, name="key", now=clock.now())
    return str(key.client_id), secret


# The page where people agree


def test_who_is_not_logged_in_logs_in_first_and_comes_back(owner: Any) -> None:
    response = Client().get(f"{BASE}/v2/oauth2/authorize", wish())

    assert response.status_code == 302
    assert response["Location"].startswith("/login/?next=/globus/v2/oauth2/authorize%3F")


def test_the_page_says_in_words_what_the_app_asks_for(owner: Any, mapped: Any) -> None:
    scope = f"{TIMERS}[{TRANSFER}[*https://auth.globus.org/scopes/{mapped[1].pk}/data_access]] openid"

    page = Browser(owner).asked(scope=scope, access_type="offline").content.decode()

    assert "manage your timers" in page
    assert "read and change files in there" in page
    assert "while you are away" in page


def test_a_code_comes_back_with_its_state_and_is_shown_for_copying(owner: Any) -> None:
    browser = Browser(owner)
    answer = browser.answer(state="any state")

    page = browser.client.get(f"{BASE}/v2/web/auth-code", answer).content.decode()

    assert answer["state"] == "any state"
    assert f'id="auth-code">{answer["code"]}<' in page
    assert "<script>" not in browser.client.get(f"{BASE}/v2/web/auth-code", {"code": "<script>"}).content.decode()


def test_who_refuses_gives_nothing(owner: Any) -> None:
    answer = Browser(owner).answer("deny")

    assert (answer["error"], answer["state"]) == ("access_denied", "_default")
    assert not Token.objects.exists()
    assert not Consent.objects.exists()


@pytest.mark.parametrize("place", ["http://localhost:8765", "http://127.0.0.1:1/path", "http://[::1]:5000/"])
def test_a_program_on_the_readers_machine_may_be_answered(owner: Any, place: str) -> None:
    page = Browser(owner).asked(redirect_uri=place)

    origin = "/".join(place.split("/")[:3])
    assert page.status_code == 200
    assert f"form-action 'self' {origin};" in page["Content-Security-Policy"] + ";"


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://example.org/"},
        {"redirect_uri": "http://localhost.example.org/"},
        {"redirect_uri": "http://user@localhost:1/"},
        {"redirect_uri": "not a place"},
        {"client_id": "nonsense"},
        {"client_id": ""},
        {"scope": "nonsense"},
        {"scope": f"{TIMERS}["},
        {"code_challenge": ""},
        {"code_challenge_method": "plain"},
        {"response_type": "token"},
        {"state": "\0"},
        {"nonce": "\0"},
    ],
)
def test_a_request_that_cannot_be_trusted_leads_nowhere(owner: Any, changes: dict[str, str]) -> None:
    page = Browser(owner).asked(**changes)

    assert page.status_code == 400
    assert 'role="alert"' in page.content.decode()


def test_an_app_that_asks_for_a_new_login_gets_one_unless_the_last_is_fresh(owner: Any) -> None:
    browser = Browser(owner)
    fresh = browser.asked(prompt="login")
    owner.last_login = clock.now() - timedelta(hours=1)
    owner.save()

    assert fresh.status_code == 200
    assert browser.asked(prompt="login")["Location"].startswith("/login/")


# Codes


def test_a_code_is_exchanged_for_one_token_per_server(owner: Any) -> None:
    code = Browser(owner).answer(scope=BOTH)["code"]

    response = redeem(code)

    answer = response.json()
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    assert (answer["resource_server"], answer["scope"], answer["state"]) == (AUTH_SERVER, "openid", "_default")
    assert {each["resource_server"]: each["scope"] for each in answer["other_tokens"]} == {
        TIMERS_SERVER: TIMERS,
        TRANSFER_SERVER: TRANSFER,
    }
    assert "refresh_token" not in answer
    assert answer["expires_in"] == 172_800


def test_no_token_is_kept_in_clear(owner: Any) -> None:
    code = Browser(owner).answer(scope=BOTH, access_type="offline")["code"]
    answer = redeem(code).json()

    given = [each[kind] for each in (answer, *answer["other_tokens"]) for kind in ("access_token", "refresh_token")]

    kept = [str(row) for row in Token.objects.values()]
    assert len(given) == 6
    assert not any(text in row for text in (*given, code) for row in kept)


def test_a_code_serves_once_and_for_its_app_alone(owner: Any) -> None:
    browser = Browser(owner)
    code = browser.answer()["code"]
    wrong = {
        "another app": redeem(code, client_id="bc77d044-1f42-46cc-9702-87f756cd08a6"),
        "a wrong verifier": redeem(code, code_verifier=VERIFIER[::-1]),
        "another place": redeem(code, redirect_uri="http://localhost:1"),
    }
    first, second = redeem(code), redeem(code)

    assert {name: response.status_code for name, response in wrong.items()} == dict.fromkeys(wrong, 400)
    assert (first.status_code, second.status_code) == (200, 400)
    assert second.json()["error"] == "invalid_grant"


def test_a_code_that_comes_back_later_ends_what_came_of_it(owner: Any) -> None:
    code = Browser(owner).answer()["code"]
    token = redeem(code).json()["access_token"]
    Token.objects.filter(kind="code").update(revoked_at=clock.now() - timedelta(minutes=2))

    redeem(code)

    assert Caller(token).get("/v2/oauth2/userinfo").status_code == 401


def test_a_code_runs_out(owner: Any) -> None:
    code = Browser(owner).answer()["code"]
    Token.objects.update(expires_at=clock.now())

    assert redeem(code).json()["error"] == "invalid_grant"


def test_the_id_token_is_signed_by_the_published_key(owner: Any) -> None:
    configuration = Client().get(f"{BASE}/.well-known/openid-configuration").json()
    (published,) = Client().get(configuration["jwks_uri"].removeprefix("http://testserver")).json()["keys"]
    answer = redeem(Browser(owner).answer(nonce="a word of the app")["code"]).json()

    claims = jwt.decode(
        answer["id_token"],
        jwt.PyJWK(published),
        algorithms=configuration["id_token_signing_alg_values_supported"],
        audience=APP,
        issuer=configuration["issuer"],
    )

    assert (published["kty"], claims["nonce"]) == ("RSA", "a word of the app")
    assert claims["sub"] == Caller(answer["access_token"]).get("/v2/oauth2/userinfo").json()["sub"]
    assert configuration["authorization_endpoint"] == f"{SITE}v2/oauth2/authorize"


# Refresh tokens


def test_a_refresh_answers_one_server_and_a_new_refresh_token(owner: Any) -> None:
    tokens = tokens_for(owner, BOTH, access_type="offline")
    old = tokens[TRANSFER_SERVER]["refresh_token"]

    answer = token_request(grant_type="refresh_token", refresh_token=old).json()
    next_one = token_request(grant_type="refresh_token", refresh_token=answer["refresh_token"]).json()
    again = token_request(grant_type="refresh_token", refresh_token=old)

    assert (answer["resource_server"], answer["scope"], answer["other_tokens"]) == (TRANSFER_SERVER, TRANSFER, [])
    assert answer["refresh_token"] != old
    assert Caller(answer["access_token"]).get("/v0.10/task_list").status_code == 200
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert next_one["refresh_token"]


def test_an_answer_that_nobody_kept_logs_nobody_out(owner: Any) -> None:
    old = tokens_for(owner, BOTH, access_type="offline")[TRANSFER_SERVER]["refresh_token"]

    answers = [token_request(grant_type="refresh_token", refresh_token=old).json() for _ in range(3)]

    assert len({answer["refresh_token"] for answer in answers}) == 3
    last = token_request(grant_type="refresh_token", refresh_token=answers[0]["refresh_token"])
    assert last.status_code == 200
    assert token_request(grant_type="refresh_token", refresh_token=old).status_code == 400


def test_a_refresh_token_that_comes_back_later_ends_its_grant(owner: Any) -> None:
    old = tokens_for(owner, BOTH, access_type="offline")[TRANSFER_SERVER]["refresh_token"]
    answer = token_request(grant_type="refresh_token", refresh_token=old).json()
    answer = token_request(grant_type="refresh_token", refresh_token=answer["refresh_token"]).json()
    Token.objects.filter(digest=access.digest(old)).update(revoked_at=clock.now() - timedelta(minutes=2))

    token_request(grant_type="refresh_token", refresh_token=old)

    assert Caller(answer["access_token"]).get("/v0.10/task_list").status_code == 401
    assert token_request(grant_type="refresh_token", refresh_token=answer["refresh_token"]).status_code == 400


def test_a_refresh_token_is_for_its_app_alone_and_opens_nothing(owner: Any) -> None:
    token = tokens_for(owner, BOTH, access_type="offline")[TIMERS_SERVER]["refresh_token"]
    key = key_of(owner)

    assert token_request(key, grant_type="refresh_token", refresh_token=token).json()["error"] == "invalid_grant"
    assert Caller(token).get("/jobs/").status_code == 401


# Client credentials and dependent tokens


def test_a_key_acts_as_its_user(owner: Any, owner_calls: Caller, transfer_body: dict[str, Any]) -> None:
    client_id, secret = key_of(owner)

    answer = token_request((client_id, secret), grant_type="client_credentials", scope=f"{TIMERS}[{TRANSFER}]").json()

    assert (answer["resource_server"], answer["scope"], answer["other_tokens"]) == (TIMERS_SERVER, TIMERS, [])
    assert "refresh_token" not in answer
    schedule = {"type": "once"}
    document = {"timer": {"timer_type": "transfer", "schedule": schedule, "body": transfer_body}}
    made = Caller(answer["access_token"]).post("/v2/timer", document).json()["timer"]
    assert owner_calls.get(f"/jobs/{made['job_id']}").status_code == 200


def test_a_key_is_an_identity_of_its_own_and_sees_what_it_asked_for(owner: Any) -> None:
    client_id, secret = key_of(owner)
    token_request((client_id, secret), grant_type="client_credentials", scope=f"{TIMERS}[{TRANSFER}]")
    token = token_request((client_id, secret), grant_type="client_credentials", scope="openid").json()["access_token"]
    calls = Caller(token)

    consents = calls.get(f"/v2/api/identities/{client_id}/consents?all=False").json()["consents"]

    assert calls.get("/v2/oauth2/userinfo").json()["sub"] == client_id
    assert calls.get(f"/v2/api/identities?ids={client_id}").json()["identities"][0]["id"] == client_id
    assert [each["scope_name"] for each in consents] == [TIMERS, TRANSFER, "openid"]


def test_a_pair_that_does_not_fit_is_refused(owner: Any) -> None:
    client_id, _ = key_of(owner)

    for app in ((client_id, "wrong"), ("nonsense", "wrong"), (APP, "wrong")):
        response = token_request(app, grant_type="client_credentials", scope=TIMERS)
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert token_request(grant_type="client_credentials", scope=TIMERS).status_code in (400, 401)


def test_a_key_that_is_revoked_takes_its_tokens_along(owner: Any) -> None:
    key, secret = access.create_key(owner=owner, name="key", now=clock.now())
    fields = {"grant_type": "client_credentials", "scope": TIMERS}
    token = token_request((str(key.client_id), secret), **fields).json()["access_token"]

    access.revoke_key(key, by=owner, now=clock.now())

    assert Caller(token).get("/jobs/").status_code == 401
    assert token_request((str(key.client_id), secret), **fields).status_code == 401


@pytest.mark.parametrize("grant", ["password", "nonsense", ""])
def test_another_grant_is_refused(owner: Any, grant: str) -> None:
    response = token_request(grant_type=grant, username="owner", password="correct horse battery")

    assert response.status_code == 400
    assert response.json()["error"] in ("unsupported_grant_type", "invalid_request")


def test_a_service_exchanges_a_token_for_what_it_was_allowed_to_hand_on(owner: Any, stranger: Any) -> None:
    grant = "urn:globus:auth:grant_type:dependent_token"
    token = tokens_for(owner, f"openid {TIMERS}[{TRANSFER}]")[TIMERS_SERVER]["access_token"]

    answer = token_request(key_of(owner), grant_type=grant, token=token)
    foreign = token_request(key_of(stranger), grant_type=grant, token=token)

    (handed,) = answer.json()
    assert (handed["resource_server"], handed["scope"]) == (TRANSFER_SERVER, TRANSFER)
    assert (foreign.status_code, foreign.json()["error"]) == (400, "invalid_grant")


# What tokens open


def test_a_token_opens_its_own_service_alone(owner: Any) -> None:
    tokens = tokens_for(owner, BOTH)
    paths = {AUTH_SERVER: "/v2/oauth2/userinfo", TIMERS_SERVER: "/jobs/", TRANSFER_SERVER: "/v0.10/task_list"}

    opened = {
        (server, other): Caller(token["access_token"]).get(path).status_code
        for server, token in tokens.items()
        for other, path in paths.items()
    }

    assert opened == {pair: 200 if pair[0] == pair[1] else 403 for pair in opened}
    native = Client(headers={"Authorization": f"Bearer {tokens[TIMERS_SERVER]['access_token']}"})
    assert native.get("/api/v1/timers").status_code == 403


def test_a_token_made_by_hand_opens_everything_unless_made_for_less(owner: Any) -> None:
    everything, less = by_hand(owner), by_hand(owner, TIMERS)
    paths = ("/v2/oauth2/userinfo", "/jobs/", "/v0.10/task_list")

    assert [everything.get(path).status_code for path in paths] == [200, 200, 200]
    assert [less.get(path).status_code for path in paths] == [403, 200, 403]


def test_a_bad_token_is_401_in_the_shape_of_each_service() -> None:
    bad = Caller("nonsense")

    timers, transfer, auth = (bad.get(path) for path in ("/jobs/", "/v0.10/task_list", "/v2/oauth2/userinfo"))

    assert {timers.status_code, transfer.status_code, auth.status_code} == {401}
    assert timers.json()["error"]["code"] == "UNAUTHORIZED"
    assert transfer.json()["code"] == "AuthenticationFailed"
    assert auth.json()["errors"][0]["status"] == "401"
    assert Client().get(f"{BASE}/jobs/").status_code == 401


# Asking about tokens


def test_a_token_is_validated_revoked_and_invalid_then(owner: Any) -> None:
    token = tokens_for(owner, BOTH, access_type="offline")[TRANSFER_SERVER]

    def ask(verb: str, text: str) -> Any:
        return Client().post(f"{BASE}/v2/oauth2/token/{verb}", {"token": text, "client_id": APP}).json()

    before = [ask("validate", token[kind]) for kind in ("access_token", "refresh_token")]
    revoked = ask("revoke", token["refresh_token"])
    after = [ask("validate", token[kind]) for kind in ("access_token", "refresh_token")]

    assert before == [{"active": True}] * 2
    assert revoked == ask("revoke", "nonsense") == {"active": False}
    assert after == [{"active": False}] * 2
    assert Caller(token["access_token"]).get("/v0.10/task_list").status_code == 401


def test_a_token_is_introspected_by_whom_it_concerns(owner: Any, stranger: Any) -> None:
    token = tokens_for(owner, BOTH)[TIMERS_SERVER]["access_token"]

    def ask(pair: tuple[str, str]) -> Any:
        fields = {
            "token": token,
            "include": "identity_set,session_info",
            "client_id": pair[0],
            "client_secret": pair[1],
        }
        return Client().post(f"{BASE}/v2/oauth2/token/introspect", fields)

    found = ask(key_of(owner)).json()

    assert (found["active"], found["scope"], found["username"]) == (True, TIMERS, "owner")
    assert found["sub"] == str(identities.id_of(owner)) == found["identity_set"][0]
    assert found["client_id"] == APP
    assert ask(key_of(stranger)).json() == {"active": False}
    assert ask((APP, "wrong")).status_code == 401


def test_people_are_looked_up_as_far_as_one_may_know_of_them(owner: Any, stranger: Any, admin: Any) -> None:
    def names(caller: Caller, **query: str) -> list[str]:
        return [each["username"] for each in caller.get("/v2/api/identities", **query).json()["identities"]]

    both = f"{identities.id_of(owner)},{identities.id_of(stranger)}"
    assert names(by_hand(owner), ids=both) == ["owner"]
    assert names(by_hand(admin), ids=both) == ["owner", "stranger"]
    assert names(by_hand(owner), usernames="OWNER,stranger") == ["owner"]


def test_consents_are_told_as_a_tree_to_the_app_that_has_them(owner: Any) -> None:
    tokens = tokens_for(owner, f"{TIMERS}[{TRANSFER}] openid")
    other = Browser(owner).answer(client_id="bc77d044-1f42-46cc-9702-87f756cd08a6", scope=TRANSFER)
    calls = Caller(tokens[AUTH_SERVER]["access_token"])

    found = calls.get(f"/v2/api/identities/{identities.id_of(owner)}/consents?all=False").json()["consents"]

    assert other
    by_name = {each["scope_name"]: each for each in found}
    assert set(by_name) == {TIMERS, TRANSFER, "openid"}
    root, inner = by_name[TIMERS], by_name[TRANSFER]
    assert inner["dependency_path"] == [root["id"], inner["id"]]
    assert root["dependency_path"] == [root["id"]]
    assert (root["client"], root["status"], root["allows_refresh"]) == (APP, "approved", False)
    assert calls.get(f"/v2/api/identities/{APP}/consents").status_code == 404


# Apps that register themselves


def test_an_app_registers_itself_and_goes_away_again(owner: Any) -> None:
    asked = {"client": {"template_id": "95fdeba8-fac2-42bd-a357-e068d82ff78e", "name": "Globus CLI"}}
    response = Client().post(f"{BASE}/v2/api/clients", asked, content_type="application/json")
    credential = response.json()["included"]["client_credential"]
    pair = (credential["client"], credential["secret"])
    code = Browser(owner).answer(client_id=pair[0], code_challenge="", code_challenge_method="")["code"]
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"{SITE}v2/web/auth-code"}

    without = token_request(**{**fields, "client_id": pair[0]})
    answer = token_request(pair, **fields).json()

    assert response.status_code == 201
    assert response.json()["client"]["id"] == pair[0]
    assert credential["secret"] not in str(RegisteredApp.objects.values())
    assert (without.status_code, without.json()["error"]) == (401, "invalid_client")
    assert Caller(answer["access_token"]).get("/v2/oauth2/userinfo").json()["preferred_username"] == "owner"
    assert token_request(pair, grant_type="client_credentials", scope=TIMERS).json()["error"] == "unauthorized_client"
    basic = {"Authorization": f"Basic {base64.b64encode(':'.join(pair).encode()).decode()}"}
    assert Client(headers=basic).delete(f"{BASE}/v2/api/clients/{pair[0]}").status_code == 200
    assert Caller(answer["access_token"]).get("/v2/oauth2/userinfo").status_code == 401


def test_an_app_that_nobody_registered_comes_with_a_challenge(owner: Any) -> None:
    own = "12345678-0000-4000-8000-000000000001"
    page = Browser(owner).asked(client_id=own).content.decode()
    code = Browser(owner).answer(client_id=own)["code"]

    assert "not known here" in page
    assert redeem(code, client_id=own).status_code == 200
