"""Folders of this machine, confined to a root by directory handles, not by comparing text.

Every step of a path is opened below the handle of the previous step and never through a symbolic link (`O_NOFOLLOW`).
So neither `..` nor a link leads out, even when a folder is replaced by a link meanwhile. Links are listed as links and
never followed. A hard link cannot be distinguished from the file itself: whoever may make one in the folder can offer
that file. Only regular files are read and written.
"""

from __future__ import annotations

import errno
import os
import stat as modes
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from django.conf import settings

from timers.copying import paths
from timers.errors import ExternalError, Forbidden, Invalid
from timers.parameters import Parameter
from timers.storages import batch_helpers, batch_worker, copy_syscalls, local_attributes
from timers.storages.base import (
    Abilities,
    Batch,
    Digest,
    Done,
    Entry,
    FileProperties,
    Kind,
    Lookup,
    PartialFile,
    Permissions,
    PrefetchedListing,
    Reader,
    Result,
    SourceFault,
    Storage,
    Writer,
    fault,
)
from timers.storages.os_errors import external_error, name_error

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # opening a pipe must not wait for its other end
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC

_MAX_HANDLES = 32
_MIN_FILES_FOR_SYNCFS = 16

_KINDS = {modes.S_IFREG: Kind.FILE, modes.S_IFDIR: Kind.DIR, modes.S_IFLNK: Kind.SYMLINK}
_OTHER = Kind.OTHER
_FILE_TYPE_MASK = 0o170000
_PERMISSIONS = 0o777
_MAX_PREFETCHED_ENTRIES = 5000
_tuple = tuple.__new__  # takes half the time of calling the class, for a million entries


