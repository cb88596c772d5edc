"""Login to an SMB server: connect to a checked address, prove the account, open the share.

Only the name and password given are used: no ticket and no account of this machine.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from smbprotocol.exceptions import SMBAuthenticationError, SMBException, SMBResponseException
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from timers import http, outgoing
from timers.errors import ExternalError
from timers.storages.base import fault
from timers.storages.smb.faults import ACCESS_DENIED, BAD_NETWORK_NAME, RequestRefused, refusal_error
from timers.storages.smb.parameters import DEFAULT_PORT
from timers.storages.smb.session import LIBRARY_ERRORS, OwnConnection, SmbSession
from timers.storages.smb.transport import SocketTransport

CONNECT_TIMEOUT_SECONDS = 5.0
LOGIN_ANSWER_TIMEOUT_SECONDS = 10.0
ANSWER_TIMEOUT_SECONDS = 30.0

_MORE_CREDITS = 256
_FIRST_DIALECT_WITH_ENCRYPTION = 0x300

for _name in ("smbprotocol", "spnego"):
    # a server that is down is recorded as an event of the transfer; the library would also log a traceback
    logging.getLogger(_name).setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class SmbAccount:
    """Address, share and credentials of an account on a server."""

    host: str
    port: int
    share: str
    username: str
    password: str
    encrypt: bool

    @classmethod
    def read(cls, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> SmbAccount:
        return cls(
            host=parameters["host"],
            port=parameters.get("port", DEFAULT_PORT),
            share=parameters["share"],
            username=parameters["username"],
            password=secrets["password"],
            encrypt=parameters.get("encrypt", True),
        )

    @property
    def name(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORT else f"{host}:{self.port}"


def log_in(account: SmbAccount) -> SmbSession:
    """Return an open session.

    Raises ExternalError: `connection_error`, `login_failed`, `not_found` for the share, `unsupported`,
    `target_refused`.
    """
    transport = SocketTransport(_connect(account))
    connection = OwnConnection(transport, guid=uuid4(), host=account.host, port=account.port)
    connection.answer_timeout = LOGIN_ANSWER_TIMEOUT_SECONDS
    try:
        with _login_faults(account):
            connection.connect(timeout=LOGIN_ANSWER_TIMEOUT_SECONDS)
            _check_encryption(connection, account)
            session = _authenticate(connection, account)
            connection.echo(session.session_id, timeout=LOGIN_ANSWER_TIMEOUT_SECONDS, credit_request=_MORE_CREDITS)
            tree = _open_share(session, account)
    except BaseException:
        transport.close()
        raise
    connection.answer_timeout = ANSWER_TIMEOUT_SECONDS
    return SmbSession(connection, tree, name=account.name)


def _connect(account: SmbAccount) -> socket.socket:
    """Return a socket to the first address that answers; every address was checked."""
    try:
        addresses = outgoing.addresses_of(account.host, account.port, any_port=True, timeout=CONNECT_TIMEOUT_SECONDS)
    except ExternalError as error:
        reason = "connection_error" if error.retryable else error.reason
        raise ExternalError(f"{account.name}: {error.message}", retryable=error.retryable, reason=reason) from error
    last_error: OSError = OSError("no address")
    for address in addresses:
        try:
            return http.connect(address, account.port, timeout=max(1.0, CONNECT_TIMEOUT_SECONDS / len(addresses)))
        except OSError as error:
            last_error = error
    late = isinstance(last_error, TimeoutError)
    why = "it did not answer in time" if late else (last_error.strerror or "connection closed")
    raise fault("connection_error", f"The connection to {account.name} failed: {why}.") from last_error


@contextmanager
def _login_faults(account: SmbAccount) -> Iterator[None]:
    try:
        yield
    except LIBRARY_ERRORS as error:
        raise fault(
            "connection_error",
            f"{account.name} closed the connection during the login, did not answer in time, or does not speak SMB 2.",
        ) from error


def _check_encryption(connection: OwnConnection, account: SmbAccount) -> None:
    if account.encrypt and not (
        connection.dialect >= _FIRST_DIALECT_WITH_ENCRYPTION and connection.supports_encryption
    ):
        raise fault(
            "unsupported",
            f"{account.name} does not offer to encrypt. Encryption can be switched off in the collection; everything "
            "is then readable on its way.",
        )


def _authenticate(connection: OwnConnection, account: SmbAccount) -> Session:
    session = Session(
        connection, account.username, account.password, require_encryption=account.encrypt, auth_protocol="ntlm"
    )
    try:
        session.connect()
    except SMBResponseException as error:
        refusal = refusal_error(RequestRefused(error.status), account.name)
        if refusal.retryable and refusal.reason != "storage_error":
            raise refusal from error
        raise _login_fault(account, "wrong user name or password, or the account cannot log in here") from error
    except SMBAuthenticationError as error:
        raise _login_fault(account, "it does not accept a login with a password") from error
    except SMBException as error:
        if not connection.transport.connected or "timeout" in str(error):
            raise
        raise _login_fault(account, "it lets this account in as a guest only, which nothing protects") from error
    return session


def _login_fault(account: SmbAccount, why: str) -> ExternalError:
    return fault("login_failed", f"{account.name} refused the login of {account.username}: {why}.")


def _open_share(session: Session, account: SmbAccount) -> TreeConnect:
    host = account.host.replace(":", "-") + ".ipv6-literal.net" if ":" in account.host else account.host
    tree = TreeConnect(session, f"\\\\{host}\\{account.share}")
    try:
        tree.connect()
    except SMBResponseException as error:
        if error.status == BAD_NETWORK_NAME:
            raise fault("not_found", f"{account.name} has no share {account.share}.") from error
        if error.status == ACCESS_DENIED:
            message = f"{account.name} does not let {account.username} use the share {account.share}."
            raise fault("permission_denied", message) from error
        raise refusal_error(RequestRefused(error.status), f"The share {account.share}") from error
    tree.is_dfs_share = False  # paths are those on this share, also where other servers hold parts of it
    return tree
