"""Errors of the operating system: the reason, the message, and whether trying again can help."""

from __future__ import annotations

import errno
import os

from timers.errors import ExternalError
from timers.storages.base import fault

REASONS_BY_ERRNO: dict[int, tuple[str, str]] = {
    errno.ENOENT: ("not_found", "{path} does not exist."),
    errno.EACCES: ("permission_denied", "Permission denied: {path}."),
    errno.EPERM: ("permission_denied", "Permission denied: {path}."),
    errno.EROFS: ("permission_denied", "{path} cannot be written: the disk is mounted read-only."),
    errno.ELOOP: ("path_outside", "{path} is a symbolic link; links are never followed."),
    errno.ENOTDIR: ("not_a_folder", "{path} is not a folder, or lies below something that is not a folder."),
    errno.EISDIR: ("not_a_file", "{path} is a folder."),
    errno.ENXIO: ("not_a_file", "{path} is not a file."),
    errno.EEXIST: ("already_exists", "{path} exists already."),
    errno.ENOTEMPTY: ("not_empty", "{path} is not empty."),
    errno.EBUSY: ("storage_error", "{path} is in use."),
    errno.ENAMETOOLONG: ("name_too_long", "The name is too long for this disk: {path}."),
    errno.EILSEQ: ("bad_name", "This disk does not accept the name: {path}."),
    errno.ENOSPC: ("no_space", "The disk is full: {path} could not be written."),
    errno.EDQUOT: ("quota", "The quota is used up: {path} could not be written."),
    errno.EOPNOTSUPP: ("unsupported", "This disk cannot do that: {path}."),
    errno.EFBIG: ("quota", "The file is larger than allowed here: {path}."),
}


_REFUSED_CHARACTERS = frozenset('<>:"|?*\\')


def name_error(error: OSError, path: str) -> ExternalError:
    """Return the ExternalError for an operation that gives an entry its name, which the disk may refuse."""
    name = path.rpartition("/")[2]
    is_odd = bool(_REFUSED_CHARACTERS & set(name)) or name.endswith((".", " ")) or min(name, default=" ") < " "
    if error.errno == errno.EINVAL or (error.errno in {errno.EPERM, errno.EACCES} and is_odd):
        return fault("bad_name", f"The destination does not accept the name: {path}.")
    return external_error(error, path)


def external_error(error: OSError, path: str) -> ExternalError:
    """Return the ExternalError for an error of the operating system; its message names the collection path."""
    meaning = REASONS_BY_ERRNO.get(error.errno or 0)
    if meaning is not None:
        return fault(meaning[0], meaning[1].format(path=path))
    return fault("storage_error", f"{path}: {os.strerror(error.errno) if error.errno else error}.")
