"""Paths inside a collection: always absolute and always below its root.

A collection path is "/" or "/a/b": no empty, "." or ".." name, no slash at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import normalize as _normal_form

from timers.errors import Invalid

MAX_PATH_BYTES = 4096
MAX_NAME_BYTES = 255
ROOT = "/"


def normalise(path: object, *, default_directory: str = ROOT, field: str = "path") -> str:
    """Return the collection path for a path as it was typed; raises Invalid naming `field`.

    "~", "~/x", "/~/x" and relative paths start at the default directory; "/x" starts at the collection's root.
    """
    if not isinstance(path, str) or not path:
        raise Invalid({field: "Give a path as text, such as /folder/file.txt."})
    error = _error_in(path)
    if error:
        raise Invalid({field: error})
    return _without_empty_names(_from_default_directory(path, default_directory))


def join(folder: str, name: str) -> str:
    """Return the path of `name` in `folder`; raises ValueError unless `name` is a single name."""
    if not is_name(name):
        raise ValueError(f"{name!r} is no name of a file or folder.")
    return f"{folder}/{name}" if folder != ROOT else f"/{name}"


def is_name(name: str) -> bool:
    """Return whether `name` can be a single name in a path."""
    return bool(name) and name not in {".", ".."} and "/" not in name and "\0" not in name


def parts(path: str) -> list[str]:
    """Return the names from the collection's root to `path`."""
    return [part for part in path.split("/") if part]


def parent(path: str) -> str:
    """Return the folder of `path`; the root is its own parent."""
    return path.rpartition("/")[0] or ROOT


def above(path: str) -> Iterator[str]:
    """Yield the folders above a path, nearest first, without the root."""
    while (path := parent(path)) != ROOT:
        yield path


def name_of(path: str) -> str:
    """Return the last name of a path; empty for the root."""
    return path.rpartition("/")[2]


def target_of(source: str, destination: str) -> str:
    """Return the path of a file's copy: inside a destination written as a folder ("/x/"), else that very path."""
    folder = destination.rstrip("/") or ROOT
    return join(folder, name_of(source)) if destination.endswith("/") and source != ROOT else folder


def is_inside(path: str, folder: str) -> bool:
    """Return whether `path` is `folder` or lies below it."""
    return folder in (ROOT, path) or path.startswith(f"{folder}/")


def means_folder(path: str) -> bool:
    """Return whether a path as it was typed names a folder to copy into."""
    return path.endswith("/") or path in {"~", "."}


def fold(name: str) -> str:
    """Return what all spellings of a name share that some disk takes for one name.

    Disks ignore case, Unicode form, or dots and blanks at the end. Two names with the same result may be one name
    there; only the disk knows whether they are.
    """
    if name.isascii():
        return name.lower().rstrip(". ")
    return _normal_form("NFKC", _normal_form("NFKC", name).casefold()).rstrip(". ")


def fold_path(path: str) -> str:
    """Return what all spellings of a path share."""
    return "/".join(map(fold, parts(path)))


def is_carriable(name: str) -> bool:
    """Return whether an entry of that name can be copied under it: a single name that is valid Unicode text."""
    return is_name(name) and is_storable(name)


def readable(name: str) -> str:
    r"""Return a name as text that can be shown and recorded; bytes that are no UTF-8 are escaped, as in `ma\xf1ana`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def is_storable(name: str) -> bool:
    """Return whether a name is valid Unicode text. Names that are not UTF-8 cannot be shown or recorded."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _error_in(path: str) -> str | None:
    if "\0" in path:
        return "A path cannot contain the character NUL."
    if not is_storable(path):
        return "A path must be valid Unicode text."
    if len(path.encode()) > MAX_PATH_BYTES:
        return f"A path can have at most {MAX_PATH_BYTES} bytes."
    if ".." in path.split("/"):
        return "A path cannot contain '..'."
    if any(len(part.encode()) > MAX_NAME_BYTES for part in path.split("/")):
        return f"A name can have at most {MAX_NAME_BYTES} bytes."
    return None


def _from_default_directory(path: str, default_directory: str) -> str:
    for prefix in ("/~", "~"):
        if path == prefix or path.startswith(f"{prefix}/"):
            return f"{default_directory}/{path[len(prefix) :]}"
    return path if path.startswith("/") else f"{default_directory}/{path}"


def _without_empty_names(path: str) -> str:
    return "/" + "/".join(part for part in path.split("/") if part not in {"", "."})
