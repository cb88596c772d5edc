"""Errors of SFTP servers: the reason, a message with the collection path, and whether trying again can help.

Version 3 of the protocol has eight codes, and most refusals have the code "failure". Many servers add the text of their
operating system, and some use the codes of later versions; both are understood.
"""

from __future__ import annotations

import errno
import os

from timers.errors import ExternalError
from timers.storages.base import fault
from timers.storages.os_errors import REASONS_BY_ERRNO, external_error
from timers.storages.sftp.session import SftpSession
from timers.storages.sftp.wire import Refused, StatusCode

_ERRNO_BY_CODE = {
    StatusCode.NO_SUCH_FILE: errno.ENOENT,
    StatusCode.PERMISSION_DENIED: errno.EACCES,
    10: errno.ENOENT,
    11: errno.EEXIST,
    12: errno.EROFS,
    14: errno.ENOSPC,
    15: errno.EDQUOT,
    18: errno.ENOTEMPTY,
    19: errno.ENOTDIR,
    20: errno.EILSEQ,
    21: errno.ELOOP,
    24: errno.EISDIR,
}
_ERRNO_BY_TEXT = {os.strerror(number).lower(): number for number in REASONS_BY_ERRNO}
_MAX_TEXT_LENGTH = 200


def errno_of(refused: Refused) -> int | None:
    """Return the operating system's error number for a refusal; None for an unexplained failure."""
    text = refused.text.strip().rstrip(".").lower()
    if text in _ERRNO_BY_TEXT:
        return _ERRNO_BY_TEXT[text]
    if "quota" in text:
        return errno.EDQUOT
    if "no space" in text or "disk full" in text:
        return errno.ENOSPC
    return _ERRNO_BY_CODE.get(refused.code)


def refusal_error(refused: Refused, path: str) -> ExternalError:
    """Return the ExternalError for a refusal; its message names the collection path."""
    number = errno_of(refused)
    if number is not None:
        return external_error(OSError(number, os.strerror(number)), path)
    if refused.code == StatusCode.OP_UNSUPPORTED:
        return fault("unsupported", f"The server does not support this operation: {path}.")
    if refused.code in (StatusCode.NO_CONNECTION, StatusCode.CONNECTION_LOST):
        return fault("connection_error", f"The server lost its connection to the store: {path}.")
    if refused.code == StatusCode.BAD_MESSAGE and len(path.rpartition("/")[2].encode("utf-8", "replace")) > 255:
        return external_error(OSError(errno.ENAMETOOLONG, ""), path)
    return fault("storage_error", f"{path}: the server refused: {_printable_text(refused)}.")


def new_name_error(session: SftpSession, refused: Refused, server_path: bytes, path: str) -> ExternalError:
    """Return the ExternalError for the refusal of an entry's new name, after asking whether the name is the reason."""
    if errno_of(refused) is None and refused.code == StatusCode.FAILURE and session.refuses_name(server_path):
        return external_error(OSError(errno.EILSEQ, ""), path)
    return refusal_error(refused, path)


def _printable_text(refused: Refused) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in refused.text[:_MAX_TEXT_LENGTH]).strip(
        " ."
    )
    return printable or f"code {refused.code}"
