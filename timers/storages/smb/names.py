"""Names as SMB knows them: without certain characters, and in UTF-16."""

from __future__ import annotations

from collections.abc import Iterable

from timers.copying import paths
from timers.storages.base import fault

_REFUSED_CHARACTERS = frozenset('?*:<>|"\\')
_REFUSED_ENDS = (".", " ")


def is_possible(name: str) -> bool:
    """Return whether SMB can express a name.

    A colon would lead into a stream of another file, and a Windows server drops dots and blanks at the end, so that
    another file would be meant.
    """
    return not (
        _REFUSED_CHARACTERS & set(name) or min(name, default=" ") < " " or name.endswith(_REFUSED_ENDS)
    ) and not is_damaged(name)


def is_damaged(name: str) -> bool:
    """Return whether a name cannot be given back to a server."""
    try:
        encoded(name)
    except UnicodeError:
        return True
    return False


def server_path(root: Iterable[str], path: str) -> str:
    """Return the path of an entry on the share; raises `bad_name` where SMB cannot express it."""
    names = paths.parts(path)
    if not all(map(is_possible, names)):
        raise fault(
            "bad_name",
            'With SMB a name cannot contain ? * : < > | " \\ or control characters, or end with a dot or a blank: '
            f"{paths.readable(path)}.",
        )
    return "\\".join((*root, *names))


def decoded(name: bytes) -> str:
    """Return a name of a listing; what is no valid UTF-16 becomes lone surrogates, as bytes that are no UTF-8 do."""
    return name.decode("utf-16-le", "surrogatepass").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


def encoded(name: str) -> bytes:
    """Return a name or path as a server wrote it; raises UnicodeError for one that no server can have written."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogatepass")
    return text.encode("utf-16-le", "surrogatepass")
