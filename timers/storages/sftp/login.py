"""Login to an SFTP server: connect to a checked address, verify the server's key, then authenticate.

Nothing of this machine is used: neither an SSH agent nor the files in ~/.ssh.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from timers import clock, http, outgoing
from timers.errors import ExternalError
from timers.storages.base import fault
from timers.storages.sftp import algorithms, certificates, keys
from timers.storages.sftp.algorithms import NegotiatingTransport
from timers.storages.sftp.buffered import BufferedSocket
from timers.storages.sftp.certificates import CertificateRefused
from timers.storages.sftp.keys import HostKey
from timers.storages.sftp.session import SftpSession

CONNECT_TIMEOUT_SECONDS = 5.0
LOGIN_TIMEOUT_SECONDS = 20.0
ANSWER_TIMEOUT_SECONDS = 30.0

_KEEPALIVE_OPTIONS = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
_WINDOW_BYTES = 32 * 1024 * 1024
_PACKET_BYTES = 256 * 1024
_PROHIBITED = 1
"""Code of a server that does not open a channel because it must not."""
_WORDS = {"publickey": "key", "password": "password"}
_SAME_PROOF = {"keyboard-interactive": "password"}

_LOG = "timers.storages.ssh"
# a server that is down is recorded as an event of the transfer; the library would also log a traceback
logging.getLogger(_LOG).setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Account:
    """Address, host keys and credentials of an account on a server; with `jump`, the account on the way to it."""

    host: str
    port: int
    username: str
    host_keys: tuple[HostKey, ...]
    password: str | None = None
    private_key: str | None = None
    passphrase: str | None = None
    opened_algorithms: tuple[str, ...] = ()
    jump: Account | None = None

    @classmethod
    def read(cls, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> Account:
        jump = cls._read("jump_", parameters, secrets) if parameters.get("jump_host") else None
        return cls._read("", parameters, secrets, jump)

    @classmethod
    def _read(
        cls, prefix: str, parameters: Mapping[str, Any], secrets: Mapping[str, Any], jump: Account | None = None
    ) -> Account:
        return cls(
            host=parameters[f"{prefix}host"],
            port=parameters.get(f"{prefix}port", 22),
            username=parameters[f"{prefix}username"],
            host_keys=keys.read_host_keys(parameters[f"{prefix}host_key"]),
            password=secrets.get(f"{prefix}password"),
            private_key=secrets.get(f"{prefix}private_key"),
            passphrase=secrets.get(f"{prefix}passphrase"),
            opened_algorithms=tuple(parameters.get("algorithms", "").split()),
            jump=jump,
        )

    @property
    def known_keys(self) -> tuple[HostKey, ...]:
        return tuple(key for key in self.host_keys if not key.authority_for)

    @property
    def authorities(self) -> tuple[HostKey, ...]:
        return tuple(key for key in self.host_keys if key.authority_for)

    @property
    def proofs(self) -> str:
        """The words for what the account proves itself with."""
        given = {"key": self.private_key, "password": self.password}
        return " or ".join(word for word, value in given.items() if value is not None)

    @property
    def name(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 22 else f"{host}:{self.port}"


def log_in(account: Account) -> SftpSession:
    """Return an open session.

    Raises ExternalError: `connection_error`, `host_key_refused`, `login_failed`, `unsupported`, `target_refused`.
    """
    connections = ExitStack()
    try:
        transport = _logged_in(account, _tunnel(account, account.jump, connections), connections)
        with _login_time_limit(transport), _login_faults(account, transport):
            return _open_session(transport, account, connections.close)
    except BaseException:
        connections.close()
        raise


def _logged_in(
    account: Account, connected: socket.socket | paramiko.Channel, connections: ExitStack
) -> NegotiatingTransport:
    """Return a connection on which the account is logged in; it is closed with `connections`."""
    transport = _transport(connected, account)
    connections.callback(transport.close)
    with _login_time_limit(transport), _login_faults(account, transport):
        transport.start_client(timeout=LOGIN_TIMEOUT_SECONDS)
        _check_host_key(transport, account)
        _authenticate(transport, account)
    return transport


def _tunnel(account: Account, jump: Account | None, connections: ExitStack) -> socket.socket | paramiko.Channel:
    """Return a connection to the server, through the jump host if there is one."""
    if jump is None:
        return _connect(account)
    transport = _logged_in(jump, _connect(jump), connections)
    try:
        return transport.open_channel(
            "direct-tcpip", (account.host, account.port), ("127.0.0.1", 0), timeout=LOGIN_TIMEOUT_SECONDS
        )
    except paramiko.ChannelException as error:
        if error.code == _PROHIBITED:
            raise fault(
                "target_refused", f"{jump.name} does not let {jump.username} go on to {account.name}."
            ) from error
        raise fault("connection_error", f"{jump.name} cannot connect to {account.name}.") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise fault("connection_error", f"{jump.name} did not connect to {account.name} in time.") from error


def _connect(account: Account) -> socket.socket:
    """Return a socket to the first address that answers; every address was checked."""
    try:
        addresses = outgoing.addresses_of(account.host, account.port, any_port=True, timeout=CONNECT_TIMEOUT_SECONDS)
    except ExternalError as error:
        reason = "connection_error" if error.retryable else error.reason
        raise ExternalError(f"{account.name}: {error.message}", retryable=error.retryable, reason=reason) from error
    last_error: OSError = OSError("no address")
    for address in addresses:
        try:
            return _enable_keepalive(
                http.connect(address, account.port, timeout=max(1.0, CONNECT_TIMEOUT_SECONDS / len(addresses)))
            )
        except OSError as error:
            last_error = error
    why = (
        "it did not answer in time"
        if isinstance(last_error, TimeoutError)
        else (last_error.strerror or "connection closed")
    )
    raise fault("connection_error", f"The connection to {account.name} failed: {why}.") from last_error


def _enable_keepalive(connected: socket.socket) -> socket.socket:
    """Return the socket with options that make the system notice a server that vanished silently.

    They work while we write, too.
    """
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE_OPTIONS.items():
        if hasattr(socket, option):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return connected


def _transport(connected: socket.socket | paramiko.Channel, account: Account) -> NegotiatingTransport:
    is_socket = isinstance(connected, socket.socket)
    transport = NegotiatingTransport(BufferedSocket.replacing(connected) if is_socket else connected)
    transport.set_log_channel(_LOG)
    algorithms.accept_only(
        transport,
        opened=account.opened_algorithms,
        known_types=[key.type for key in account.known_keys],
        certificates=bool(account.authorities),
    )
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = LOGIN_TIMEOUT_SECONDS
    transport.channel_timeout = LOGIN_TIMEOUT_SECONDS
    return transport


@contextmanager
def _login_time_limit(transport: paramiko.Transport) -> Iterator[None]:
    """Bound the whole login: some steps of the library wait for the server without a limit."""
    timer = threading.Timer(LOGIN_TIMEOUT_SECONDS, transport.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _login_faults(account: Account, transport: NegotiatingTransport) -> Iterator[None]:
    try:
        yield
    except paramiko.BadAuthenticationType as error:
        offered = ", ".join(error.allowed_types) or "no known method"
        message = f"{account.name} does not let {account.username} log in with a {account.proofs}; it offers {offered}."
        raise fault("login_failed", message) from error
    except paramiko.AuthenticationException as error:
        raise _login_fault(account, error) from error
    except IncompatiblePeer as error:
        raise fault("unsupported", algorithms.refusal(transport, account.name)) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise fault("connection_error", _closed(account)) from error


def _login_fault(account: Account, error: Exception) -> ExternalError:
    if _is_silence(error):
        return fault("connection_error", _closed(account))
    message = f"{account.name} refused the login of {account.username}: wrong user name or {account.proofs}."
    return fault("login_failed", message)


def _is_silence(error: Exception) -> bool:
    # the library raises the same for a refusal and for a server that stopped answering
    return "timeout" in str(error) or "EOF" in str(error)


def _closed(account: Account) -> str:
    return f"{account.name} closed the connection during the login or did not answer in time."


def _check_host_key(transport: paramiko.Transport, account: Account) -> None:
    key = transport.get_remote_server_key()
    if key.asbytes() in {known.blob for known in account.known_keys}:
        return
    because = ""
    if key.public_blob is not None:
        try:
            certificates.check(
                key.public_blob.key_blob,
                authorities=account.authorities,
                host=account.host,
                port=account.port,
                now=clock.now(),
            )
            return
        except CertificateRefused as refused:
            because = f" Its certificate {refused}."
    shown = fingerprint(key.asbytes())
    expected = " or ".join(
        f"{'a key signed by ' if known.authority_for else ''}{fingerprint(known.blob)}" for known in account.host_keys
    )
    message = f"{account.name} has the key {shown}, not the one that is known: {expected}.{because}"
    raise fault("host_key_refused", message)


def fingerprint(blob: bytes) -> str:
    """Return a key's fingerprint as ssh-keygen shows it."""
    return "SHA256:" + b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _authenticate(transport: paramiko.Transport, account: Account) -> None:
    """Give the server what it asks for of a key and a password, in its order; some ask for both."""
    proofs = _proofs(transport, account)
    accepted: list[str] = []
    requested: Collection[str] = [*proofs]
    refusal: Exception | None = None
    unsuitable: Exception | None = None
    for method in [*proofs, *proofs]:  # what is not asked for at first may be asked for later
        if method not in requested or method not in proofs:
            continue
        try:
            requested = _methods(proofs[method]())
        except paramiko.BadAuthenticationType as error:
            requested, unsuitable = _methods(error.allowed_types), error
            if method not in requested:
                continue
        except paramiko.AuthenticationException as error:
            if _is_silence(error):
                raise
            refusal = error
        else:
            accepted.append(_WORDS[method])
            if not requested:
                return
        del proofs[method]
    if accepted and refusal is None:
        message = f"{account.name} accepted the {' and '.join(accepted)} of {account.username} and also requires: "
        raise fault("login_failed", f"{message}{', '.join(sorted(requested))}.")
    raise refusal or unsuitable or paramiko.AuthenticationException("There is nothing to prove it with.")


