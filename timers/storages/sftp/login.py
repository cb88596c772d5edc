"""Login to an SFTP server: connect to a checked address, verify the server's key, then authenticate.

Nothing of this machine is used: neither an SSH agent nor the files in ~/.ssh.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from timers import http, outgoing
from timers.errors import ExternalError
from timers.storages.base import fault
from timers.storages.sftp import keys
from timers.storages.sftp.buffered import BufferedSocket
from timers.storages.sftp.keys import HostKey
from timers.storages.sftp.session import SftpSession

CONNECT_TIMEOUT_SECONDS = 5.0
LOGIN_TIMEOUT_SECONDS = 20.0
ANSWER_TIMEOUT_SECONDS = 30.0

_KEEPALIVE_OPTIONS = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
_WINDOW_BYTES = 32 * 1024 * 1024
_PACKET_BYTES = 256 * 1024
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_DIGESTS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
_KEY_TYPES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}

_LOG = "timers.storages.ssh"
# a server that is down is recorded as an event of the transfer; the library would also log a traceback
logging.getLogger(_LOG).setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Account:
    """Address, host keys and credentials of an account on a server."""

    host: str
    port: int
    username: str
    host_keys: tuple[HostKey, ...]
    password: str | None = None
    private_key: str | None = None
    passphrase: str | None = None

    @classmethod
    def read(cls, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> Account:
        return cls(
            host=parameters["host"],
            port=parameters.get("port", 22),
            username=parameters["username"],
            host_keys=keys.read_host_keys(parameters["host_key"]),
            password=secrets.get("password"),
            private_key=secrets.get("private_key"),
            passphrase=secrets.get("passphrase"),
        )

    @property
    def name(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 22 else f"{host}:{self.port}"


def log_in(account: Account) -> SftpSession:
    """Return an open session.

    Raises ExternalError: `connection_error`, `host_key_refused`, `login_failed`, `unsupported`, `target_refused`.
    """
    transport = _transport(_connect(account), account)
    try:
        with _login_time_limit(transport), _login_faults(account):
            transport.start_client(timeout=LOGIN_TIMEOUT_SECONDS)
            _check_host_key(transport, account)
            _authenticate(transport, account)
            return _open_session(transport, account)
    except BaseException:
        transport.close()
        raise


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


def _transport(connected: socket.socket, account: Account) -> paramiko.Transport:
    transport = paramiko.Transport(BufferedSocket.replacing(connected))
    transport.set_log_channel(_LOG)
    options = transport.get_security_options()
    options.ciphers = [cipher for cipher in _CIPHERS if cipher in options.ciphers]
    options.digests = [digest for digest in _DIGESTS if digest in options.digests]
    # the types of the known keys come first, so that a server with several keys presents one of them
    known = [key_type for key in account.host_keys for key_type in _KEY_TYPES.get(key.type, (key.type,))]
    options.key_types = [*dict.fromkeys([*known, *options.key_types])]
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
def _login_faults(account: Account) -> Iterator[None]:
    try:
        yield
    except paramiko.BadAuthenticationType as error:
        offered = ", ".join(error.allowed_types) or "no known method"
        method = "a password" if account.password is not None else "a key"
        message = f"{account.name} does not let {account.username} log in with {method}; it offers {offered}."
        raise fault("login_failed", message) from error
    except paramiko.AuthenticationException as error:
        raise _login_fault(account, error) from error
    except IncompatiblePeer as error:
        raise fault("unsupported", f"{account.name} offers no encryption that is accepted here.") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise fault(
            "connection_error", f"{account.name} closed the connection during the login or did not answer in time."
        ) from error


def _login_fault(account: Account, error: Exception) -> ExternalError:
    # the library raises the same for a refusal and for a server that stopped answering
    if "timeout" in str(error) or "EOF" in str(error):
        return fault(
            "connection_error", f"{account.name} closed the connection during the login or did not answer in time."
        )
    proof = "password" if account.password is not None else "key"
    return fault("login_failed", f"{account.name} refused the login of {account.username}: wrong user name or {proof}.")


def _check_host_key(transport: paramiko.Transport, account: Account) -> None:
    shown = transport.get_remote_server_key().asbytes()
    if shown in {key.blob for key in account.host_keys}:
        return
    expected = " or ".join(fingerprint(key.blob) for key in account.host_keys)
    message = f"{account.name} has the key {fingerprint(shown)}, not the one that is known: {expected}."
    raise fault("host_key_refused", message)


def fingerprint(blob: bytes) -> str:
    """Return a key's fingerprint as ssh-keygen shows it."""
    return "SHA256:" + b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _authenticate(transport: paramiko.Transport, account: Account) -> None:
    if account.password is not None:
        further_methods = transport.auth_password(account.username, account.password)
    else:
        key = keys.for_login(account.private_key or "", account.passphrase)
        further_methods = transport.auth_publickey(account.username, key)
    if further_methods:
        message = f"{account.name} requires further authentication of {account.username}: {', '.join(further_methods)}."
        raise fault("login_failed", message)


def _open_session(transport: paramiko.Transport, account: Account) -> SftpSession:
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
    return SftpSession(channel, name=account.name, end=transport.close)
