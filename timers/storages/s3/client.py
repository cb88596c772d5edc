"""Clients of S3 stores: the library's client, isolated from the environment of this machine.

Credentials, proxies, profiles and endpoints come from the collection alone, never from environment variables, files in
a home directory or a machine's metadata service. Every connection is made to an address that was checked just before.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections import OrderedDict
from typing import Any, NamedTuple

from botocore import UNSIGNED
from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSPreparedRequest,
)
from botocore.config import Config
from botocore.configprovider import ConfigValueStore, ConstantProvider
from botocore.credentials import CredentialResolver
from botocore.exceptions import BotoCoreError, HTTPClientError
from botocore.httpsession import URLLib3Session
from botocore.loaders import Loader
from botocore.session import Session
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from timers import outgoing
from timers.errors import ExternalError
from timers.storages.s3.parameters import DEFAULT_REGION
from timers.storages.s3.retrying import pause_before_retry

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30
MAX_CONNECTIONS = 64
MAX_CLIENTS = 32


class Access(NamedTuple):
    """Address and credentials of a store; without credentials, what everybody may read."""

    endpoint_url: str | None = None
    region: str | None = None
    addressing: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None


class AddressRefused(BotoCoreError):
    """The address of the store may not be called; trying again does not help."""

    fmt = "{error}"


class _CheckedConnection:
    """Connects only to addresses that may be called: the name is resolved once, here."""

    host: str
    port: int
    _dns_host: str

    def _new_conn(self) -> Any:
        name = self._dns_host
        addresses = outgoing.addresses_of(name, self.port, timeout=CONNECT_TIMEOUT_SECONDS)
        try:
            for waiting in range(len(addresses), 0, -1):
                self._dns_host = addresses[-waiting]
                try:
                    return super()._new_conn()  # type: ignore[misc]
                except (NewConnectionError, ConnectTimeoutError):
                    if waiting == 1:
                        raise
        finally:
            self._dns_host = name


class _PlainConnection(_CheckedConnection, AWSHTTPConnection):  # type: ignore[misc]  # only the stubs say so
    pass


class _TlsConnection(_CheckedConnection, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _CheckedPool(AWSHTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(AWSHTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _CheckedSession(URLLib3Session):
    """The library's own HTTP over checked connections, trusting the same certificates as the rest of this site."""

    def __init__(self) -> None:
        timeout: Any = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
        super().__init__(verify=True, proxies={}, timeout=timeout, max_pool_connections=MAX_CONNECTIONS)
        manager: Any = self._manager  # type: ignore[attr-defined]
        manager.pool_classes_by_scheme = {"http": _CheckedPool, "https": _TlsPool}

    def _get_ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def send_checked(self, request: AWSPreparedRequest, **_: Any) -> Any:
        """Send a request; the library calls this first and then sends nothing itself."""
        try:
            return self.send(request)
        except HTTPClientError as error:
            inner = error.kwargs.get("error")
            if isinstance(inner, ExternalError) and not inner.retryable:
                raise AddressRefused(error=inner) from error
            raise


_clients: OrderedDict[Access, Any] = OrderedDict()
_session: list[Session] = []
_lock = threading.Lock()


def client(access: Access) -> Any:
    """Return a client that many threads may use. No call is made yet.

    Clients are kept with their connections, because a transfer needs one every few seconds.
    """
    with _lock:
        kept = _clients.pop(access, None) or _create_client(access)
        _clients[access] = kept
        if len(_clients) > MAX_CLIENTS:
            _clients.popitem(last=False)
        return kept


def forget_all() -> None:
    """Forget all clients: connections must not be shared with a process that was forked."""
    global _lock  # noqa: PLW0603  another thread may have held it when this process was forked
    _lock = threading.Lock()
    _clients.clear()


os.register_at_fork(after_in_child=forget_all)


def _create_client(access: Access) -> Any:
    if not _session:
        _session.append(_create_session())
    created = _session[0].create_client(
        "s3",
        region_name=access.region or DEFAULT_REGION,
        endpoint_url=access.endpoint_url,
        verify=True,
        aws_access_key_id=access.access_key_id,
        aws_secret_access_key=access.secret_access_key,
        aws_session_token=access.session_token,
        config=_config(access),
    )
    events: Any = created.meta.events
    events.register("before-send.s3", _CheckedSession().send_checked)
    events.register("needs-retry.s3", pause_before_retry)
    return created


def _config(access: Access) -> Config:
    style: Any = access.addressing or ("path" if access.endpoint_url else "auto")
    return Config(  # type: ignore[call-arg]  # the stubs lack one
        signature_version="s3v4" if access.access_key_id else UNSIGNED,
        s3={"addressing_style": style},
        retries={"mode": "standard", "total_max_attempts": 1},  # `retrying` decides
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        proxies={},
        user_agent="Timers",
        ignore_configured_endpoint_urls=True,
        # not every store supports the newer checksums; `upload` sends one that the store supports
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        parameter_validation=False,  # the parameters come from code, and checking them takes a tenth of every call
    )


def _create_session() -> Session:
    """Return a session of the library that reads no environment, and no files but its own."""
    session = Session()
    known = {name: ConstantProvider(default) for name, (_, _, default, _) in session.SESSION_VARIABLES.items()}
    store = ConfigValueStore(known)
    store.set_config_variable("config_file", os.devnull)
    store.set_config_variable("credentials_file", os.devnull)
    session.register_component("config_store", store)
    session.register_component("credential_provider", CredentialResolver(providers=[]))
    session.register_component(
        "data_loader", Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    )
    return session
