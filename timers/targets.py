"""Rules on the addresses that may be called from here: pure functions of URLs, addresses and ports.

A URL is checked when it is saved (`check_url`: everything that can be known without resolving the name) and again at
each delivery, when every address that its name resolves to is checked (`check_address`). Only addresses of the open
internet are allowed; an administrator opens others one by one as `Network`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, quote, urlsplit

from timers.errors import TimersError

Address = IPv4Address | IPv6Address

MAX_URL_LENGTH = 2_048
DEFAULT_PORTS = {"http": 80, "https": 443}
FIRST_UNPRIVILEGED_PORT = 1_024
MAX_PORT = 65_535

# Ranges that some supported Python versions call global, although no service of the open internet is there.
NEVER_GLOBAL = tuple(
    ip_network(text)
    for text in (
        *("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4"),
        *("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "fec0::/10", "ff00::/8", "3fff::/20", "5f00::/16"),
    )
)
# Metadata services of clouds, which give credentials to every caller; no setting opens them.
METADATA = frozenset(
    ip_address(text)
    for text in (
        *("169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
        *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
    )
)
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

_GLOBAL_UNICAST = ip_network("2000::/3")
"""The only part of IPv6 that is handed out for the open internet (IANA's registry of address space)."""
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_IPV4_COMPATIBLE = ip_network("::/96")
_UNUSABLE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff]")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_ASCII = re.compile(r"[\x00-\x7f]*")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
# Python's codec maps these to other letters than the present rules of IDNA, so the name would mean two different hosts.
_AMBIGUOUS_IN_IDNA = re.compile("[\u00df\u03c2\u200c\u200d]")


class TargetRefused(TimersError):
    """The target may not be called; the message is one sentence that says why."""

    code = "target_refused"


@dataclass(frozen=True)
class Network:
    """An address range that the administrator opened, on one port or (None) on all."""

    cidr: IPv4Network | IPv6Network
    port: int | None = None

    def opens(self, address: Address, port: int) -> bool:
        """Return whether this port of this address is open."""
        return self.opens_port(port) and address in self.cidr

    def opens_port(self, port: int) -> bool:
        """Return whether this port is open on some address."""
        return self.port is None or self.port == port

    def __str__(self) -> str:
        if self.port is None:
            return str(self.cidr)
        return f"{self.cidr}:{self.port}" if self.cidr.version == 4 else f"[{self.cidr}]:{self.port}"


def origin(url: str) -> str:
    """Return scheme, host and port of a URL, to whom a secret in a request belongs; an unreadable URL as it is."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower())
    except ValueError:
        return url
    return f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}:{port}"


@dataclass(frozen=True)
class CheckedUrl:
    """A URL, parsed only once, so that no later code reads it differently from the check."""

    scheme: str
    host: str
    """An ASCII name in lower case, or a literal address without brackets."""
    port: int
    path: str
    """Begins with a slash; percent-encoded."""
    query: str = ""
    address: Address | None = None
    """Set when the host is a literal address."""

    @property
    def authority(self) -> str:
        """The value of the Host header; it names the port only when that is not the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """The target in the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


# Networks


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma-separated list of `CIDR`, `CIDR:port` and `[IPv6 CIDR]:port`.

    Raises ValueError with one sentence that quotes the part which cannot be read.
    """
    return tuple(_parse_network(part.strip()) for part in text.split(",") if part.strip())


def _parse_network(text: str) -> Network:
    cidr, port = _split_port(text)
    try:
        network = ip_network(cidr)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network: {error}.") from None
    return Network(network, None if port is None else _parse_port(port, text))


def _split_port(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        cidr, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f'{text!r} is not a network: expected "[CIDR]:port".')
        return cidr, rest[1:] if rest else None
    if text.count(":") == 1:
        cidr, _, port = text.partition(":")
        return cidr, port
    return text, None


def _parse_port(port: str, text: str) -> int:
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= MAX_PORT):
        raise ValueError(f"{text!r} names no port between 1 and {MAX_PORT}.")
    return int(port)


# Addresses


