"""Refusals of SMB servers: the reason, a message with the collection path, and whether trying again can help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from timers.errors import ExternalError
from timers.storages.base import fault

ACCESS_DENIED = 0xC0000022
SHARING_VIOLATION = 0xC0000043
DELETE_PENDING = 0xC0000056
NAME_COLLISION = 0xC0000035
END_OF_FILE = 0xC0000011
NO_MORE_FILES = 0x80000006
BAD_NETWORK_NAME = 0xC00000CC

LOST_STATUSES = frozenset({0xC00000C9, 0xC0000203, 0xC000035C, 0xC000020C, 0xC000020D})
"""The share, the login or the connection is gone."""

_MEANINGS: dict[str, tuple[frozenset[int], str]] = {
    "not_found": (frozenset({0xC0000034, 0xC000003A, 0xC000000F, 0xC0000225}), "{path} does not exist."),
    "permission_denied": (
        frozenset({ACCESS_DENIED, 0xC0000061, 0xC00000CA, 0xC0000121, 0xC00000A2}),
        "Permission denied: {path}.",
    ),
    "already_exists": (frozenset({NAME_COLLISION}), "{path} exists already."),
    "not_a_folder": (
        frozenset({0xC0000103}),
        "{path} is not a folder, or lies below something that is not a folder.",
    ),
    "not_a_file": (frozenset({0xC00000BA}), "{path} is a folder."),
    "not_empty": (frozenset({0xC0000101}), "{path} is not empty."),
    "path_outside": (frozenset({0x8000002D}), "A symbolic link is on the way to {path}; links are never followed."),
    "bad_name": (frozenset({0xC0000033, 0xC0000039, 0xC000003B}), "The server does not accept the name: {path}."),
    "name_too_long": (frozenset({0xC0000106}), "The name is too long for this server: {path}."),
    "no_space": (frozenset({0xC000007F}), "The server's disk is full: {path} could not be written."),
    "quota": (
        frozenset({0xC0000044, 0xC0000802, 0xC0000904}),
        "The quota is used up, or the file is larger than allowed there: {path} could not be written.",
    ),
    "unsupported": (
        frozenset({0xC00000BB, 0xC0000010, 0xC0000257, 0xC0000275}),
        "The server does not support this operation: {path}.",
    ),
    "storage_error": (frozenset({SHARING_VIOLATION, DELETE_PENDING, 0xC0000054}), "{path} is in use on the server."),
    "unavailable": (
        frozenset({0xC0000205, 0xC000009A, 0xC00000D0, 0xC0000466}),
        "The server has no resources left for now: {path}.",
    ),
}


class RequestRefused(Exception):
    """The server refused a request, with an NT status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:#010x}")
        self.status = status


def refusal_error(refused: RequestRefused, path: str) -> ExternalError:
    """Return the ExternalError for a refusal; its message names the collection path."""
    for reason, (statuses, message) in _MEANINGS.items():
        if refused.status in statuses:
            return fault(reason, message.format(path=path))
    return fault("storage_error", f"{path}: the server refused with the status {refused}.")


@contextmanager
def refusals(path: str) -> Iterator[None]:
    """Raise refusals as errors that name a collection path."""
    try:
        yield
    except RequestRefused as refused:
        raise refusal_error(refused, path) from refused
