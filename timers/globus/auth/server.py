"""The OAuth2 server: oauthlib decides what is valid, our tables say who and what there is.

Tokens are one per resource server: the first is the answer, the rest are its `other_tokens`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from oauthlib.common import Request
from oauthlib.oauth2 import (
    AuthorizationCodeGrant,
    AuthorizationEndpoint,
    ClientCredentialsGrant,
    RefreshTokenGrant,
    RequestValidator,
    TokenEndpoint,
)
from oauthlib.oauth2.rfc6749 import errors as oauth_errors
from oauthlib.oauth2.rfc6749.grant_types.authorization_code import code_challenge_method_s256
from oauthlib.oauth2.rfc6749.grant_types.base import GrantTypeBase
from oauthlib.oauth2.rfc6749.tokens import TokenBase

from timers import scopes
from timers.errors import Conflict, Invalid
from timers.globus.auth import id_tokens
from timers.models import Token
from timers.services.people import consents, oauth_clients, oauth_grants
from timers.services.people import tokens as access
from timers.services.people.oauth_grants import Issued

DEPENDENT = "urn:globus:auth:grant_type:dependent_token"
CODE_PAGE = "v2/web/auth-code"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Server(AuthorizationEndpoint, TokenEndpoint):
    """Answers for one request: `base` is this interface's address as the caller knows it."""

    def __init__(self, *, base: str, now: datetime) -> None:
        validator = Validator(base=base, now=now)
        tokens = Tokens(base=base, now=now)
        code = AuthorizationCodeGrant(validator)
        code._code_challenge_methods = {"S256": code_challenge_method_s256}
        AuthorizationEndpoint.__init__(
            self, default_response_type="code", default_token_type=tokens, response_types={"code": code}
        )
        TokenEndpoint.__init__(
            self,
            default_grant_type="authorization_code",
            default_token_type=tokens,
            grant_types={
                "authorization_code": code,
                "refresh_token": RefreshTokenGrant(validator),
                "client_credentials": ClientCredentialsGrant(validator),
                DEPENDENT: DependentTokenGrant(validator),
            },
        )


class Validator(RequestValidator):  # type: ignore[misc]
    """What oauthlib asks about apps, codes, refresh tokens and scopes."""

    def __init__(self, *, base: str, now: datetime) -> None:
        super().__init__()
        self.base = base
        self.now = now

    # Apps

    def validate_client_id(self, client_id: str, request: Request, *_: Any, **__: Any) -> bool:
        request.client = oauth_clients.find(client_id)
        return request.client is not None

    def client_authentication_required(self, request: Request, *_: Any, **__: Any) -> bool:
        if _pair(request)[1]:
            return True
        known = oauth_clients.find(request.client_id)
        return known is not None and known.secret

    def authenticate_client(self, request: Request, *_: Any, **__: Any) -> bool:
        client_id, secret = _pair(request)
        request.client = oauth_clients.authenticate(client_id, secret, now=self.now)
        if request.client is None:
            return False
        if request.client_id and request.client_id.lower() != request.client.client_id:
            return False
        request.client_id = request.client.client_id
        return True

    def authenticate_client_id(self, client_id: str, request: Request, *_: Any, **__: Any) -> bool:
        request.client = oauth_clients.find(client_id)
        if request.client is None:
            return False
        request.client_id = request.client.client_id
        return True

    def is_pkce_required(self, client_id: str, request: Request) -> bool:
        return request.client is None or not request.client.secret

    def validate_grant_type(self, client_id: str, grant_type: str, client: Any, *_: Any, **__: Any) -> bool:
        return grant_type not in ("client_credentials", DEPENDENT) or client.owner is not None

    def validate_response_type(self, client_id: str, response_type: str, *_: Any, **__: Any) -> bool:
        return response_type == "code"

    # Where a code is sent: to the page that shows it, or to a program on the reader's own machine

    def validate_redirect_uri(self, client_id: str, redirect_uri: str, *_: Any, **__: Any) -> bool:
        return redirect_uri == self.base + CODE_PAGE or is_loopback(redirect_uri)

    def get_default_redirect_uri(self, *_: Any, **__: Any) -> str:
        return self.base + CODE_PAGE

    def confirm_redirect_uri(self, client_id: str, code: str, redirect_uri: str, client: Any, request: Request) -> bool:
        return bool(request.held.details.get("redirect_uri") == redirect_uri)

    # Scopes

    def get_default_scopes(self, *_: Any, **__: Any) -> list[str]:
        return list(scopes.DEFAULT)

    def validate_scopes(self, client_id: str, names: Iterable[str], client: Any, request: Request, *_: Any) -> bool:
        try:
            request.wanted = scopes.parse(request.scope or " ".join(scopes.DEFAULT))
        except Invalid:
            return False
        request.scopes = [scope.name for scope in request.wanted]
        return bool(request.wanted)

    # Codes and refresh tokens

    def save_authorization_code(self, client_id: str, code: Any, request: Request, *_: Any, **__: Any) -> None:
        oauth_grants.agree(
            owner=request.user,
            client_id=request.client.client_id,
            name=request.client.name,
            wanted=request.wanted,
            offline=getattr(request, "access_type", None) == "offline",
            code=code["code"],
            details={
                "redirect_uri": request.redirect_uri,
                "state": request.state,
                "nonce": request.nonce,
                "challenge": request.code_challenge,
                "method": request.code_challenge_method,
            },
            now=self.now,
        )

    def validate_code(self, client_id: str, code: str, client: Any, request: Request, *_: Any, **__: Any) -> bool:
        return self._hold(code, access.CODE, request)

    def get_code_challenge(self, code: str, request: Request) -> Any:
        return request.held.details.get("challenge")

    def get_code_challenge_method(self, code: str, request: Request) -> Any:
        return request.held.details.get("method")

    def invalidate_authorization_code(self, *_: Any, **__: Any) -> None:
        """Nothing: what is exchanged is used up in the same transaction."""

    def validate_refresh_token(self, refresh_token: str, client: Any, request: Request, *_: Any, **__: Any) -> bool:
        return self._hold(refresh_token, access.REFRESH, request)

    def get_original_scopes(self, refresh_token: str, request: Request, *_: Any, **__: Any) -> list[str]:
        return list(request.held.scopes)

    def _hold(self, text: str, kind: str, request: Request) -> bool:
        request.held = oauth_grants.find(text, kind=kind, client_id=request.client.client_id, now=self.now)
        if request.held is None:
            return False
        request.user, request.scopes = request.held.owner, request.held.scopes
        return True

    def save_token(self, *_: Any, **__: Any) -> None:
        """Nothing: tokens are kept when they are made, and only as hashes."""


