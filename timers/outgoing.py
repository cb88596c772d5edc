"""One call to a foreign address: resolved once, every address asked of targets.py, connected to one that was checked.

The call itself is that of http.py over a socket opened here. A library that takes URLs would read them a second time
and look names up again, and none bounds the whole time of a call; so there is neither proxy, redirect, cookie nor
`.netrc` to switch off. Each call has its own connection: nothing that was checked for one call serves another.
"""

from __future__ import annotations

import codecs
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from typing import Any

from django.conf import settings

from timers import http, targets
from timers.errors import ExternalError
from timers.targets import CheckedUrl, TargetRefused

CONNECT_TIMEOUT = 5.0
MAX_BYTES = 1024 * 1024
KEEP_BYTES = 64 * 1024

_WILDCARDS = ("0.0.0.0", "::", "")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_/-]*")
_TEXT_CODECS = re.compile(r"utf-(8|16|32)(-[bl]e)?|ascii|iso8859-\d+|cp\d+|koi8-[rtu]|gb\w+|big5|euc_\w+|shift_jis")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back. Header names are in lower case; `text` is at most `keep_bytes` of the body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    truncated: bool = False
    elapsed: float = 0.0
    address: str = ""
    """The address that was really called."""


def call(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 30.0,
    connect_timeout: float = CONNECT_TIMEOUT,
    max_bytes: int = MAX_BYTES,
    keep_bytes: int = KEEP_BYTES,
    cancelled: Callable[[], bool] | None = None,
) -> Answer:
    """Call a URL and return the answer, whatever its status; safe to use from many threads.

    `timeout` bounds everything together. Raises ExternalError when there is no answer, with one of the reasons
    `target_refused`, `timed_out`, `connection_error`, `tls_error`, `bad_answer` and `cancelled`.
    """
    began = time.monotonic()
    deadline = http.Deadline(timeout, cancelled)
    with _refusals():
        target = check(url)
    with _named(target), _refusals(), http.outside_faults():
        addresses = _addresses(target, deadline, connect_timeout)
        with closing(_connect(target, addresses, deadline, connect_timeout)) as connected:
            address = connected.getpeername()[0]
            response = http.exchange(
                connected,
                method,
                target.target,
                headers={"Host": target.authority, **(headers or {})},
                body=body,
                deadline=deadline,
                max_bytes=max_bytes,
            )
    return _answer(response, keep_bytes, address=address, elapsed=time.monotonic() - began)


# What may be called


def check(url: str) -> CheckedUrl:
    """Return the URL taken apart when it may be saved as a target; raises TargetRefused otherwise."""
    target = targets.parse_url(url)
    return targets.check_url(
        target,
        networks=_networks(),
        own=_own([str(target.address)] if target.address else [], target.port),
        allowed_endpoint=_demo_endpoint(target),
    )


