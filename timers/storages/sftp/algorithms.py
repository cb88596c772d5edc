"""The algorithms of SSH that are accepted, those that an administrator can open for one collection, and refusals.

Each list begins with the best algorithm. Old ones are never offered to a server unless they were opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paramiko

OLD_CIPHERS = ("aes256-cbc", "aes192-cbc", "aes128-cbc", "3des-cbc")
OLD_DIGESTS = ("hmac-sha1", "hmac-sha1-96", "hmac-md5", "hmac-md5-96")
OLD = (*OLD_CIPHERS, *OLD_DIGESTS)
"""Algorithms that an administrator can open for one collection."""

_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_DIGESTS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
_CERTIFICATE = "-cert-v01@openssh.com"
_CERTIFICATE_TYPES = tuple(
    f"{name}{_CERTIFICATE}"
    for name in (
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "rsa-sha2-512",
        "rsa-sha2-256",
    )
)
_KEY_TYPES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_NO_ALGORITHMS = ("ext-info-", "kex-strict-")
_MAX_NAMED = 12
_MAX_NAME_LENGTH = 64


class NegotiatingTransport(paramiko.Transport):
    """A connection that remembers which algorithms the server offered."""

    offer: dict[str, Any] | None = None

    def _parse_kex_init(self, m: paramiko.Message) -> None:
        self.offer = self._really_parse_kex_init(m)
        m.rewind()
        super()._parse_kex_init(m)


def accept_only(
    transport: paramiko.Transport, *, opened: Sequence[str], known_types: Sequence[str], certificates: bool
) -> None:
    """Limit a connection to what is accepted and to the old algorithms that were opened.

    The types of the known host keys come first, so that a server with several keys presents one of them;
    `certificates` are accepted where their authority is known.
    """
    options = transport.get_security_options()
    options.ciphers = [*_CIPHERS, *(name for name in OLD_CIPHERS if name in opened)]
    options.digests = [*_DIGESTS, *(name for name in OLD_DIGESTS if name in opened)]
    known = [name for key_type in known_types for name in _KEY_TYPES.get(key_type, (key_type,))]
    first = _CERTIFICATE_TYPES if certificates else ()
    options.key_types = [*dict.fromkeys([*first, *known, *options.key_types])]


def refusal(transport: NegotiatingTransport, name: str) -> str:
    """Return the sentences that say what the server offers, and what would be accepted."""
    options, offer = transport.get_security_options(), transport.offer or {}
    for word, accepted, keys in (
        ("key exchange", options.kex, ["kex_algo_list"]),
        ("host key", options.key_types, ["server_key_algo_list"]),
        ("encryption", options.ciphers, ["client_encrypt_algo_list", "server_encrypt_algo_list"]),
        ("checksum of packets", options.digests, ["client_mac_algo_list", "server_mac_algo_list"]),
    ):
        for key in keys:
            offered = [algorithm for algorithm in offer.get(key, ()) if not algorithm.startswith(_NO_ALGORITHMS)]
            if not set(offered) & set(accepted):
                return _sentences(name, word, offered, accepted)
    return f"{name} offers no encryption that is accepted here."


def _sentences(name: str, word: str, offered: Sequence[str], accepted: Sequence[str]) -> str:
    sentences = [
        f"{name} offers no {word} that is accepted here.",
        f"It offers {_named(offered)}; accepted are {', '.join(accepted)}.",
    ]
    if old := [algorithm for algorithm in OLD if algorithm in offered]:
        sentences.append(f"An administrator can open {' or '.join(old)} for this collection.")
    return " ".join(sentences)


def _named(offered: Sequence[str]) -> str:
    names = [
        "".join(letter if letter.isprintable() else "?" for letter in name[:_MAX_NAME_LENGTH])
        for name in offered[:_MAX_NAMED]
        if name
    ]
    return ", ".join(names) or "none"
