"""Requests to one container, each signed with the key of its account (Shared Key)."""

from __future__ import annotations

import hashlib
import hmac
import http.client
from base64 import b64decode, b64encode
from collections.abc import Mapping
from email.utils import formatdate
from urllib.parse import parse_qsl, quote, urlencode

from timers.copying import paths
from timers.storages.http_session import HttpSession

_API_VERSION = "2021-12-02"
_SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
_SAFE = "/-._~"
_ODD_BYTES = "surrogateescape"


class AzureSession(HttpSession):
    """The connections to a container; `prefix` is the beginning of the keys that belong to a collection."""

    def __init__(self, endpoint_url: str, container: str, prefix: str, *, account: str, key: str) -> None:
        super().__init__(f"{endpoint_url}/{container}")
        self.container, self._prefix = container, prefix
        self._account, self._account_key = account, b64decode(key)

    def key(self, path: str) -> str:
        """Return the key of a file."""
        return self._prefix + path.removeprefix("/")

    def folder_key(self, path: str) -> str:
        """Return the beginning of the keys of everything in a folder; it is also the key of the folder's marker."""
        return self._prefix if path == paths.ROOT else f"{self.key(path)}/"

    def location(self, path: str, *, folder: bool = False) -> str:
        """Return the location of the object of a file, or of the marker of a folder."""
        key = self.folder_key(path) if folder else self.key(path)
        return f"{self._root}/{quote(key, safe=_SAFE, errors=_ODD_BYTES)}"

    def location_of_part(self, path: str, **query: str) -> str:
        """Return the location of a part or list of parts of a file."""
        return f"{self.location(path)}?{urlencode(query)}"

    def listing_location(self, **query: str) -> str:
        """Return the location of a page of a listing."""
        asked = {"restype": "container", "comp": "list", **query}
        return f"{self._root}?{urlencode(asked, quote_via=quote, errors=_ODD_BYTES)}"

    def _begin(self, method: str, location: str, headers: Mapping[str, str]) -> http.client.HTTPConnection:
        dated = {**headers, "x-ms-date": formatdate(usegmt=True), "x-ms-version": _API_VERSION}
        signature = self._signature(method, location, {name.lower(): value for name, value in dated.items()})
        return super()._begin(method, location, {**dated, "Authorization": f"SharedKey {self._account}:{signature}"})

    def _signature(self, method: str, location: str, headers: Mapping[str, str]) -> str:
        length = headers.get("content-length", "0")
        signed = {**headers, "content-length": "" if length == "0" else length}
        path, _, query = location.partition("?")
        lines = [method, *(signed.get(name, "") for name in _SIGNED_HEADERS)]
        lines += [f"{name}:{value.strip()}" for name, value in sorted(headers.items()) if name.startswith("x-ms-")]
        lines.append(f"/{self._account}{path}")
        asked = parse_qsl(query, keep_blank_values=True, errors=_ODD_BYTES)
        lines += [f"{name.lower()}:{value}" for name, value in sorted(asked)]
        digest = hmac.digest(self._account_key, "\n".join(lines).encode(errors=_ODD_BYTES), hashlib.sha256)
        return b64encode(digest).decode()