def check_host(host: str, port: int) -> str:
    """Return a host's one spelling when it may be saved as a target that is not called over HTTP; any port will do.

    Raises TargetRefused. Names are looked up and checked by `addresses_of`, each time they are called.
    """
    target = targets.parse_url(f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/")
    own = _own([str(target.address)] if target.address else [], port)
    return targets.check_url(target, networks=_networks(), own=own, any_port=True).host


def addresses_of(host: str, port: int, *, any_port: bool = False, timeout: float = CONNECT_TIMEOUT) -> tuple[str, ...]:
    """Return the addresses of a host after checking every one, for callers that connect by other means than HTTP.

    They must connect to one of these and not look the name up again. Raises ExternalError as `call` does.
    """
    with _refusals(), http.outside_faults():
        found = _look_up(host, port, timeout)
        _check_addresses(found, port, any_port=any_port)
    return found


def _networks() -> tuple[targets.Network, ...]:
    return tuple(getattr(settings, "TIMERS_WEBHOOK_NETWORKS", ()))


def _own(addresses: Iterable[str], port: int) -> list[tuple[str, int]]:
    """Return where this site listens on this port; for a wildcard, those of `addresses` that are this machine's."""
    own: list[str] = []
    for host, listened in getattr(settings, "TIMERS_LISTEN", ()):
        if listened != port:
            continue
        if host in _WILDCARDS or host is None:
            own += ["0.0.0.0", *filter(_is_of_this_machine, addresses)]
        elif host == "localhost":
            own += ["127.0.0.1", "::1"]
        else:
            own.append(host)
    return [(host, port) for host in own]


def _is_of_this_machine(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _demo_endpoint(target: CheckedUrl) -> tuple[str, int] | None:
    """Return the address of the demo's own target when this URL lies there."""
    demo = _parsed(getattr(settings, "TIMERS_DEMO_TARGET", "") or "")
    if demo is None or (target.scheme, target.host, target.port) != (demo.scheme, demo.host, demo.port):
        return None
    inside = target.path == demo.path or target.path.startswith(f"{demo.path}/")
    return (demo.host, demo.port) if inside and _PLAIN_PATH.fullmatch(target.path) else None


@lru_cache(maxsize=8)
def _parsed(url: str) -> CheckedUrl | None:
    if not url:
        return None
    parsed = targets.parse_url(url)
    return parsed if parsed.address is not None else None


# From the name to a connected socket


def _addresses(target: CheckedUrl, deadline: http.Deadline, connect_timeout: float) -> tuple[str, ...]:
    if target.address is not None:  # `check` has just looked at it
        return (str(target.address),)
    found = _look_up(target.host, target.port, min(deadline.left(), connect_timeout))
    _check_addresses(found, target.port)
    return found


def _check_addresses(addresses: tuple[str, ...], port: int, *, any_port: bool = False) -> None:
    own = _own(addresses, port)
    for address in addresses:
        targets.check_address(address, port, networks=_networks(), any_port=any_port, own=own)


def _look_up(host: str, port: int, timeout: float) -> tuple[str, ...]:
    """Return the distinct addresses of a name, in the system's order.

    The system's look-up knows no time limit, so it runs in a thread that is left behind when it takes too long. A
    literal address needs none.
    """
    with suppress(ValueError):
        return (str(ip_address(host)),)
    results: SimpleQueue[list[Any] | OSError] = SimpleQueue()

    def resolve() -> None:
        try:
            results.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            results.put(error if isinstance(error, OSError) else socket.gaierror(0, "the name cannot be looked up"))

    threading.Thread(target=resolve, name="look-up", daemon=True).start()
    try:
        found = results.get(timeout=timeout)
    except Empty:
        raise ExternalError("The name was not found in time.", retryable=True, reason="timed_out") from None
    if isinstance(found, OSError):
        raise found
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def _connect(
    target: CheckedUrl, addresses: tuple[str, ...], deadline: http.Deadline, connect_timeout: float
) -> socket.socket:
    """Return a socket to the first address that answers, each given its share of the time."""
    ends = time.monotonic() + connect_timeout
    for waiting in range(len(addresses), 0, -1):
        share = max(0.1, (ends - time.monotonic()) / waiting)
        try:
            connected = http.connect(addresses[-waiting], target.port, timeout=min(deadline.left(), share))
            break
        except OSError:
            if waiting == 1:
                raise
    return http.wrap_tls(connected, target.host, deadline) if target.scheme == "https" else connected


# Words and text


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except TargetRefused as refusal:
        raise ExternalError(refusal.message, retryable=False, reason="target_refused") from refusal


@contextmanager
def _named(target: CheckedUrl) -> Iterator[None]:
    """Let every error say whom it is about."""
    try:
        yield
    except ExternalError as error:
        error.message = f"{target.authority}: {error.message}"
        error.args = (error.message,)
        raise


def _answer(response: http.Response, keep_bytes: int, *, address: str, elapsed: float) -> Answer:
    cut = len(response.body) > keep_bytes
    return Answer(
        status=response.status,
        headers={name: _storable(value) for name, value in response.headers.items()},
        text=_text(response.body[:keep_bytes], response.headers.get("content-type", ""), whole=not cut),
        truncated=response.truncated or cut,
        elapsed=round(elapsed, 6),
        address=str(ip_address(address)),
    )


def _text(body: bytes, content_type: str, *, whole: bool) -> str:
    decoder = codecs.getincrementaldecoder(_charset(content_type))("replace")
    return _storable(decoder.decode(body, final=whole))


def _charset(content_type: str) -> str:
    named = re.search(r"charset=\"?([\w.:-]{1,40})", content_type, re.IGNORECASE)
    try:
        name = codecs.lookup(named[1]).name if named else "utf-8"
    except LookupError:
        return "utf-8"
    return name if _TEXT_CODECS.fullmatch(name) else "utf-8"  # others do not decode text, or slowly


def _storable(text: str) -> str:
    """Return the text without the one character that PostgreSQL cannot store."""
    return text.replace("\x00", "\ufffd")