class LocalReader(Reader):
    """A regular file of this machine. It reads by position, so that one handle can be shared."""

    def __init__(self, fd: int, path: str, offset: int, status: os.stat_result) -> None:
        self.fd, self.path, self.position = fd, path, offset
        self.opened = _entry(paths.name_of(path), status)
        self.sparse = status.st_blocks * 512 < status.st_size

    def read(self, size: int) -> bytes:
        try:
            data = os.pread(self.fd, size, self.position)
        except OSError as error:
            raise external_error(error, self.path) from error
        self.position += len(data)
        return data

    def feed(self, digest: Digest, size: int) -> int:
        try:
            fed = copy_syscalls.feed(self.fd, digest, self.position, size)
        except OSError as error:
            raise external_error(error, self.path) from error
        self.position += fed
        return fed

    def stat(self) -> Entry:
        return _entry(self.opened.name, os.fstat(self.fd))

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class LocalWriter(Writer):
    """A partial file beside its target, both below one folder's handle."""

    def __init__(self, folder: int, path: str, partial: str, fd: int, written: int = 0) -> None:
        self._folder, self.path, self._partial, self.fd, self.written = folder, path, partial, fd, written
        self._copier: copy_syscalls.CheckedCopier | None = None

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        try:
            while rest:
                count = os.pwrite(self.fd, rest, self.written)
                self.written += count
                rest = rest[count:]
        except OSError as error:
            raise external_error(error, self.path) from error

    def copy_from(self, reader: Reader, max_bytes: int, digest: Digest | None = None) -> int:
        if not isinstance(reader, LocalReader):
            return super().copy_from(reader, max_bytes, digest)
        start = reader.position
        try:
            copy = copy_syscalls.copy_sparse if reader.sparse else copy_syscalls.copy
            moved = copy(reader.fd, self.fd, max_bytes, start, self.written)
        except OSError as error:
            raise external_error(error, self.path) from error
        self.written += moved
        if digest is None:
            reader.position += moved
        else:
            reader.feed(digest, moved)
        return moved

    def can_verify(self, reader: Reader) -> bool:
        return isinstance(reader, LocalReader)

    def copy_verified_from(self, reader: Reader, max_bytes: int, digest: Digest) -> int:
        assert isinstance(reader, LocalReader)
        if self._copier is None:
            self._copier = copy_syscalls.CheckedCopier()
        start, sparse = reader.position, reader.sparse
        try:
            moved = self._copier.copy(
                reader.fd,
                self.fd,
                max_bytes,
                source_offset=start,
                target_offset=self.written,
                sparse=sparse,
                digest=digest,
            )
        except copy_syscalls.CopyDiffers as error:
            raise fault("checksum_mismatch", f"{self.path} does not hold what was written to it.") from error
        except OSError as error:
            raise external_error(error, self.path) from error
        self.written += moved
        reader.position += moved
        return moved

    def read_back(self, offset: int) -> Reader:
        return LocalReader(os.dup(self.fd), self.path, offset, os.fstat(self.fd))

    def sync(self) -> None:
        try:
            os.fsync(self.fd)
        except OSError as error:
            raise external_error(error, self.path) from error

    def commit(self, *, modified_ns: int | None = None, permissions: Permissions | None = None) -> None:
        name = paths.name_of(self.path)
        mode, exact = self._mode(name, permissions), _is_exact(permissions)
        self.not_kept = local_attributes.set_attributes(self.fd, modified_ns=modified_ns, mode=mode, exact=exact)
        try:
            os.rename(self._partial, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError as error:
            raise name_error(error, self.path) from error
        self._partial = ""
        self._close_handles()

    def _mode(self, name: str, permissions: Permissions | None) -> int:
        """Return the mode that the file gets in place of the one that keeps others out while it is written."""
        if permissions is not None and permissions.exact:
            return permissions.mode & _PERMISSIONS
        with suppress(OSError):
            status = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
            if modes.S_ISREG(status.st_mode):
                return status.st_mode & _PERMISSIONS
        return (0o666 if permissions is None else permissions.mode & _PERMISSIONS) & ~local_attributes.umask()

    def keep(self) -> PartialFile:
        self.sync()
        partial, self._partial = PartialFile(self._partial, self.written), ""
        self._close_handles()
        return partial

    def discard(self) -> None:
        if self._partial:
            with suppress(OSError):
                os.unlink(self._partial, dir_fd=self._folder)
            self._partial = ""
        self._close_handles()

    def _close_handles(self) -> None:
        if self._copier is not None:
            self._copier.close()
            self._copier = None
        if self.fd >= 0:
            os.close(self.fd)
            os.close(self._folder)
            self.fd = -1


class LocalStorage(Storage):
    """A folder of this machine, inside the folders that the operator allows (TIMERS_LOCAL_ROOTS)."""

    kind = "local"
    label = "Local disk"
    heading = "A folder of this machine"
    parameters = (Parameter(name="root", label="Folder on this machine", required=True, max_length=1024),)
    for_administrators = True
    abilities = Abilities(rename=True, times=True, permissions=True, resume=True, quick_stat=True, links=True)

    @classmethod
    def clean(cls, parameters: Mapping[str, Any], *, owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the parameters for an administrator who names a folder inside the allowed ones.

        A missing folder is made.
        """
        if not owner.is_staff:
            raise Forbidden("Only administrators can offer folders of this machine.")
        unknown = [str(key) for key in parameters if key != "root"]
        if unknown:
            raise Invalid(dict.fromkeys(unknown, "Unknown field; known here: kind, root."))
        return {"root": str(_make_root(_read_root(parameters.get("root"))))}, {}

    @classmethod
    def place(cls, parameters: Mapping[str, Any]) -> str:
        return str(parameters.get("root", ""))

    @classmethod
    def allowed_folders(cls) -> Sequence[Path]:
        return settings.TIMERS_LOCAL_ROOTS  # type: ignore[no-any-return]

    def __init__(self, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        self._root = Path(parameters["root"])
        self._handles: dict[str, int] = {}

    def list(self, path: str) -> Iterator[Entry]:
        try:
            fd = os.open(".", _LISTED, dir_fd=self._folder_for(path, path))
        except OSError as error:
            raise external_error(error, path) from error
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:  # removed since it was listed
                        continue
                    mode = status.st_mode
                    kind = _KINDS.get(mode & _FILE_TYPE_MASK, _OTHER)
                    yield _tuple(Entry, (entry.name, kind, status.st_size, status.st_mtime_ns, mode & _PERMISSIONS))
        except OSError as error:
            raise external_error(error, path) from error
        finally:
            os.close(fd)

    def stat(self, path: str) -> Entry:
        if path == paths.ROOT:
            return _entry("", os.fstat(self._folder(path)))
        name = paths.name_of(path)
        try:
            return _entry(name, os.stat(name, dir_fd=self._folder_for(paths.parent(path), path), follow_symlinks=False))
        except OSError as error:
            raise external_error(error, path) from error

    def open(self, path: str, *, offset: int = 0) -> Reader:
        folder, _, name = path.rpartition("/")
        try:
            fd = os.open(name or ".", _READ, dir_fd=self._folder_for(folder or "/", path))
        except OSError as error:
            raise external_error(error, path) from error
        status = os.fstat(fd)
        if not modes.S_ISREG(status.st_mode):
            os.close(fd)
            raise fault("not_a_file", f"{path} is not a file.")
        return LocalReader(fd, path, offset, status)

    def write(
        self,
        path: str,
        *,
        partial: str,
        resume: PartialFile | None = None,
        properties: FileProperties | None = None,
    ) -> Writer:
        folder = paths.parent(path)
        handle = self._folder_for(folder, path)
        try:
            fd = _open_older(handle, partial, resume) if resume else os.open(partial, _NEW, 0o600, dir_fd=handle)
        except OSError as error:
            raise external_error(error, path) from error
        return LocalWriter(os.dup(handle), path, partial, fd, resume.size if resume else 0)

    def mkdir(self, path: str, *, permissions: Permissions | None = None) -> bool:
        handle, created, current_path = self._folder(paths.ROOT), False, ""
        for name in paths.parts(path):
            current_path = f"{current_path}/{name}"
            mode = _folder_mode(permissions) if len(current_path) == len(path) else 0o777
            try:
                os.mkdir(name, mode, dir_fd=handle)
                created = True
            except FileExistsError:
                created = False
            except OSError as error:
                raise name_error(error, current_path) from error
            handle = self._folder(current_path)
        return created

    def delete(self, path: str) -> None:
        if path == paths.ROOT:
            raise fault("permission_denied", "The root of a collection cannot be deleted.")
        folder, name = self._folder_for(paths.parent(path), path), paths.name_of(path)
        self._forget(path)
        try:
            if modes.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                os.rmdir(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
        except OSError as error:
            raise external_error(error, path) from error

    def set_attributes(
        self, path: str, *, modified_ns: int | None = None, permissions: Permissions | None = None
    ) -> Sequence[str]:
        try:
            fd = os.open(paths.name_of(path) or ".", _READ, dir_fd=self._folder_for(paths.parent(path), path))
        except OSError as error:
            raise external_error(error, path) from error
        mode, exact = None if permissions is None else permissions.mode & _PERMISSIONS, _is_exact(permissions)
        if mode is not None and not exact:
            mode &= ~local_attributes.umask()
        try:
            return local_attributes.set_attributes(fd, modified_ns=modified_ns, mode=mode, exact=exact)
        finally:
            os.close(fd)

    def set_aside(self, source: str, target: str) -> None:
        source_folder = self._folder_for(paths.parent(source), source)
        target_folder = self._folder_for(paths.parent(target), target)
        name, target_name = paths.name_of(source), paths.name_of(target)
        try:
            os.link(name, target_name, src_dir_fd=source_folder, dst_dir_fd=target_folder, follow_symlinks=False)
        except FileExistsError as error:
            raise external_error(error, target) from error
        except FileNotFoundError as error:
            raise external_error(error, source) from error
        except OSError:  # this disk has no hard links, or not of this entry
            self.rename(source, target)

    def rename(self, source: str, target: str) -> None:
        source_folder = self._folder_for(paths.parent(source), source)
        target_folder = self._folder_for(paths.parent(target), target)
        self._forget(source)
        with suppress(FileNotFoundError):
            os.stat(paths.name_of(target), dir_fd=target_folder, follow_symlinks=False)
            raise fault("already_exists", f"{target} exists already.")
        try:
            os.rename(paths.name_of(source), paths.name_of(target), src_dir_fd=source_folder, dst_dir_fd=target_folder)
        except OSError as error:
            raise external_error(error, source) from error

    def read_link(self, path: str) -> str:
        try:
            return os.readlink(paths.name_of(path) or ".", dir_fd=self._folder_for(paths.parent(path), path))
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise fault("unsupported", f"{path} is not a symbolic link.") from error
            raise external_error(error, path) from error

    def make_link(self, path: str, text: str) -> None:
        if not text or "\0" in text:
            raise fault("bad_name", f"{path}: a symbolic link cannot contain {text!r}.")
        folder, name = self._folder_for(paths.parent(path), path), paths.name_of(path)
        beside = f".timers-{token_hex(6)}-0-0.part"
        self._forget(path)
        try:
            os.symlink(text, beside, dir_fd=folder)
            try:
                os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                os.unlink(beside, dir_fd=folder)
                raise
        except IsADirectoryError as error:
            raise fault("already_exists", f"{path} is a folder.") from error
        except OSError as error:
            raise name_error(error, path) from error

    def address(self) -> tuple[str, ...]:
        return ("local", *self._root.parts)

    @contextmanager
    def lookup(self, path: str) -> Iterator[Lookup]:
        handle = os.dup(self._folder_for(path, path))  # a copy, because the cached handle may be closed meanwhile

        def find(name: str) -> Entry | None:
            try:
                status = os.stat(name, dir_fd=handle, follow_symlinks=False)
                return _entry(name, status)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise external_error(error, paths.join(path, name)) from error

        try:
            yield find
        finally:
            os.close(handle)

    def prefetch_listing(
        self, source: Storage, folder: str, *, destination_folder: str | None
    ) -> Callable[[], PrefetchedListing | None] | None:
        if not isinstance(source, LocalStorage):
            return None
        with ExitStack() as handles:
            try:
                source_handle = source._duplicate_handle(folder, handles)
                target_handle = source_handle
                if destination_folder is not None:
                    target_handle = self._duplicate_handle(destination_folder, handles)
                job = {"most": _MAX_PREFETCHED_ENTRIES, "both": destination_folder is not None}
                wait_for_rows = batch_helpers.start_job((job, source_handle, target_handle))
            except (ExternalError, OSError):
                return None
        return None if wait_for_rows is None else lambda: _listed(wait_for_rows())

    def batches_at_once(self, source: Storage) -> int:
        return batch_helpers.max_helpers() + 1 if isinstance(source, LocalStorage) else 0

    def copy_batches(
        self,
        source: Storage,
        batches: Sequence[Batch],
        *,
        verify: bool,
        times: bool,
        exact_modes: bool,
        within: float,
        valid: float,
    ) -> Sequence[Sequence[Result]]:
        now = time.monotonic()
        ends = {"until": now + within, "lost_at": now + valid}
        shared = {"verify": verify, "times": times, "exact_modes": exact_modes, **ends}
        jobs = [
            {"files": list(batch.names), "head": batch.head, "tail": batch.tail, "replaces": batch.replaces, **shared}
            for batch in batches
        ]
        return self._run_batches(source, batches, jobs)

    def compare_batches(
        self, source: Storage, batches: Sequence[Batch], *, within: float
    ) -> Sequence[Sequence[Result]]:
        until = time.monotonic() + within
        return self._run_batches(source, batches, [{"files": list(batch.names), "until": until} for batch in batches])

    def _run_batches(
        self, source: Storage, batches: Sequence[Batch], jobs: Sequence[dict[str, Any]]
    ) -> Sequence[Sequence[Result]]:
        """Run one job for each batch; a batch whose folders cannot be opened is left to be processed file by file."""
        assert isinstance(source, LocalStorage)
        results: list[Sequence[Result]] = [[None] * len(batch.names) for batch in batches]
        with ExitStack() as handles:
            opened = []
            for number, (batch, job) in enumerate(zip(batches, jobs, strict=True)):
                with suppress(ExternalError):
                    source_handle = source._duplicate_handle(batch.source, handles)
                    target_handle = self._duplicate_handle(batch.destination, handles)
                    opened.append((number, (job, source_handle, target_handle)))
            try:
                answers = batch_helpers.run_jobs([work for _, work in opened])
            except OSError as error:
                raise external_error(error, batches[0].destination) from error
        for (number, _), answer in zip(opened, answers, strict=True):
            results[number] = _results(batches[number], answer)
        return results

    def _duplicate_handle(self, folder: str, handles: ExitStack) -> int:
        handle = os.dup(self._folder(folder))  # a copy, because the cached handle may be closed meanwhile
        handles.callback(os.close, handle)
        return handle

    def sync_all(self, writers: Sequence[Writer]) -> None:
        if len(writers) <= _MIN_FILES_FOR_SYNCFS or not copy_syscalls.sync_file_system(self._folder(paths.ROOT)):
            super().sync_all(writers)

    def sync_folders(self, folders: Sequence[str]) -> None:
        if len(folders) > _MIN_FILES_FOR_SYNCFS and copy_syscalls.sync_file_system(self._folder(paths.ROOT)):
            return
        for path in folders:
            try:
                copy_syscalls.sync_folder(self._folder(path))
            except OSError as error:
                raise external_error(error, path) from error

    def close(self) -> None:
        while self._handles:
            os.close(self._handles.popitem()[1])

    # Handles of folders, the most recently used last

    def _folder_for(self, folder: str, path: str) -> int:
        """Return a folder's handle; the messages of faults name `path`."""
        try:
            return self._folder(folder)
        except ExternalError as error:
            if error.reason == "not_found":
                raise fault("not_found", f"{path} does not exist.") from error
            if path in error.message:
                raise
            raise fault(error.reason, f"{path}: {error.message}") from error

    def _folder(self, path: str) -> int:
        """Return a handle of a folder, reached from the root without following any link."""
        handle = self._handles.pop(path, None)
        if handle is None:
            handle = self._open_folder(path)
            if len(self._handles) >= _MAX_HANDLES:
                os.close(self._handles.pop(next(iter(self._handles))))
        self._handles[path] = handle
        return handle

    def _open_folder(self, path: str) -> int:
        if path == paths.ROOT:
            return self._open_root()
        name, folder = paths.name_of(path), self._folder(paths.parent(path))
        try:
            return os.open(name, _FOLDER, dir_fd=folder)
        except OSError as error:
            _refuse_link(name, folder, path)
            raise external_error(error, path) from error

    def _open_root(self) -> int:
        for allowed in settings.TIMERS_LOCAL_ROOTS:
            top = Path(allowed).resolve()
            if self._root.is_relative_to(top):
                return _descend(top, self._root.relative_to(top).parts)
        raise fault("path_outside", "The folder of this collection lies outside the folders that the operator allows.")

    def _forget(self, path: str) -> None:
        for folder in list(self._handles):
            if folder != paths.ROOT and paths.is_inside(folder, path):
                os.close(self._handles.pop(folder))


def _entry(name: str, status: os.stat_result) -> Entry:
    mode = status.st_mode
    kind = _KINDS.get(mode & _FILE_TYPE_MASK, _OTHER)
    return _tuple(Entry, (name, kind, status.st_size, status.st_mtime_ns, mode & _PERMISSIONS))


def _listed(rows: Sequence[tuple[Any, ...]]) -> PrefetchedListing | None:
    if not rows:
        return None
    kinds, new = _KINDS.get, _tuple
    entries = [
        new(Entry, (name, kinds(mode & _FILE_TYPE_MASK, _OTHER), size, modified, mode & _PERMISSIONS))
        for name, mode, size, modified, *_ in rows
    ]
    there: dict[str, Entry] = {}
    for name, _, _, _, *there_values in rows:
        if there_values:
            mode, size, modified = there_values
            there[name] = new(Entry, (name, kinds(mode & _FILE_TYPE_MASK, _OTHER), size, modified, mode & _PERMISSIONS))
    return PrefetchedListing(entries, there)


def _results(batch: Batch, answers: Sequence[tuple[Any, ...]]) -> Sequence[Result]:
    return [_result(batch, name, answer) for name, answer in zip(batch.names, answers, strict=False)]


def _result(batch: Batch, name: str, answer: tuple[Any, ...]) -> Result:
    if answer[0] == batch_worker.COPIED:
        return Done(*answer[1:])
    if answer[0] != batch_worker.FAULT:
        return None
    error = OSError(answer[2], os.strerror(answer[2]))
    if answer[1]:
        return SourceFault(external_error(error, paths.join(batch.source, name)))
    return name_error(error, paths.join(batch.destination, name))


def _is_exact(permissions: Permissions | None) -> bool:
    return permissions is not None and permissions.exact


def _folder_mode(permissions: Permissions | None) -> int:
    """Return the mode of a new folder, into which we have to write whatever its source's mode is."""
    return 0o777 if permissions is None else permissions.mode & _PERMISSIONS | 0o700


def _refuse_link(name: str, folder: int, path: str) -> None:
    with suppress(OSError):
        if modes.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise fault("path_outside", f"{path} is a symbolic link; links are never followed.")


def _open_older(folder: int, partial: str, resume: PartialFile) -> int:
    os.rename(resume.name, partial, src_dir_fd=folder, dst_dir_fd=folder)
    fd = os.open(partial, _OLD, dir_fd=folder)
    if os.fstat(fd).st_size < resume.size:
        os.close(fd)
        raise FileNotFoundError(2, "The partial file is shorter than it should be")
    os.ftruncate(fd, resume.size)
    return fd


def _descend(top: Path, names: Sequence[str]) -> int:
    current_path = top
    try:
        handle = os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        for name in names:
            current_path = current_path / name
            above, handle = handle, os.open(name, _FOLDER, dir_fd=handle)
            os.close(above)
    except OSError as error:
        raise external_error(error, "/") from error
    return handle


def _read_root(value: object) -> Path:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise Invalid({"root": "Give the absolute path of a folder of this machine."})
    if ".." in value.split("/"):
        raise Invalid({"root": "The path cannot contain '..'."})
    root = Path(value).resolve()
    if not any(root.is_relative_to(Path(allowed).resolve()) for allowed in settings.TIMERS_LOCAL_ROOTS):
        shown = ", ".join(str(allowed) for allowed in settings.TIMERS_LOCAL_ROOTS)
        raise Invalid({"root": f"The folder must lie inside one of the folders that the operator allows: {shown}."})
    return root


def _make_root(root: Path) -> Path:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid({"root": f"The folder cannot be made: {error.strerror}."}) from error
    return root