class Tokens(TokenBase):  # type: ignore[misc]
    """Makes the answers of the token endpoint."""

    def __init__(self, *, base: str, now: datetime) -> None:
        self.base = base
        self.now = now

    def create_token(self, request: Request, refresh_token: bool = False, **_: Any) -> dict[str, Any]:
        """Return the answer with new tokens. Raises oauthlib's errors."""
        if request.grant_type == "client_credentials":
            issued = self._for_itself(request)
        else:
            try:
                issued = oauth_grants.exchange(request.held, names=request.scopes, now=self.now)
            except Conflict as error:
                raise oauth_errors.InvalidGrantError(request=request) from error
        answer = document(issued)
        held: Token | None = getattr(request, "held", None)
        if held is not None and held.kind == access.CODE:
            if held.details.get("state"):
                answer["state"] = held.details["state"]
            if scopes.OPENID in held.scopes:
                answer["id_token"] = id_tokens.sign(
                    user=held.owner,
                    audience=request.client.client_id,
                    issuer=self.base,
                    nonce=held.details.get("nonce"),
                    now=self.now,
                )
        return answer

    def _for_itself(self, request: Request) -> list[Issued]:
        """Return tokens by which a key acts as its owner; what it asked for is noted as granted."""
        app = request.client
        consents.grant(
            owner=app.owner, client_id=app.client_id, granted=request.wanted, allows_refresh=False, now=self.now
        )
        return oauth_grants.issue(
            owner=app.owner,
            client_id=app.client_id,
            name=app.name,
            names=request.scopes,
            refresh=False,
            grant=None,
            now=self.now,
        )

    def validate_request(self, request: Request) -> bool:
        return False

    def estimate_type(self, request: Request) -> int:
        return 0


class DependentTokenGrant(GrantTypeBase):  # type: ignore[misc]
    """Exchanges a token that somebody's app showed to a service for those that the service needs in turn.

    The service is a key of the same person. It gets what that app was allowed to hand on, and nothing else.
    """

    def create_token_response(self, request: Request, token_handler: Tokens) -> tuple[dict[str, str], str, int]:
        headers = self._get_default_headers()
        try:
            self.validate_client_confidential(request)
            self.validate_grant_type(request)
            return headers, json.dumps(self._answer(request, token_handler)), 200
        except oauth_errors.OAuth2Error as error:
            headers.update(error.headers)
            return headers, error.json, error.status_code

    def _answer(self, request: Request, handler: Tokens) -> list[dict[str, Any]]:
        shown = access.find_token(getattr(request, "token", None) or "", kinds=access.OPENING, now=handler.now)
        if shown is None or shown.owner != request.client.owner:
            raise oauth_errors.InvalidGrantError(request=request)
        names = self._allowed(shown)
        if request.scope:
            self.validate_scopes(request)
            has_all = shown.client_id is None and not shown.scopes
            names = request.scopes if has_all else [name for name in names if name in request.scopes]
        issued = oauth_grants.issue(
            owner=shown.owner,
            client_id=request.client.client_id,
            name=request.client.name,
            names=names,
            refresh=getattr(request, "access_type", None) == "offline",
            grant=None,
            now=handler.now,
        )
        return [entry(each) for each in issued]

    @staticmethod
    def _allowed(shown: Token) -> list[str]:
        """Return what may be handed on: what stands directly below a scope of the token."""
        if shown.client_id is None:
            return [] if shown.scopes else [scopes.TRANSFER]
        paths = [each.path.split(" ") for each in consents.granted_to(shown.owner, shown.client_id)]
        return list(dict.fromkeys(path[1] for path in paths if len(path) == 2 and path[0] in shown.scopes))


def document(issued: Iterable[Issued]) -> dict[str, Any]:
    """Return the answer of the token endpoint."""
    first, *others = [entry(each) for each in issued]
    return {**first, "other_tokens": others}


def entry(issued: Issued) -> dict[str, Any]:
    """Return what an app is told of the tokens for one resource server."""
    return {
        "access_token": issued.access,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "resource_server": issued.resource_server,
        "scope": " ".join(issued.scopes),
        **({} if issued.refresh is None else {"refresh_token": issued.refresh}),
    }


def is_loopback(uri: str) -> bool:
    """Return whether an address is that of a program on the reader's own machine."""
    try:
        parts = urlsplit(uri)
        return parts.scheme == "http" and parts.hostname in _LOOPBACK and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False


def basic(header: str) -> tuple[str, str]:
    """Return the pair of a Basic authorization header; empty texts for any other."""
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        client_id, _, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote(client_id), unquote(secret)


def _pair(request: Request) -> tuple[str, str]:
    """Return id and secret from where an app may put them: the header, or else the form."""
    given = basic(request.headers.get("Authorization", ""))
    return given if given[1] else (request.client_id or "", request.client_secret or "")
