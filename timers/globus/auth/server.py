"""The OAuth2 server: oauthlib checks the requests, our tables hold apps, codes, tokens and consents.

Each resource server has a token of its own: the first one is the answer, the others are its `other_tokens`.
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
from timers.services.people.oauth_grants import IssuedTokens

DEPENDENT = "urn:globus:auth:grant_type:dependent_token"
CODE_PAGE = "v2/web/auth-code"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Server(AuthorizationEndpoint, TokenEndpoint):
    """OAuth2 server for one request. `base` is the address of this interface as the caller knows it."""

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
    """Checks of apps, codes, refresh tokens and scopes that oauthlib calls."""

    def __init__(self, *, base: str, now: datetime) -> None:
        super().__init__()
        self.base = base
        self.now = now

    # Apps

    def validate_client_id(self, client_id: str, request: Request, *_: Any, **__: Any) -> bool:
        request.client = oauth_clients.find(client_id)
        return request.client is not None

    def client_authentication_required(self, request: Request, *_: Any, **__: Any) -> bool:
        if _id_and_secret(request)[1]:
            return True
        known = oauth_clients.find(request.client_id)
        return known is not None and known.secret

    def authenticate_client(self, request: Request, *_: Any, **__: Any) -> bool:
        client_id, secret = _id_and_secret(request)
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

    # Redirects: to the page that shows the code, or to a program on the user's own machine

    def validate_redirect_uri(self, client_id: str, redirect_uri: str, *_: Any, **__: Any) -> bool:
        return redirect_uri == self.base + CODE_PAGE or is_loopback(redirect_uri)

    def get_default_redirect_uri(self, *_: Any, **__: Any) -> str:
        return self.base + CODE_PAGE

    def confirm_redirect_uri(self, client_id: str, code: str, redirect_uri: str, client: Any, request: Request) -> bool:
        return bool(request.credential.details.get("redirect_uri") == redirect_uri)

    # Scopes

    def get_default_scopes(self, *_: Any, **__: Any) -> list[str]:
        return list(scopes.DEFAULT)

    def validate_scopes(self, client_id: str, names: Iterable[str], client: Any, request: Request, *_: Any) -> bool:
        try:
            request.requested_scopes = scopes.parse(request.scope or " ".join(scopes.DEFAULT))
        except Invalid:
            return False
        request.scopes = [scope.name for scope in request.requested_scopes]
        return bool(request.requested_scopes)

    # Codes and refresh tokens

    def save_authorization_code(self, client_id: str, code: Any, request: Request, *_: Any, **__: Any) -> None:
        oauth_grants.authorize(
            owner=request.user,
            client_id=request.client.client_id,
            name=request.client.name,
            requested=request.requested_scopes,
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
        return request.credential.details.get("challenge")

    def get_code_challenge_method(self, code: str, request: Request) -> Any:
        return request.credential.details.get("method")

    def invalidate_authorization_code(self, *_: Any, **__: Any) -> None:
        """Do nothing: the exchange invalidates the code in its own transaction."""

    def validate_refresh_token(self, refresh_token: str, client: Any, request: Request, *_: Any, **__: Any) -> bool:
        return self._hold(refresh_token, access.REFRESH, request)

    def get_original_scopes(self, refresh_token: str, request: Request, *_: Any, **__: Any) -> list[str]:
        return list(request.credential.scopes)

    def _hold(self, text: str, kind: str, request: Request) -> bool:
        request.credential = oauth_grants.find(text, kind=kind, client_id=request.client.client_id, now=self.now)
        if request.credential is None:
            return False
        request.user, request.scopes = request.credential.owner, request.credential.scopes
        return True

    def save_token(self, *_: Any, **__: Any) -> None:
        """Do nothing: tokens are stored when they are issued, as hashes only."""


class Tokens(TokenBase):  # type: ignore[misc]
    """Builder of the answers of the token endpoint."""

    def __init__(self, *, base: str, now: datetime) -> None:
        self.base = base
        self.now = now

    def create_token(self, request: Request, refresh_token: bool = False, **_: Any) -> dict[str, Any]:
        """Return the answer with new tokens; raises errors of oauthlib."""
        if request.grant_type == "client_credentials":
            issued = self._for_itself(request)
        else:
            try:
                issued = oauth_grants.exchange(request.credential, names=request.scopes, now=self.now)
            except Conflict as error:
                raise oauth_errors.InvalidGrantError(request=request) from error
        answer = document(issued)
        credential: Token | None = getattr(request, "credential", None)
        if credential is not None and credential.kind == access.CODE:
            if credential.details.get("state"):
                answer["state"] = credential.details["state"]
            if scopes.OPENID in credential.scopes:
                answer["id_token"] = id_tokens.sign(
                    user=credential.owner,
                    audience=request.client.client_id,
                    issuer=self.base,
                    nonce=credential.details.get("nonce"),
                    now=self.now,
                )
        return answer

    def _for_itself(self, request: Request) -> list[IssuedTokens]:
        """Return tokens with which a client key acts as its owner, and record its scopes as granted."""
        app = request.client
        consents.grant(
            owner=app.owner,
            client_id=app.client_id,
            granted=request.requested_scopes,
            allows_refresh=False,
            now=self.now,
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
    """Grant that exchanges a token which a service received from an app for the tokens the service needs itself.

    The service is a client key of the same user. It gets only the scopes that the app may delegate.
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
        shown = access.find_token(getattr(request, "token", None) or "", kinds=access.API_KINDS, now=handler.now)
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
        return [entry(tokens) for tokens in issued]

    @staticmethod
    def _allowed(shown: Token) -> list[str]:
        """Return the scopes that may be delegated: those directly below a scope of the token."""
        if shown.client_id is None:
            return [] if shown.scopes else [scopes.TRANSFER]
        paths = [consent.path.split(" ") for consent in consents.granted_to(shown.owner, shown.client_id)]
        dependent = [path for path in paths if len(path) == 2]
        return list(dict.fromkeys(name for parent, name in dependent if parent in shown.scopes))


def document(issued: Iterable[IssuedTokens]) -> dict[str, Any]:
    """Return the answer of the token endpoint: the first token, with the others inside it."""
    first, *others = [entry(tokens) for tokens in issued]
    return {**first, "other_tokens": others}


def entry(issued: IssuedTokens) -> dict[str, Any]:
    """Return the entry of the tokens for one resource server."""
    return {
        "access_token": issued.access,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "resource_server": issued.resource_server,
        "scope": " ".join(issued.scopes),
        **({} if issued.refresh is None else {"refresh_token": issued.refresh}),
    }


def is_loopback(uri: str) -> bool:
    """Return whether a URI belongs to a program on the user's own machine."""
    try:
        parts = urlsplit(uri)
        return parts.scheme == "http" and parts.hostname in _LOOPBACK and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False


def basic(header: str) -> tuple[str, str]:
    """Return id and secret of a Basic authorization header; two empty texts for any other header."""
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        client_id, _, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote(client_id), unquote(secret)


def _id_and_secret(request: Request) -> tuple[str, str]:
    """Return the id and secret of an app, from the header or else from the form."""
    credentials = basic(request.headers.get("Authorization", ""))
    return credentials if credentials[1] else (request.client_id or "", request.client_secret or "")