def check_address(
    address: str | Address,
    port: int,
    *,
    networks: Collection[Network],
    any_port: bool = False,
    listen_addresses: Collection[tuple[str, int]] = (),
    allowed_endpoint: tuple[str, int] | None = None,
) -> None:
    """Return when this port of this address may be called; raises TargetRefused otherwise.

    `listen_addresses` are those of this site ("0.0.0.0" and "::" include loopback), refused even inside an opened
    network. `allowed_endpoint` is one exact address and port that is allowed before all other rules. `any_port` lifts
    the rule on ports, for protocols other than HTTP.
    """
    parsed = _parse_address(address)
    if allowed_endpoint is not None and (parsed, port) == (ip_address(allowed_endpoint[0]), allowed_endpoint[1]):
        return
    for form in _forms(parsed):
        _check_form(form, port, networks=networks, listen_addresses=listen_addresses)
    if (
        not any_port
        and not _is_allowed_by_default(port)
        and not any(network.opens(parsed, port) for network in networks)
    ):
        raise TargetRefused(_port_message(port))


def _parse_address(address: str | Address) -> Address:
    try:
        parsed = ip_address(str(address))
    except ValueError:
        raise TargetRefused(f"{address!r} is not an IP address.") from None
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None:
            raise TargetRefused("Addresses with a zone cannot be called.")
        return parsed.ipv4_mapped or parsed
    return parsed


def _forms(address: Address) -> Iterator[Address]:
    """Yield the address and every address that it embeds: all of them must be allowed."""
    yield address
    if isinstance(address, IPv6Address):
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo
        if any(address in network for network in _NAT64) or (address in _IPV4_COMPATIBLE and int(address) > 1):
            yield IPv4Address(int(address) & 0xFFFFFFFF)


def _check_form(
    address: Address, port: int, *, networks: Collection[Network], listen_addresses: Collection[tuple[str, int]]
) -> None:
    if address in METADATA:
        raise TargetRefused(f"{address} is a metadata service and is never called.")
    if any(_is_listen_address(address, port, host, listen_port) for host, listen_port in listen_addresses):
        raise TargetRefused(f"{address} port {port} is this site itself.")
    if not _is_global(address) and not any(network.opens(address, port) for network in networks):
        raise TargetRefused(f"{address} port {port} is not an address of the open internet and was not allowed here.")


def _is_listen_address(address: Address, port: int, host: str, listen_port: int) -> bool:
    if port != listen_port:
        return False
    try:
        listening = _parse_address(host)
    except TargetRefused:
        return False
    if address.is_unspecified:  # calling 0.0.0.0 reaches loopback
        return listening.is_loopback or listening.is_unspecified
    return address == listening or (listening.is_unspecified and address.is_loopback)


