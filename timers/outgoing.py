"""One call to a foreign address: resolved once, every address checked by targets.py, connected to a checked one.

The call itself is that of http.py over a socket opened here. A library that takes URLs would parse the URL and resolve
the name a second time, and none bounds the whole time of a call; so there is no proxy, redirect, cookie or `.netrc` to
switch off. Each call has its own connection: a check for one call serves no other.
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

CONNECT_TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1024 * 1024
KEEP_BYTES = 64 * 1024

_WILDCARDS = ("0.0.0.0", "::", "")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_/-]*")
_TEXT_CODECS = re.compile(r"utf-(8|16|32)(-[bl]e)?|ascii|iso8859-\d+|cp\d+|koi8-[rtu]|gb\w+|big5|euc_\w+|shift_jis")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of a call. Header names are in lower case; `text` is at most `keep_bytes` of the body."""

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
    connect_timeout: float = CONNECT_TIMEOUT_SECONDS,
    max_bytes: int = MAX_BYTES,
    keep_bytes: int = KEEP_BYTES,
    cancelled: Callable[[], bool] | None = None,
) -> Answer:
    """Call a URL and return the answer, whatever its status; safe to use from many threads.

    `timeout` bounds the whole call in seconds. Raises ExternalError when there is no answer, with one of the reasons
    `target_refused`, `timed_out`, `connection_error`, `tls_error`, `bad_answer` and `cancelled`.
    """
    began = time.monotonic()
    deadline = http.Deadline(timeout, cancelled)
    with _refusals_as_errors():
        target = check(url)
    with _errors_naming(target), _refusals_as_errors(), http.network_errors():
        addresses = _target_addresses(target, deadline, connect_timeout)
        with closing(_connect(target, addresses, deadline, connect_timeout)) as connection:
            address = connection.getpeername()[0]
            response = http.exchange(
                connection,
                method,
                target.target,
                headers={"Host": target.authority, **(headers or {})},
                body=body,
                deadline=deadline,
                max_bytes=max_bytes,
            )
    return _answer(response, keep_bytes, address=address, elapsed=time.monotonic() - began)


# Checks of targets


def check(url: str) -> CheckedUrl:
    """Return the parsed URL when it may be saved as a target; raises TargetRefused otherwise."""
    target = targets.parse_url(url)
    return targets.check_url(
        target,
        networks=_networks(),
        listen_addresses=_listen_addresses([str(target.address)] if target.address else [], target.port),
        allowed_endpoint=_demo_endpoint(target),
    )


def check_host(host: str, port: int) -> str:
    """Return the canonical form of a host that may be saved as a target for another protocol than HTTP, with any port.

    Raises TargetRefused. Names are resolved and checked by `addresses_of`, at each call.
    """
    target = targets.parse_url(f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/")
    listen_addresses = _listen_addresses([str(target.address)] if target.address else [], port)
    return targets.check_url(target, networks=_networks(), listen_addresses=listen_addresses, any_port=True).host


def addresses_of(
    host: str, port: int, *, any_port: bool = False, timeout: float = CONNECT_TIMEOUT_SECONDS
) -> tuple[str, ...]:
    """Return the addresses of a host after checking every one, for callers that connect by other means than HTTP.

    They must connect to one of these and not resolve the name again. Raises ExternalError as `call` does.
    """
    with _refusals_as_errors(), http.network_errors():
        addresses = _resolve(host, port, timeout)
        _check_all(addresses, port, any_port=any_port)
    return addresses


def _networks() -> tuple[targets.Network, ...]:
    return tuple(getattr(settings, "TIMERS_WEBHOOK_NETWORKS", ()))


def _listen_addresses(addresses: Iterable[str], port: int) -> list[tuple[str, int]]:
    """Return the addresses where this site listens on this port.

    A wildcard stands for those of `addresses` that belong to this machine.
    """
    hosts: list[str] = []
    for host, listen_port in getattr(settings, "TIMERS_LISTEN", ()):
        if listen_port != port:
            continue
        if host in _WILDCARDS or host is None:
            hosts += ["0.0.0.0", *filter(_is_local_address, addresses)]
        elif host == "localhost":
            hosts += ["127.0.0.1", "::1"]
        else:
            hosts.append(host)
    return [(host, port) for host in hosts]


def _is_local_address(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _demo_endpoint(target: CheckedUrl) -> tuple[str, int] | None:
    """Return the address of the demo's own target when this URL belongs to it."""
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


def _target_addresses(target: CheckedUrl, deadline: http.Deadline, connect_timeout: float) -> tuple[str, ...]:
    if target.address is not None:  # checked just before by `check`
        return (str(target.address),)
    addresses = _resolve(target.host, target.port, min(deadline.seconds_left(), connect_timeout))
    _check_all(addresses, target.port)
    return addresses


def _check_all(addresses: tuple[str, ...], port: int, *, any_port: bool = False) -> None:
    listen_addresses = _listen_addresses(addresses, port)
    for address in addresses:
        targets.check_address(address, port, networks=_networks(), any_port=any_port, listen_addresses=listen_addresses)


def _resolve(host: str, port: int, timeout: float) -> tuple[str, ...]:
    """Return the distinct addresses of a name, in the system's order.

    The system's resolver has no time limit, so it runs in a thread that is abandoned when it takes too long. A literal
    address needs none.
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
        result = results.get(timeout=timeout)
    except Empty:
        raise ExternalError("The name was not found in time.", retryable=True, reason="timed_out") from None
    if isinstance(result, OSError):
        raise result
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in result))


def _connect(
    target: CheckedUrl, addresses: tuple[str, ...], deadline: http.Deadline, connect_timeout: float
) -> socket.socket:
    """Return a socket to the first address that answers, each given its share of the time."""
    deadline_at = time.monotonic() + connect_timeout
    for remaining in range(len(addresses), 0, -1):
        share = max(0.1, (deadline_at - time.monotonic()) / remaining)
        try:
            connection = http.connect(addresses[-remaining], target.port, timeout=min(deadline.seconds_left(), share))
            break
        except OSError:
            if remaining == 1:
                raise
    return http.wrap_tls(connection, target.host, deadline) if target.scheme == "https" else connection


# Errors and text


@contextmanager
def _refusals_as_errors() -> Iterator[None]:
    try:
        yield
    except TargetRefused as refusal:
        raise ExternalError(refusal.message, retryable=False, reason="target_refused") from refusal


@contextmanager
def _errors_naming(target: CheckedUrl) -> Iterator[None]:
    """Let the message of every error begin with the address that was called."""
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
    match = re.search(r"charset=\"?([\w.:-]{1,40})", content_type, re.IGNORECASE)
    try:
        name = codecs.lookup(match[1]).name if match else "utf-8"
    except LookupError:
        return "utf-8"
    return name if _TEXT_CODECS.fullmatch(name) else "utf-8"  # other codecs do not decode text, or are slow


def _storable(text: str) -> str:
    """Return the text without the one character that PostgreSQL cannot store."""
    return text.replace("\x00", "\ufffd")
