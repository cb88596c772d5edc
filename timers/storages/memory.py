"""Files in memory: for tests, and as the shortest example of a storage."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from timers.copying import paths
from timers.parameters import Parameter
from timers.storages.base import (
    Abilities,
    Entry,
    FileProperties,
    Kind,
    PartialFile,
    Permissions,
    Reader,
    Storage,
    Writer,
    fault,
)

_fake_times = itertools.count(1_700_000_000_000_000_000, 1_000_000)


@dataclass
class Node:
    """One entry in memory; `content` is None for a folder and for a link, which has its text in `link_text`."""

    content: bytearray | None = None
    link_text: str | None = None
    modified_ns: int = field(default_factory=lambda: next(_fake_times))

    @property
    def is_folder(self) -> bool:
        return self.content is None and self.link_text is None

    def entry(self, name: str) -> Entry:
        if self.link_text is not None:
            return Entry(name, Kind.SYMLINK, len(self.link_text.encode("utf-8", "surrogateescape")), self.modified_ns)
        if self.content is None:
            return Entry(name, Kind.DIR, 0, self.modified_ns)
        return Entry(name, Kind.FILE, len(self.content), self.modified_ns)


PLACES: dict[str, dict[str, Node]] = {}
"""All places by name, so that several storages opened on one name share their files."""


class MemoryReader(Reader):
    def __init__(self, node: Node, name: str, offset: int) -> None:
        self._node, self._name, self.position = node, name, offset
        self.opened = node.entry(name)

    def read(self, size: int) -> bytes:
        data = bytes((self._node.content or b"")[self.position : self.position + size])
        self.position += len(data)
        return data

    def stat(self) -> Entry:
        return self._node.entry(self._name)


class MemoryWriter(Writer):
    def __init__(self, nodes: dict[str, Node], path: str, partial: str, node: Node) -> None:
        self._nodes, self.path, self._partial, self._node = nodes, path, partial, node
        self.written = len(node.content or b"")

    @property
    def _partial_path(self) -> str:
        return paths.join(paths.parent(self.path), self._partial)

    def write(self, data: bytes | memoryview) -> None:
        assert self._node.content is not None
        self._node.content += data
        self.written += len(data)

    def read_back(self, offset: int) -> Reader:
        return MemoryReader(self._node, self._partial, offset)

    def sync(self) -> None:
        pass

    def commit(self, *, modified_ns: int | None = None, permissions: Permissions | None = None) -> None:
        existing = self._nodes.get(self.path)
        if existing is not None and existing.is_folder:
            raise fault("not_a_file", f"{self.path} is a folder.")
        self._node.modified_ns = modified_ns if modified_ns is not None else next(_fake_times)
        self._nodes[self.path] = self._nodes.pop(self._partial_path)

    def keep(self) -> PartialFile:
        return PartialFile(self._partial, self.written)

    def discard(self) -> None:
        if self._nodes.get(self._partial_path) is self._node:
            del self._nodes[self._partial_path]


class MemoryStorage(Storage):
    """A named place in this process. It is not registered, because nothing in it outlives a restart."""

    kind = "memory"
    label = "Memory"
    parameters = (Parameter(name="name", label="Name", required=True),)
    abilities = Abilities(rename=True, times=True, resume=True, quick_stat=True, links=True)

    def __init__(self, parameters: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        self._name = str(parameters["name"])
        self._nodes = PLACES.setdefault(self._name, {"/": Node()})

    def list(self, path: str) -> Iterator[Entry]:
        if not self._node(path).is_folder:
            raise fault("not_a_folder", f"{path} is not a folder.")
        for other_path, node in list(self._nodes.items()):
            if other_path != "/" and paths.parent(other_path) == path:
                yield node.entry(paths.name_of(other_path))

    def stat(self, path: str) -> Entry:
        return self._node(path).entry(paths.name_of(path))

    def open(self, path: str, *, offset: int = 0) -> Reader:
        node = self._node(path)
        if node.link_text is not None:
            raise fault("path_outside", f"{path} is a symbolic link; links are never followed.")
        if node.content is None:
            raise fault("not_a_file", f"{path} is not a file.")
        return MemoryReader(node, paths.name_of(path), offset)

    def write(
        self,
        path: str,
        *,
        partial: str,
        resume: PartialFile | None = None,
        properties: FileProperties | None = None,
    ) -> Writer:
        folder = paths.parent(path)
        if not self._node(folder).is_folder:
            raise fault("not_a_folder", f"{folder} is not a folder.")
        partial_path = paths.join(folder, partial)
        node = self._older(folder, resume) if resume else Node(bytearray())
        self._nodes[partial_path] = node
        return MemoryWriter(self._nodes, path, partial, node)

    def _older(self, folder: str, resume: PartialFile) -> Node:
        node = self._nodes.pop(paths.join(folder, resume.name), None)
        if node is None or node.content is None or len(node.content) < resume.size:
            raise fault("not_found", f"The partial file {resume.name} in {folder} does not exist.")
        del node.content[resume.size :]
        return node

    def mkdir(self, path: str, *, permissions: Permissions | None = None) -> bool:
        existing = self._nodes.get(path)
        if existing is not None:
            if not existing.is_folder:
                raise fault("not_a_folder", f"{path} is not a folder.")
            return False
        self.mkdir(paths.parent(path))
        self._nodes[path] = Node()
        return True

    def delete(self, path: str) -> None:
        node = self._node(path)
        children = [other_path for other_path in self._nodes if other_path != "/" and paths.parent(other_path) == path]
        if node.is_folder and children:
            raise fault("not_empty", f"{path} is not empty.")
        del self._nodes[path]

    def rename(self, source: str, target: str) -> None:
        self._node(source)
        self._node(paths.parent(target))
        if target in self._nodes:
            raise fault("already_exists", f"{target} exists already.")
        for other_path in list(self._nodes):
            if paths.is_inside(other_path, source):
                self._nodes[target + other_path[len(source) :]] = self._nodes.pop(other_path)

    def read_link(self, path: str) -> str:
        link_text = self._node(path).link_text
        if link_text is None:
            raise fault("unsupported", f"{path} is not a symbolic link.")
        return link_text

    def make_link(self, path: str, text: str) -> None:
        if not text or "\0" in text:
            raise fault("bad_name", f"{path}: a symbolic link cannot contain {text!r}.")
        self._node(paths.parent(path))
        existing = self._nodes.get(path)
        if existing is not None and existing.is_folder:
            raise fault("already_exists", f"{path} is a folder.")
        self._nodes[path] = Node(link_text=text)

    def address(self) -> tuple[str, ...]:
        return ("memory", self._name)

    def _node(self, path: str) -> Node:
        node = self._nodes.get(path)
        if node is None:
            raise fault("not_found", f"{path} does not exist.")
        return node