def _is_global(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not any(address in network for network in NEVER_GLOBAL)


def _is_allowed_by_default(port: int) -> bool:
    return port in DEFAULT_PORTS.values() or FIRST_UNPRIVILEGED_PORT <= port <= MAX_PORT


def _port_message(port: int) -> str:
    return f"Port {port} is not allowed: only 80, 443 and those from {FIRST_UNPRIVILEGED_PORT} on."


# URLs


def check_url(
    url: str | CheckedUrl,
    *,
    networks: Collection[Network],
    listen_addresses: Collection[tuple[str, int]] = (),
    any_port: bool = False,
    allowed_endpoint: tuple[str, int] | None = None,
) -> CheckedUrl:
    """Return the parsed URL when it may be called as far as that is known without resolving its name.

    Raises TargetRefused.

    Names are resolved and checked at delivery. Only literal addresses, in every spelling, and names of this machine are
    checked here.
    """
    checked = url if isinstance(url, CheckedUrl) else parse_url(url)
    if checked.address is None:
        _check_name(checked, networks, any_port=any_port)
        return checked
    check_address(
        checked.address,
        checked.port,
        networks=networks,
        listen_addresses=listen_addresses,
        any_port=any_port,
        allowed_endpoint=allowed_endpoint,
    )
    return checked


def parse_url(url: str) -> CheckedUrl:
    """Return the parsed URL, without a check of its address.

    Raises TargetRefused when it is not a URL that can be called.
    """
    parts = _split(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise TargetRefused("The URL must begin with http:// or https://.")
    if "@" in parts.netloc:
        raise TargetRefused("The URL must not contain a user name or password; use a header instead.")
    host, address = _parse_host(parts)
    return CheckedUrl(
        scheme=parts.scheme,
        host=host,
        port=_port(parts),
        path=quote(parts.path, safe="/:@!$&'()*+,;=~%-._") or "/",
        query=quote(parts.query, safe="/:@!$&'()*+,;=~%-._?"),
        address=address,
    )


def _split(url: str) -> SplitResult:
    if not isinstance(url, str) or not url:
        raise TargetRefused("A URL is needed.")
    if len(url) > MAX_URL_LENGTH:
        raise TargetRefused(f"The URL is longer than {MAX_URL_LENGTH:,} characters.")
    if _UNUSABLE.search(url):
        raise TargetRefused("The URL contains a blank, a line break or a control character.")
    try:
        return urlsplit(url)
    except ValueError:
        raise TargetRefused("The URL cannot be read.") from None


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise TargetRefused(f"The URL's port must be a number between 1 and {MAX_PORT}.")
    return port or DEFAULT_PORTS[parts.scheme]


def _parse_host(parts: SplitResult) -> tuple[str, Address | None]:
    host = parts.hostname or ""
    if "[" in parts.netloc or "]" in parts.netloc:
        address: Address | None = _bracketed(parts.netloc, host)
    else:
        host = _ascii_name(host)
        address = _ipv4(host)
    if address is not None:
        return str(address), address
    if not _NAME.fullmatch(host):
        raise TargetRefused("The URL's host is not a name that can be looked up.")
    return host, None


def _bracketed(netloc: str, host: str) -> Address:
    if not re.fullmatch(r"\[[^\[\]]*\](:[0-9]*)?", netloc):
        raise TargetRefused("The URL's host cannot be read.")
    if "%" in host:
        raise TargetRefused("The URL's address must not name a zone.")
    try:
        return IPv6Address(host)
    except ValueError:
        raise TargetRefused("The URL's host is not an IPv6 address.") from None


def _ascii_name(host: str) -> str:
    """Return the name as the name service knows it: ASCII, lower case, without the dot of the root."""
    if _AMBIGUOUS_IN_IDNA.search(host):
        raise TargetRefused("The URL's host has letters that are read in two ways; write it in its xn-- form.")
    if not _ASCII.fullmatch(host):
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise TargetRefused("The URL's host is not a name that can be looked up.") from None
    return host.lower().removesuffix(".")


def _ipv4(host: str) -> IPv4Address | None:
    """Return the address that the C library would read from this text (also 2130706433, 0177.1, 0x7f.0.0.1), if any.

    As in browsers, a host whose last part is a number is an address or invalid.
    """
    parts = host.split(".")
    if not _NUMBER.fullmatch(parts[-1]):
        return None
    numbers = [_number(part) for part in parts]
    if len(numbers) > 4 or any(number > 255 for number in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(numbers)):
        raise TargetRefused("The URL's host is not an IPv4 address.")
    value = numbers[-1]
    for position, number in enumerate(numbers[:-1]):
        value += number << 8 * (3 - position)
    return IPv4Address(value)


def _number(text: str) -> int:
    try:
        if text.startswith("0x"):
            return int(text[2:] or "0", 16)
        if not (text.isascii() and text.isdigit()):
            raise ValueError(text)
        return int(text, 8 if text.startswith("0") and len(text) > 1 else 10)
    except ValueError:
        raise TargetRefused("The URL's host is not an IPv4 address.") from None


def _check_name(checked: CheckedUrl, networks: Collection[Network], *, any_port: bool) -> None:
    opened = [network for network in networks if network.opens_port(checked.port)]
    if checked.host.rpartition(".")[2] == "localhost":
        if not any(_reaches_loopback(network) for network in opened):
            raise TargetRefused(f"{checked.host} is this machine itself and was not allowed here.")
    # the addresses of a name are not known yet, so an opened network that names the port is enough
    elif not any_port and not _is_allowed_by_default(checked.port) and not any(network.port for network in opened):
        raise TargetRefused(_port_message(checked.port))


def _reaches_loopback(network: Network) -> bool:
    return any(network.cidr.version == loopback.version and network.cidr.overlaps(loopback) for loopback in LOOPBACK)
