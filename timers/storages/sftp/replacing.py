"""Moving a file into place over an older one.

A server with `posix-rename@openssh.com` does that in one step. With any other one the older file is moved aside, the
new one is renamed into place and looked at, and only then the older one is removed:

1. rename the new file to its name; some servers replace the older one by that, most say "failure" if there is one;
2. rename the older one aside, and the new one to its name: sent together, so that nothing of ours can die in between;
3. look whether the new one stands there, and remove the older one.

Whatever is refused on the way, the older file is renamed back. If the server itself or the line dies in step 2, the
older file is still there, complete, under the name aside. That name depends only on the file's own: whoever writes the
file next, or sweeps up after a slice that died, finds it and renames it back (`repair`) before anything else. A
refusal that cannot mean "exists", such as "permission denied", never moves or removes anything.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress

from timers.copying import paths
from timers.errors import ExternalError
from timers.storages.base import Kind, fault
from timers.storages.sftp.entries import decoded, entry_at
from timers.storages.sftp.session import SftpSession
from timers.storages.sftp.wire import Refused, StatusCode

_EXISTS_CODES = {StatusCode.FAILURE, 11}
"""Codes of refusals that can mean that the target exists: "failure", and the code of later versions."""


class TargetIsFolder(Exception):
    """A folder stands where the file should go."""


def aside_path(target: bytes) -> bytes:
    """Return where the older file is kept meanwhile: the name of a partial file, which is never listed as a file."""
    folder, _, name = target.rpartition(b"/")
    return folder + f"/.timers-{hashlib.sha256(name).hexdigest()[:12]}-0-0.part".encode()


def replace(session: SftpSession, source: bytes, target: bytes) -> None:
    """Move a file or link into place, replacing an existing file or link.

    Raises Refused, and TargetIsFolder; in both cases the older file stands as before.
    """
    if session.can_replace:
        try:
            session.wait_until_done(*session.send(session.rename_request(source, target)))
            return
        except Refused as refused:
            if refused.code != StatusCode.OP_UNSUPPORTED:  # some servers announce it and cannot do it
                raise
    try:
        session.rename(source, target)
    except Refused as refused:
        if refused.code not in _EXISTS_CODES:
            raise
        _replace_existing(session, source, target, refused)


def repair(session: SftpSession, target: bytes) -> None:
    """Rename an older file back that a slice which died left aside, or remove it where a newer one stands.

    Nothing is done where the server does not let us: the older file stays where it is.
    """
    aside = aside_path(target)
    aside_attributes, attributes = session.lstat_all([aside, target])
    if aside_attributes is not None:
        finish_repair(session, target, stands=attributes is not None)


def finish_repair(session: SftpSession, target: bytes, *, stands: bool) -> None:
    """Rename the file aside back, or remove it if the target `stands`."""
    aside = aside_path(target)
    with suppress(Refused):
        if stands:
            session.remove(aside)
        else:
            session.rename(aside, target)


def _replace_existing(session: SftpSession, source: bytes, target: bytes, refused: Refused) -> None:
    try:
        existing = entry_at(session, target, "")
    except Refused:
        raise refused from None
    if existing.kind is Kind.DIR:
        raise TargetIsFolder
    aside = aside_path(target)
    moved_aside, moved_into_place, looked = session.send(
        session.plain_rename_request(target, aside),
        session.plain_rename_request(source, target),
        session.lstat_request(target),
    )
    is_aside, is_in_place = session.is_done(moved_aside), session.is_done(moved_into_place)
    stands = session.lstat_answer(looked) is not None
    # a server may carry out requests that were sent together in another order
    if is_aside and not is_in_place:
        (again,) = session.send(session.plain_rename_request(source, target))
        is_in_place = session.is_done(again)
    stands = stands or session.lstat_all([target])[0] is not None
    if not is_aside and not is_in_place:
        raise refused
    if not is_in_place or not stands:
        _move_back(session, aside, target)
        raise refused
    with suppress(Refused):
        session.remove(aside)


def _move_back(session: SftpSession, aside: bytes, target: bytes) -> None:
    try:
        session.rename(aside, target)
    except Refused as refused:
        if session.lstat_all([target])[0] is None:
            raise _left_aside(aside, target) from refused
        with suppress(Refused):
            session.remove(aside)  # somebody else put a newer file there meanwhile


def _left_aside(aside: bytes, target: bytes) -> ExternalError:
    name, aside_name = (paths.readable(decoded(path.rpartition(b"/")[2])) for path in (target, aside))
    message = (
        f"{name} could not be replaced, and the server does not let it be renamed back: it is kept as {aside_name}."
    )
    return fault("storage_error", message)
