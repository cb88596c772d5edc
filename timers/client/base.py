"""The base of the API clients: one method for each HTTP method, and iteration over pages."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Self
from uuid import uuid4

from timers.client.transport import APIResponse, Connection
from timers.http import Transport


class BaseClient:
    """A client of one site, for one user."""

    def __init__(
        self,
        base_url: str | None = None,
        token: str | None = None,
        *,
        transport: Transport | None = None,
        timeout: float = 30.0,
    ) -> None:
        """Connect to `base_url` (or TIMERS_URL) with `token` (or TIMERS_TOKEN); nothing is sent yet.

        `timeout` bounds each call in seconds; `transport` replaces the HTTP call, for tests.
        """
        url = base_url or os.environ.get("TIMERS_URL")
        if not url:
            raise ValueError("Give base_url or set TIMERS_URL.")
        chosen_token = token if token is not None else os.environ.get("TIMERS_TOKEN")
        self._connection = Connection(url, chosen_token, transport=transport, timeout=timeout)

    @property
    def base_url(self) -> str:
        """Return the root of the site."""
        return self._connection.base_url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing is kept open between calls."""

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> APIResponse:
        return self._connection.call("GET", path, query=query)

    def _post(self, path: str, document: Any = None, query: Mapping[str, Any] | None = None) -> APIResponse:
        return self._connection.call("POST", path, document=document, query=query)

    def _create(self, path: str, document: Any = None) -> APIResponse:
        """POST with an idempotency key, so that a repeated request creates nothing twice."""
        return self._connection.call("POST", path, document=document, idempotency_key=str(uuid4()))

    def _patch(self, path: str, document: Any, query: Mapping[str, Any] | None = None) -> APIResponse:
        return self._connection.call("PATCH", path, document=document, query=query)

    def _delete(self, path: str, query: Mapping[str, Any] | None = None) -> APIResponse:
        return self._connection.call("DELETE", path, query=query)

    def _pages(self, path: str, key: str, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the documents of a list. Pages are fetched when they are needed."""
        marker: str | None = None
        while True:
            page = self._get(path, {**query, "marker": marker})
            yield from page[key]
            marker = page.get("marker")
            if marker is None:
                return
