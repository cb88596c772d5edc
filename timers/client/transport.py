"""HTTP calls of the client: URLs, headers, one retry after a failed connection, and error messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID

from timers.client.errors import TimersAPIError, TimersConnectionError
from timers.client.payloads import wire
from timers.http import ExternalError, Response, Transport, request

API = "/api/v1"
MAX_ANSWER_BYTES = 64 * 1024 * 1024
USER_AGENT = "timers-client/0.1"


class APIResponse:
    """The answer to a call: a mapping over its document, which is `data`."""

    def __init__(self, http_status: int, data: Any, headers: Mapping[str, str]) -> None:
        self.http_status = http_status
        self.data = data
        self.headers = headers

    def __getitem__(self, key: Any) -> Any:
        return self.data[key]

    def __contains__(self, key: object) -> bool:
        return key in self.data

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        return self.data.get(key, default)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.http_status}, {self.data!r})"

    def __str__(self) -> str:
        return json.dumps(self.data, indent=2, ensure_ascii=False)


class Connection:
    """Connection to one server with one token: builds the requests and reads the answers."""

    def __init__(self, base_url: str, token: str | None, *, transport: Transport | None, timeout: float) -> None:
        self.base_url = _root(base_url)
        self.token = _token(token)
        self.timeout = timeout
        self.transport: Transport = transport or request

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        document: Any = None,
        idempotency_key: str | None = None,
    ) -> APIResponse:
        """Call a path below /api/v1 and return the answer. Raises TimersAPIError unless it is a success.

        After a failed connection a call is repeated once if it is a GET or has an idempotency key.
        """
        url = f"{self.base_url}{API}{path}{_query(query)}"
        body = None if document is None else json.dumps(wire(document), ensure_ascii=False).encode()
        headers = self._headers(body, idempotency_key)
        repeatable = method == "GET" or idempotency_key is not None
        try:
            response = self._send(method, url, headers, body, repeats=1 if repeatable else 0)
        except ExternalError as error:
            raise TimersConnectionError(error.reason, f"{self.base_url}: {error.message}") from error
        return _answer(response)

    def _headers(self, body: bytes | None, idempotency_key: str | None) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": USER_AGENT}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        return headers

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, repeats: int) -> Response:
        try:
            return self.transport(
                method, url, headers=headers, body=body, timeout=self.timeout, max_bytes=MAX_ANSWER_BYTES
            )
        except ExternalError as error:
            if not repeats or error.reason != "connection_error":
                raise
            return self._send(method, url, headers, body, repeats=repeats - 1)


def path_of(*parts: str | UUID) -> str:
    """Return the path of these parts. Raises ValueError for an empty part, which would name another path."""
    texts = [str(part) for part in parts]
    if not all(text.strip("./ ") for text in texts):
        raise ValueError("An id is needed.")
    return "".join(f"/{quote(text, safe='')}" for text in texts)


def _root(base_url: str) -> str:
    root = base_url.strip().rstrip("/").removesuffix(API).rstrip("/")
    try:
        parts = urlsplit(root)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and " " not in root
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ValueError(f"{base_url!r} is not the address of a Timers site, such as http://127.0.0.1:8000.")
    return root


def _token(token: str | None) -> str | None:
    stripped = token.strip() if token else None
    if stripped and not (stripped.isascii() and stripped.isprintable() and " " not in stripped):
        raise ValueError("The token contains characters that no token has.")
    return stripped or None


def _query(query: Mapping[str, Any] | None) -> str:
    parameters = {name: _text(value) for name, value in (query or {}).items() if value is not None}
    return f"?{urlencode(wire(parameters), doseq=True)}" if parameters else ""


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return [_text(item) for item in value] if isinstance(value, list | tuple) else wire(value)


def _answer(response: Response) -> APIResponse:
    document = _document(response)
    if 200 <= response.status < 300:
        return APIResponse(response.status, document, response.headers)
    raise _error(response, document)


def _document(response: Response) -> Any:
    if response.truncated:
        raise TimersAPIError(response.status, "too_large", "The answer is too long to be read.")
    if not response.body:
        return {}
    try:
        return json.loads(response.body)
    except ValueError as error:
        if response.status >= 300:
            return {}
        message = "The answer is not JSON; is this the address of a Timers site?"
        raise TimersAPIError(response.status, "bad_answer", message) from error


def _error(response: Response, document: Any) -> TimersAPIError:
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, dict):
        code, message = str(error.get("code") or "error"), str(error.get("message") or "It did not work.")
        return TimersAPIError(response.status, code, message, error.get("fields"))
    if response.status < 400:
        place = response.headers.get("location", "somewhere else")
        return TimersAPIError(response.status, "redirect", f"The server points to {place}; use that as base_url.")
    return TimersAPIError(response.status, "error", f"The server answered with status {response.status}.")
