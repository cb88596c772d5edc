"""Parameters of an SMB storage, as users give them."""

from __future__ import annotations

import re
from typing import Any

from timers import outgoing
from timers.copying import paths
from timers.errors import Invalid
from timers.parameters import Parameter, ParameterType
from timers.storages.smb.names import is_possible
from timers.targets import MAX_PORT, TargetRefused

DEFAULT_PORT = 445
PARAMETERS = (
    Parameter(
        name="host",
        label="Host",
        required=True,
        help_text="A name or an address, like files.example.org.",
        recipient="host",
        width="wide",
    ),
    Parameter(
        name="port",
        label="Port",
        type=ParameterType.WHOLE,
        default=DEFAULT_PORT,
        minimum=1,
        maximum=MAX_PORT,
        recipient="port",
        width="narrow",
        beside=True,
    ),
    Parameter(name="share", label="Share", required=True, help_text="Its name alone, like documents."),
    Parameter(
        name="root", label="Folder in the share", help_text="Like /reports; empty for the whole share.", beside=True
    ),
    Parameter(
        name="username", label="User name", required=True, help_text="With a domain where one is needed: DOMAIN\\name."
    ),
    Parameter(name="password", label="Password", required=True, secret=True, beside=True),
    Parameter(
        name="encrypt",
        label="Encrypt everything",
        type=ParameterType.FLAG,
        default=True,
        help_text="Needs SMB 3. Without it files are signed, but can be read on their way.",
    ),
)

_REFUSED_IN_SHARES = re.compile(r'[\x00-\x1f"\\/\[\]:|<>+=;,*?]')
_MAX_SHARE_LENGTH = 80


def cleaned(public: dict[str, Any]) -> dict[str, Any]:
    """Return the public parameters with host, share and folder checked; raises Invalid naming the field."""
    port = public.get("port", DEFAULT_PORT)
    root = _root(public.get("root"))
    share = public["share"].strip()
    if not share or len(share) > _MAX_SHARE_LENGTH or _REFUSED_IN_SHARES.search(share):
        raise Invalid({"share": "Give only the name of the share, without the server and without slashes."})
    if not public["username"].strip():
        raise Invalid({"username": "Give the name of the account on the server."})
    return {
        "host": _host(public["host"], port),
        "port": port,
        "share": share,
        "root": root,
        "username": public["username"].strip(),
        "encrypt": public.get("encrypt", True),
    }


def _host(host: str, port: int) -> str:
    bare = host.strip()
    bare = bare.removeprefix("[").removesuffix("]") if bare.startswith("[") else bare
    if not bare or re.search(r"[/@?#\\\s\[\]]", bare):
        raise Invalid({"host": "Give only the server's name or address, without smb://, share or path."})
    if bare.count(":") == 1:
        raise Invalid({"host": "Give the port in its own field."})
    try:
        return outgoing.check_host(bare, port)
    except TargetRefused as refused:
        raise Invalid({"host": refused.message.replace("The URL's", "The")}) from refused


def _root(root: str | None) -> str:
    if not root:
        return paths.ROOT
    normal = paths.normalise(root.replace("\\", "/"), field="root")
    if not all(map(is_possible, paths.parts(normal))):
        raise Invalid({"root": "Give the path of a folder in the share, such as /reports."})
    return normal
