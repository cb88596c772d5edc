"""Files in memory: for tests, and as the shortest example of a storage."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from timers.copying import paths
from timers.parameters import Parameter
from timers.storages.base import Abilities, Entry, Kind, Reader, Storage, UnfinishedFile, Writer, fault

_ticks = itertools.count(1_700_000_000_000_000_000, 1_000_000)


@dataclass
class Node:
    """One thing in memory; `content` is None for a folder and for a link, which has its text in `says`."""

    content: bytearray | None = None
    says: str | None = None
    modified_ns: int = field(default_factory=lambda: next(_ticks))

    @property
    def is_folder(self) -> bool:
        return self.content is None and self.says is None

    def entry(self, name: str) -> Entry:
        if self.says is not None:
            return Entry(name, Kind.SYMLINK, len(self.says.encode("utf-8", "surrogateescape")), self.modified_ns)
        if self.content is None:
            return Entry(name, Kind.DIR, 0, self.modified_ns)
        return Entry(name, Kind.FILE, len(self.content), self.modified_ns)


PLACES: dict[str, dict[str, Node]] = {}
"""All places by name, so that several storages opened on one name see the same files."""


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
    def __init__(self, nodes: dict[str, Node], path: str, part: str, node: Node) -> None:
        self._nodes, self.path, self._part, self._node = nodes, path, part, node
        self.written = len(node.content or b"")

    @property
    def _beside(self) -> str:
        return paths.join(paths.parent(self.path), self._part)

    def write(self, data: bytes | memoryview) -> None:
        assert self._node.content is not None
        self._node.content += data
        self.written += len(data)

    def read_back(self, offset: int) -> Reader:
        return MemoryReader(self._node, self._part, offset)

    def seal(self) -> None:
        pass

    def commit(self, *, modified_ns: int | None = None) -> None:
        there = self._nodes.get(self.path)
        if there is not None and there.is_folder:
            raise fault("not_a_file", f"{self.path} is a folder.")
        self._node.modified_ns = modified_ns if modified_ns is not None else next(_ticks)
        self._nodes[self.path] = self._nodes.pop(self._beside)

    def keep(self) -> UnfinishedFile:
        return UnfinishedFile(self._part, self.written)

    def discard(self) -> None:
        if self._nodes.get(self._beside) is self._node:
            del self._nodes[self._beside]


class MemoryStorage(Storage):
    """A named place in this process. It is not registered: nothing in it outlives a restart."""

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
        for place, node in list(self._nodes.items()):
            if place != "/" and paths.parent(place) == path:
                yield node.entry(paths.name_of(place))

    def stat(self, path: str) -> Entry:
        return self._node(path).entry(paths.name_of(path))

    def open(self, path: str, *, offset: int = 0) -> Reader:
        node = self._node(path)
        if node.says is not None:
            raise fault("path_outside", f"{path} is a symbolic link; links are never followed.")
        if node.content is None:
            raise fault("not_a_file", f"{path} is not a file.")
        return MemoryReader(node, paths.name_of(path), offset)

    def write(self, path: str, *, part: str, resume: UnfinishedFile | None = None) -> Writer:
        folder = paths.parent(path)
        if not self._node(folder).is_folder:
            raise fault("not_a_folder", f"{folder} is not a folder.")
        beside = paths.join(folder, part)
        node = self._older(folder, resume) if resume else Node(bytearray())
        self._nodes[beside] = node
        return MemoryWriter(self._nodes, path, part, node)

    def _older(self, folder: str, resume: UnfinishedFile) -> Node:
        node = self._nodes.pop(paths.join(folder, resume.name), None)
        if node is None or node.content is None or len(node.content) < resume.size:
            raise fault("not_found", f"The unfinished part {resume.name} in {folder} is gone.")
        del node.content[resume.size :]
        return node

    def mkdir(self, path: str) -> bool:
        there = self._nodes.get(path)
        if there is not None:
            if not there.is_folder:
                raise fault("not_a_folder", f"{path} is not a folder.")
            return False
        self.mkdir(paths.parent(path))
        self._nodes[path] = Node()
        return True

    def delete(self, path: str) -> None:
        node = self._node(path)
        if node.is_folder and any(paths.parent(place) == path for place in self._nodes if place != "/"):
            raise fault("not_empty", f"{path} is not empty.")
        del self._nodes[path]

    def rename(self, source: str, target: str) -> None:
        self._node(source)
        self._node(paths.parent(target))
        if target in self._nodes:
            raise fault("already_exists", f"{target} exists already.")
        for place in [place for place in self._nodes if paths.is_inside(place, source)]:
            self._nodes[target + place[len(source) :]] = self._nodes.pop(place)

    def read_link(self, path: str) -> str:
        says = self._node(path).says
        if says is None:
            raise fault("unsupported", f"{path} is not a symbolic link.")
        return says

    def make_link(self, path: str, text: str) -> None:
        if not text or "\0" in text:
            raise fault("bad_name", f"{path}: a symbolic link cannot say {text!r}.")
        self._node(paths.parent(path))
        there = self._nodes.get(path)
        if there is not None and there.is_folder:
            raise fault("already_exists", f"{path} is a folder.")
        self._nodes[path] = Node(says=text)

    def address(self) -> tuple[str, ...]:
        return ("memory", self._name)

    def _node(self, path: str) -> Node:
        node = self._nodes.get(path)
        if node is None:
            raise fault("not_found", f"{path} does not exist.")
        return node
