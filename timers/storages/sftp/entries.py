"""Entries as a server states them: by attributes, by the line that `ls -l` would show, or by asking further.

Some servers leave the kind out of the permissions, or send no attributes at all. An entry whose kind nobody tells is
Kind.UNKNOWN, never left out. What a server states is not trusted: no value of it raises an error.
"""

from __future__ import annotations

import re
import stat as modes
from collections.abc import Iterator, Sequence

from timers.copying import paths
from timers.storages.base import Entry, Kind, fault
from timers.storages.sftp.session import ListedName, SftpSession
from timers.storages.sftp.wire import Attributes, Refused, RequestType, ResponseType, text

_KINDS = {modes.S_IFREG: Kind.FILE, modes.S_IFDIR: Kind.DIR, modes.S_IFLNK: Kind.SYMLINK}
_KINDS_OF_LINES = {b"-": Kind.FILE, b"d": Kind.DIR, b"l": Kind.SYMLINK}
_LINE = re.compile(rb"([-dlbcpsD])[-r?*][-w?*][-xsS?*][-r?*][-w?*][-xsS?*][-r?*][-w?*][-xtT?*]")
_MAX_SIZE = 2**63 - 1
"""No disk holds a larger file; servers can state sizes up to twice that."""
_MAX_USELESS_ANSWERS = 1000


def to_entry(name: str, attributes: Attributes, *, kind: Kind | None = None) -> Entry:
    """Return the entry of a name from the server's attributes; `kind` is used where they do not tell it.

    Its times are whole seconds.
    """
    modified_ns = None if attributes.modified is None else attributes.modified * 1_000_000_000
    size, mode = min(attributes.size or 0, _MAX_SIZE), None if attributes.mode is None else attributes.mode & 0o777
    return Entry(name, stated_kind(attributes) or kind or Kind.UNKNOWN, size, modified_ns, mode)


def stated_kind(attributes: Attributes) -> Kind | None:
    """Return the kind that the attributes tell; None where they have no permissions, or these have no kind."""
    kind_bits = modes.S_IFMT(attributes.mode or 0)
    return _KINDS.get(kind_bits, Kind.OTHER) if kind_bits else None


def kind_of_line(line: bytes) -> Kind | None:
    """Return the kind that a line of `ls -l` tells; None for anything else, such as the mere name."""
    match = _LINE.match(line)
    return _KINDS_OF_LINES.get(match[1], Kind.OTHER) if match else None


def entries(session: SftpSession, folder: bytes) -> Iterator[Entry]:
    """Yield each entry of a folder once, whatever its name, without "." and ".."."""
    seen = {".", ".."}
    useless_answers = 0
    for listed in session.list(folder or b"/"):
        new = []
        for listed_name in listed:
            name = decoded(listed_name.name)
            if name not in seen:
                seen.add(name)
                new.append((name, listed_name))
        useless_answers = 0 if new else useless_answers + 1
        if useless_answers > _MAX_USELESS_ANSWERS:
            raise fault("storage_error", f"{session.name} lists the same names again and again.")
        yield from _completed(session, folder, new)


def entry_at(session: SftpSession, path: bytes, name: str) -> Entry:
    """Return the entry at a path; a link is a link."""
    entry = to_entry(name, session.lstat(path))
    if entry.kind is Kind.UNKNOWN:
        (kind,) = _probed_kinds(session, [path])
        entry = entry._replace(kind=kind or _kind_in_listing(session, path))
    return entry


def is_folder(session: SftpSession, path: bytes) -> bool:
    """Return whether a path is a folder; False where the server does not answer that."""
    try:
        return entry_at(session, path, "").kind is Kind.DIR
    except Refused:
        return False


def encoded(name: str) -> bytes:
    """Return a name as the server wrote it, even when it is not UTF-8."""
    return name.encode("utf-8", "surrogateescape")


def decoded(name: bytes) -> str:
    """Return a name as text; bytes that are no UTF-8 become lone surrogates."""
    return name.decode("utf-8", "surrogateescape")


def _completed(session: SftpSession, folder: bytes, listed: Sequence[tuple[str, ListedName]]) -> Iterator[Entry]:
    """Yield the entries of some names, after asking for what the listing left out."""
    listed_entries = [
        to_entry(name, listed_name.attributes, kind=kind_of_line(listed_name.line)) for name, listed_name in listed
    ]
    lacking = [
        number
        for number, (name, listed_name) in enumerate(listed)
        if paths.is_name(name) and _lacks_something(listed_entries[number].kind, listed_name.attributes)
    ]
    server_paths = [folder + b"/" + listed[number][1].name for number in lacking]
    for number, attributes in zip(lacking, session.lstat_all(server_paths), strict=True):
        if attributes is not None:
            entry = listed_entries[number]
            listed_entries[number] = to_entry(entry.name, attributes, kind=entry.kind)
    unknown = [number for number in lacking if listed_entries[number].kind is Kind.UNKNOWN]
    probed = _probed_kinds(session, [folder + b"/" + listed[number][1].name for number in unknown])
    for number, kind in zip(unknown, probed, strict=True):
        listed_entries[number] = listed_entries[number]._replace(kind=kind or Kind.UNKNOWN)
    yield from listed_entries


def _lacks_something(kind: Kind, attributes: Attributes) -> bool:
    return kind is Kind.UNKNOWN or attributes.modified is None or (attributes.size is None and kind is Kind.FILE)


def _probed_kinds(session: SftpSession, server_paths: Sequence[bytes]) -> list[Kind | None]:
    """Return which paths are links or folders: those that can be read as one; None for all others."""
    requests = [(verb, (text(path),)) for path in server_paths for verb in (RequestType.READLINK, RequestType.OPENDIR)]
    numbers = iter(session.send(*requests) if requests else [])
    return [_probed_kind(session, as_link, as_folder) for as_link, as_folder in zip(numbers, numbers, strict=True)]


def _probed_kind(session: SftpSession, as_link: int, as_folder: int) -> Kind | None:
    kind = None
    try:
        session.close(session.handle(as_folder))
        kind = Kind.DIR
    except Refused:
        pass
    try:
        session.answer(as_link, ResponseType.NAME)
    except Refused:
        return kind
    return Kind.SYMLINK


def _kind_in_listing(session: SftpSession, path: bytes) -> Kind:
    """Return the kind that the listing of its folder tells about a path: some servers tell it only there."""
    folder, _, name = path.rpartition(b"/")
    for listed in session.list(folder or b"/"):
        for listed_name in listed:
            if listed_name.name == name:
                kind = stated_kind(listed_name.attributes) or kind_of_line(listed_name.line)
                return kind or Kind.UNKNOWN
    return Kind.UNKNOWN
