"""Modes and modification times of files and folders, and what a server does not keep of them.

A server may refuse to set them, or say that it did and not do it. The first is seen each time, the second is looked
at once in a session. In both cases the file is in place all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from timers.storages.base import Kind, Permissions
from timers.storages.sftp.entries import stated_kind
from timers.storages.sftp.session import Handle, SftpSession, seconds_of
from timers.storages.sftp.wire import Attributes, Refused, Request

_NEW_FILE_MODE = 0o666
_TIME_TOLERANCE_SECONDS = 2


class Wanted(NamedTuple):
    """The mode and the time in seconds that an entry is to get; None for those that are left alone.

    `is_mode_given` is False where nobody asked for a mode, `is_clamped` is True where the protocol cannot hold the
    time.
    """

    mode: int | None
    modified: int | None
    is_mode_given: bool
    is_clamped: bool

    def names(self) -> set[str]:
        return {name for name, value in (("mode", self.mode), ("times", self.modified)) if value is not None}


def of_file(
    session: SftpSession,
    folder: bytes,
    *,
    permissions: Permissions | None,
    modified_ns: int | None,
    existing: Attributes | None,
) -> Wanted:
    """Return what a file gets that is moved into place: the mode of the existing one, else that of its source."""
    is_file = existing is not None and stated_kind(existing) in (Kind.FILE, None)
    kept_mode = existing.mode if existing is not None and is_file else None
    if permissions is not None and permissions.exact:
        mode = permissions.mode & 0o777
    elif kept_mode is not None:
        mode = kept_mode & 0o777
    else:
        mode = _cut(session, folder, _NEW_FILE_MODE if permissions is None else permissions.mode)
    return _wanted(mode, modified_ns, is_mode_given=permissions is not None or kept_mode is not None)


def of_entry(
    session: SftpSession, folder: bytes, *, permissions: Permissions | None, modified_ns: int | None
) -> Wanted:
    """Return what an existing entry of a folder gets."""
    mode = None
    if permissions is not None:
        mode = permissions.mode & 0o777 if permissions.exact else _cut(session, folder, permissions.mode)
    return _wanted(mode, modified_ns, is_mode_given=True)


def set_requests(session: SftpSession, handle: Handle, wanted: Wanted) -> list[Request]:
    """Return the requests that set what is wanted, and look at it where that was not done yet in this session."""
    names = wanted.names() - session.refused_attributes
    if not names:
        return []
    request = session.set_request(handle, **_values(wanted, names))
    return [request] if names <= session.kept.keys() else [request, session.attributes_request(handle)]


def refused_names(session: SftpSession, wanted: Wanted, numbers: Sequence[int]) -> set[str]:
    """Return what the server refused to set, from the answers to `set_requests`."""
    if not numbers:
        return set()
    try:
        session.wait_until_done(numbers[0])
    except Refused:
        session.forget(*numbers[1:])
        return wanted.names() - session.refused_attributes
    for request_id in numbers[1:]:
        with suppress(Refused):
            look(session, wanted, session.attributes_answer(request_id))
    return set()


def set_by_path(session: SftpSession, path: bytes, wanted: Wanted, names: Iterable[str]) -> set[str]:
    """Set each of these by itself, and return what the server refuses. A link at the path is followed."""
    ordered = sorted(names)
    numbers = session.send(*(session.set_request(path, **_values(wanted, {name})) for name in ordered))
    refused = set()
    for name, request_id in zip(ordered, numbers, strict=True):
        try:
            session.wait_until_done(request_id)
        except Refused:
            refused.add(name)
    return refused


def look(session: SftpSession, wanted: Wanted, attributes: Attributes) -> None:
    """Note from the present attributes of an entry whether the server did what it said."""
    if wanted.mode is not None:
        session.kept["mode"] = attributes.mode is None or attributes.mode & 0o777 == wanted.mode
    if wanted.modified is not None and attributes.modified is not None:
        session.kept["times"] = abs(attributes.modified - wanted.modified) <= _TIME_TOLERANCE_SECONDS


def not_kept(session: SftpSession, wanted: Wanted, refused: Iterable[str]) -> list[str]:
    """Return the words of `Writer.not_kept`."""
    names = {*refused, *(wanted.names() & session.refused_attributes)}
    if wanted.is_clamped or (wanted.modified is not None and not session.kept.get("times", True)):
        names.add("times")
    if wanted.is_mode_given and wanted.mode is not None and not session.kept.get("mode", True):
        names.add("mode")
    return sorted(names)


def _wanted(mode: int | None, modified_ns: int | None, *, is_mode_given: bool) -> Wanted:
    if modified_ns is None:
        return Wanted(mode, None, is_mode_given, False)
    modified = seconds_of(modified_ns)
    return Wanted(mode, modified, is_mode_given, modified != modified_ns // 1_000_000_000)


def _cut(session: SftpSession, folder: bytes, mode: int) -> int:
    """Return the mode of a new entry, cut by the server's umask."""
    return mode & 0o777 & ~session.umask(folder) if mode & 0o077 else mode & 0o777


def _values(wanted: Wanted, names: Iterable[str]) -> dict[str, int | None]:
    return {
        "mode": wanted.mode if "mode" in names else None,
        "modified": wanted.modified if "times" in names else None,
    }