def _methods(names: Iterable[str]) -> set[str]:
    """Return methods of authentication; those that are given the same proof are one."""
    return {_SAME_PROOF.get(name, name) for name in names}


def _proofs(transport: paramiko.Transport, account: Account) -> dict[str, Callable[[], list[str]]]:
    """Return the functions that prove who we are, by the method; each returns the methods that are also required."""
    proofs: dict[str, Callable[[], list[str]]] = {}
    if account.private_key is not None:
        key = keys.for_login(account.private_key, account.passphrase)
        proofs["publickey"] = lambda: transport.auth_publickey(account.username, key)
    if (password := account.password) is not None:
        proofs["password"] = lambda: transport.auth_password(account.username, password)
    return proofs


def _open_session(transport: paramiko.Transport, account: Account, end: Callable[[], None]) -> SftpSession:
    channel = transport.open_session(
        window_size=_WINDOW_BYTES, max_packet_size=_PACKET_BYTES, timeout=LOGIN_TIMEOUT_SECONDS
    )
    channel.settimeout(ANSWER_TIMEOUT_SECONDS)
    try:
        channel.invoke_subsystem("sftp")
    except paramiko.SSHException as error:
        if not transport.is_active():
            raise
        raise fault("unsupported", f"{account.name} offers no SFTP to {account.username}.") from error
    return SftpSession(channel, name=account.name, end=end)
