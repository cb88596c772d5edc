"""What a server's refusals mean: a reason, a sentence with the collection path, and whether trying again can help.

Version 3 of the protocol has eight codes, and most refusals are the one called "failure". Many servers add the words of
their operating system, and some the codes of later versions; both are understood.
"""

from __future__ import annotations

import errno
import os

from timers.errors import ExternalError
from timers.storages.base import fault
from timers.storages.os_errors import MEANINGS, told
from timers.storages.sftp.wire import Refused, StatusCode

_NUMBERS = {
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
_WORDS = {os.strerror(number).lower(): number for number in MEANINGS}
_MAX_TEXT_LENGTH = 200


def number_of(refused: Refused) -> int | None:
    """Return the operating system's number that a refusal stands for; None for an unexplained failure."""
    words = refused.text.strip().rstrip(".").lower()
    if words in _WORDS:
        return _WORDS[words]
    if "quota" in words:
        return errno.EDQUOT
    if "no space" in words or "disk full" in words:
        return errno.ENOSPC
    return _NUMBERS.get(refused.code)


def meaning(refused: Refused, path: str) -> ExternalError:
    """Return our error for a refusal, naming the collection path it is about."""
    number = number_of(refused)
    if number is not None:
        return told(OSError(number, os.strerror(number)), path)
    if refused.code == StatusCode.OP_UNSUPPORTED:
        return fault("unsupported", f"The server does not know how to do this: {path}.")
    if refused.code in (StatusCode.NO_CONNECTION, StatusCode.CONNECTION_LOST):
        return fault("connection_error", f"The server lost its connection to the store: {path}.")
    if refused.code == StatusCode.BAD_MESSAGE and len(path.rpartition("/")[2].encode("utf-8", "replace")) > 255:
        return told(OSError(errno.ENAMETOOLONG, ""), path)
    return fault("storage_error", f"{path}: the server refused: {_shown(refused)}.")


def _shown(refused: Refused) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in refused.text[:_MAX_TEXT_LENGTH]).strip(" .")
    return text or f"code {refused.code}"
