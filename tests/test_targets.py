"""Which addresses may be called: rules on networks, addresses and URLs."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timers.targets import (
    MAX_URL_LENGTH,
    NEVER_GLOBAL,
    CheckedUrl,
    Network,
    TargetRefused,
    check_address,
    check_url,
    parse_networks,
    parse_url,
)

PUBLIC = "93.184.215.14"


def allowed(address: str, port: int = 443, networks: str = "", **more: Any) -> bool:
    try:
        check_address(address, port, networks=parse_networks(networks), **more)
    except TargetRefused:
        return False
    return True


def accepted(url: str, networks: str = "") -> bool:
    try:
        check_url(url, networks=parse_networks(networks))
    except TargetRefused:
        return False
    return True


# Networks


def test_networks_are_read_with_and_without_ports() -> None:
    networks = parse_networks("10.0.0.0/8, 192.168.1.0/24:8443,[fd00::/8]:8443, fd01::/16,127.0.0.1:9000,[::1]")

    assert networks == (
        Network(ip_network("10.0.0.0/8")),
        Network(ip_network("192.168.1.0/24"), 8443),
        Network(ip_network("fd00::/8"), 8443),
        Network(ip_network("fd01::/16")),
        Network(ip_network("127.0.0.1/32"), 9000),
        Network(ip_network("::1/128")),
    )
    assert parse_networks(", ".join(map(str, networks))) == networks


def test_nothing_is_open_by_default() -> None:
    assert parse_networks("") == parse_networks(" , ") == ()


@pytest.mark.parametrize(
    "text",
    [
        *("10.0.0.5/8", "10.0.0.0/8:", "10.0.0.0/8:0", "10.0.0.0/8:70000", "10.0.0.0/8:http", "10.0.0.0/8:-1"),
        *("[fd00::/8", "[fd00::/8]8443", "[fd00::/8]:", "intranet", "10.0.0.0/33", "10.0.0.0/8 10.0.0.0/8", "::²"),
    ],
)
def test_a_network_that_cannot_be_read_is_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as caught:
        parse_networks(f"127.0.0.1,{text}")

    assert repr(text) in str(caught.value)


@given(st.text(alphabet="0123456789abcdef.:/[], x²", max_size=40))
def test_reading_networks_raises_nothing_but_value_errors(text: str) -> None:
    try:
        networks = parse_networks(text)
    except ValueError:
        return
    assert parse_networks(",".join(map(str, networks))) == networks


# Addresses


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700:4700::1111", f"::ffff:{PUBLIC}"])
def test_addresses_of_the_open_internet_are_allowed(address: str) -> None:
    assert allowed(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "0.0.0.0", "255.255.255.255"),
        *("100.64.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
        *("::", "::1", "::8.8.8.8", "fe80::1", "fd00::1", "fec0::1", "ff02::1", "2001:db8::1", "100::1", "3fff::1"),
        *("5f00::1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:100.64.0.1"),
    ],
)
def test_every_other_address_is_refused(address: str) -> None:
    assert not allowed(address)


@pytest.mark.parametrize("address", ["fe80::1%eth0", "2606:4700:4700::1111%1", "example.org", "1.2.3", "", "::g"])
def test_what_is_not_one_plain_address_is_refused(address: str) -> None:
    assert not allowed(address)


def test_a_network_opens_its_addresses_on_its_ports_only() -> None:
    assert allowed("10.0.0.1", 22, "10.0.0.0/8")
    assert allowed("10.0.0.1", 8443, "10.0.0.0/8:8443")
    assert not allowed("10.0.0.1", 443, "10.0.0.0/8:8443")
    assert not allowed("11.0.0.1", 22, "10.0.0.0/8")
    assert allowed("::ffff:10.0.0.1", 443, "10.0.0.0/8")
    assert allowed("fd00::1", 8443, "[fd00::/8]:8443")


@pytest.mark.parametrize(("port", "expected"), [(80, True), (443, True), (1024, True), (65535, True), (22, False)])
def test_public_addresses_have_the_usual_ports(port: int, expected: bool) -> None:
    assert allowed(PUBLIC, port) is expected
    assert allowed(PUBLIC, port, any_port=True)


def test_an_administrator_may_open_an_unusual_port_of_a_public_address() -> None:
    assert allowed(PUBLIC, 22, f"{PUBLIC}:22")
    assert not allowed(PUBLIC, 23, f"{PUBLIC}:22")


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "64:ff9b::169.254.169.254"),
        *("::169.254.169.254", "2002:a9fe:a9fe::", "2001:0:4136:e378:8000:63bf:5601:5601"),
    ],
)
def test_metadata_services_stay_refused_inside_opened_networks(address: str) -> None:
    assert not allowed(address, 80, "0.0.0.0/0,::/0")


def test_an_address_within_an_address_needs_its_own_opening() -> None:
    assert allowed("64:ff9b::8.8.8.8", 443, "64:ff9b::/96")
    assert not allowed("64:ff9b::10.0.0.1", 443, "64:ff9b::/96")
    assert allowed("64:ff9b::10.0.0.1", 443, "64:ff9b::/96,10.0.0.0/8")
    assert not allowed("2002:7f00:1::1", 443, "2002::/16")


@pytest.mark.parametrize(
    ("listening", "called"),
    [
        *[("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "::ffff:127.0.0.1"), ("0.0.0.0", "127.0.0.5")],
        *[("::", "::1"), ("::", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), (PUBLIC, PUBLIC)],
    ],
)
def test_the_site_does_not_call_itself(listening: str, called: str) -> None:
    opened = "0.0.0.0/0,::/0"

    assert not allowed(called, 8000, opened, listen_addresses=[(listening, 8000)])
    assert allowed(called, 8001, opened, listen_addresses=[(listening, 8000)])


def test_one_exact_endpoint_can_be_allowed_before_all_rules() -> None:
    demo: dict[str, Any] = {"listen_addresses": [("127.0.0.1", 8000)], "allowed_endpoint": ("127.0.0.1", 8000)}

    assert allowed("127.0.0.1", 8000, **demo)
    assert not allowed("127.0.0.1", 8001, **demo)
    assert not allowed("127.0.0.2", 8000, **demo)


@given(st.ip_addresses())
def test_whatever_is_allowed_is_global(address: IPv4Address | IPv6Address) -> None:
    try:
        check_address(address, 443, networks=())
    except TargetRefused as refusal:
        assert refusal.message.endswith(".")
        return
    real = (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
    assert real.is_global
    assert not any(real in network for network in NEVER_GLOBAL)


# URLs


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org", "https://example.org/"),
        ("HTTPS://Example.ORG.:443/a/b?q=1#part", "https://example.org/a/b?q=1"),
        ("http://example.org:8080/%7Ea?x=%20", "http://example.org:8080/%7Ea?x=%20"),
        ("http://example.org?q", "http://example.org/?q"),
        ("https://münchen.example/straße?ö", "https://xn--mnchen-3ya.example/stra%C3%9Fe?%C3%B6"),
        ("http://my_service.example/", "http://my_service.example/"),
        ("https://[2606:4700:4700::1111]:8443/x", "https://[2606:4700:4700::1111]:8443/x"),
        (f"http://{PUBLIC}/", f"http://{PUBLIC}/"),
    ],
)
def test_a_good_url_is_taken_apart(url: str, expected: str) -> None:
    assert str(check_url(url, networks=())) == expected


@pytest.mark.parametrize(
    ("url", "word"),
    [
        *[("", "URL"), ("example.org", "http"), ("ftp://example.org", "http"), ("file:///etc/passwd", "http")],
        *[("https://", "host"), ("http:///path", "host"), ("https://user@example.org", "user name")],
        *[("https://user:pass@example.org", "user name"), ("http://example.org\\@evil.example/", "user name")],
        *[
            ("https://example.org:0/", "port"),
            ("https://example.org:x/", "port"),
            ("https://example.org:99999", "port"),
        ],
        *[("https://example.org:22/", "Port 22"), ("https://exa mple.org", "blank"), (" https://example.org", "blank")],
        *[("https://example.org/\r\nX: y", "line break"), ("https://example.org/\x00", "control")],
        *[
            ("https://example.org/" + "x" * MAX_URL_LENGTH, "longer"),
            ("https://a..b/", "name"),
            ("https://.a/", "name"),
        ],
        *[("https://faß.example", "xn--"), ("https://exa%6dple.org", "name"), ("https://a℀b.example", "read")],
        *[
            ("https://[::1%25eth0]/", "zone"),
            ("https://[::1", "read"),
            ("https://[v1.x]/", "host"),
            ("http://1.2.3.4.5", "IPv4"),
        ],
        *[
            ("http://256.1.1.1", "IPv4"),
            ("http://1.2.3.08", "IPv4"),
            ("http://example.0x", "IPv4"),
            ("http://4294967296", "IPv4"),
        ],
    ],
)
def test_a_bad_url_is_refused_with_a_sentence(url: str, word: str) -> None:
    with pytest.raises(TargetRefused, match=word) as caught:
        check_url(url, networks=())

    assert caught.value.message.endswith(".")
    assert caught.value.code == "target_refused"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "0x7f000001", "017700000001", "127.0.0.1."),
        *("①②⑦.⓪.⓪.①", "127。0。0。1", "[::1]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]", "0", "0x"),
        *("10.0.0.1", "169.254.169.254", "[fd00:ec2::254]", "localhost", "LOCALHOST.", "app.localhost"),
    ],
)
def test_this_machine_and_its_neighbours_are_refused_in_every_spelling(host: str) -> None:
    assert not accepted(f"http://{host}/")
    assert not accepted(f"http://{host}:8080/")


def test_what_an_administrator_opened_can_be_saved() -> None:
    assert accepted("http://127.0.0.1:9000/", "127.0.0.1:9000")
    assert accepted("http://localhost:9000/", "127.0.0.1:9000")
    assert accepted("http://localhost:9000/", "::1")
    assert not accepted("http://localhost:9000/", "10.0.0.0/8,127.0.0.1:9001")
    assert accepted("https://mail.example:25/", "10.0.0.0/8:25")
    assert not accepted("https://mail.example:25/", "10.0.0.0/8:26,10.0.0.0/8")
    assert accepted("https://10.0.0.1:25/", "10.0.0.0/8")
    assert accepted("http://localhost:81/", "127.0.0.0/8")


_PIECES = st.sampled_from(
    [
        *(
            "http://",
            "https://",
            "HTTP:",
            "//",
            "/",
            "\\",
            "@",
            ":",
            ":80",
            ":0x50",
            "[",
            "]",
            "%",
            "%2e",
            "?",
            "#",
            ".",
        ),
        *(
            "localhost",
            "127.0.0.1",
            "0x7f",
            "1",
            "example.org",
            "::1",
            "::ffff:",
            "xn--",
            "ß",
            "。",
            "²",
            "\r\n",
            "\ud800",
        ),
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(st.one_of(_PIECES, st.text(max_size=3)), max_size=10).map("".join)))
def test_a_url_is_either_refused_or_means_one_thing(url: str) -> None:
    for text in (url, f"http://{url}"):
        try:
            checked = check_url(text, networks=())
        except TargetRefused:
            continue
        assert str(checked).isascii()
        assert check_url(str(checked), networks=()) == checked
        assert checked.address is None or checked.address.is_global


def _spelled(number: int, style: str) -> str:
    return {"decimal": f"{number}", "octal": f"0{number:o}", "hex": f"0x{number:x}"}[style]


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.lists(st.sampled_from(["decimal", "octal", "hex"]), min_size=4))
def test_literal_addresses_mean_what_the_system_reads(value: int, parts: int, styles: list[str]) -> None:
    octets = list(value.to_bytes(4, "big"))
    numbers = [*octets[: parts - 1], int.from_bytes(octets[parts - 1 :], "big")]
    text = ".".join(_spelled(number, style) for number, style in zip(numbers, styles, strict=False))

    assert socket.inet_aton(text) == value.to_bytes(4, "big")
    assert parse_url(f"http://{text}/").address == IPv4Address(value)


@given(st.text(alphabet="0123456789abcdefx.", min_size=1, max_size=20))
def test_no_text_that_the_system_reads_as_an_address_passes_as_a_name(text: str) -> None:
    try:
        packed = socket.inet_aton(text)
    except OSError:
        packed = None
    try:
        checked = parse_url(f"http://{text}/")
    except TargetRefused:
        return
    if packed is not None:
        assert checked.address == ip_address(packed)


def test_a_checked_url_knows_what_to_send() -> None:
    checked = CheckedUrl(scheme="https", host="::1", port=8443, path="/a", query="b=c")

    assert (checked.authority, checked.target) == ("[::1]:8443", "/a?b=c")
    assert CheckedUrl(scheme="https", host="a", port=443, path="/").authority == "a"
    assert CheckedUrl(scheme="http", host="a", port=443, path="/").authority == "a:443"


@pytest.mark.parametrize("address", ["4000::1", "6000::1", "a000::1", "1::1", "e000::1", "4000::192.0.2.1"])
def test_only_the_part_of_ipv6_that_is_handed_out_is_the_open_internet(address: str) -> None:
    assert not allowed(address)
