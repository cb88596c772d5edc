"""Running transfers by hand, slice by slice, with a clock that only tests move."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from timers.copying import bundles, paths
from timers.engine.transfers.slice_runner import run_slice
from timers.lifecycle import UNFINISHED_TRANSFER
from timers.models import Collection, Transfer, TransferEvent, TransferFile
from timers.services.transfers import commands as transfers
from timers.storages.base import is_partial


class Killed(BaseException):
    """Stands for kill -9: nobody catches it."""


@dataclass
class Ticking:
    """A clock that moves by `step` with each look."""

    step: float = 0.0
    at: float = 0.0

    def __call__(self) -> float:
        self.at += self.step
        return self.at


class File(NamedTuple):
    """What is known of a file, in a row of its own or in a pack."""

    state: str
    verdict: str | None
    level: str | None
    verified: str | None
    checksum: str | None
    size: int
    packed: bool


@dataclass
class Bench:
    """Two folders, the collections over them, and what a transfer between them came to."""

    owner: Any
    source: Collection
    destination: Collection
    here: Path
    there: Path
    now: datetime
    transfer: Any = None
    clock: Ticking = field(default_factory=Ticking)

    def submit(self, *items: dict[str, Any], **options: Any) -> Transfer:
        """Submit a transfer; without items, of the whole source."""
        body = {
            "source_endpoint": str(self.source.pk),
            "destination_endpoint": str(self.destination.pk),
            "DATA": list(items) or [item("/", "/", recursive=True)],
            **options,
        }
        self.transfer = transfers.submit(owner=self.owner, body=body, now=self.now)
        return self.transfer

    def slice(self, **more: Any) -> bool:
        """Run one slice; return whether there was one to run."""
        ran = run_slice(str(self.transfer.pk), now=self.now, **{"monotonic": self.clock, **more})
        self.transfer.refresh_from_db()
        return ran

    def run(self, *, most: int = 200, **more: Any) -> int:
        """Run slices until the transfer has ended; return how many it took."""
        for number in range(1, most + 1):
            assert self.slice(**more), "nobody may go on"
            if self.transfer.status not in UNFINISHED_TRANSFER:
                return number
        raise AssertionError(f"still {self.transfer.status} after {most} slices")

    def copy(self, *items: dict[str, Any], **options: Any) -> Transfer:
        """Submit and run to the end."""
        self.submit(*items, **options)
        self.run()
        return self.transfer

    def later(self, **span: float) -> None:
        """Let time pass between slices."""
        self.now += timedelta(**span)

    def faults(self) -> list[str]:
        return list(TransferEvent.objects.filter(transfer=self.transfer, is_fault=True).values_list("code", flat=True))

    def files(self, step: str = "copy") -> dict[str, File]:
        """Return destination path -> what is known of each file of a step, those in packs too."""
        found: dict[str, File] = {}
        for row in TransferFile.objects.filter(transfer=self.transfer, step=step):
            shared = (row.state, row.verdict, row.level, row.verified)
            if row.members is None:
                found[row.destination_path] = File(*shared, row.checksum, row.size, packed=False)
                continue
            for member in bundles.decode(row.members):
                path = paths.join(row.destination_path, member.name)
                assert path not in found, "a file is in two packs"
                found[path] = File(*shared, member.checksum, member.size, packed=True)
        return found

    def rows(self) -> dict[str, tuple[str, str | None]]:
        """Return destination path -> (state, how it was checked or compared)."""
        return {path: (file.state, file.verified or file.level) for path, file in self.files().items()}


def item(source: str, destination: str, **more: Any) -> dict[str, Any]:
    return {"DATA_TYPE": "transfer_item", "source_path": source, "destination_path": destination, **more}


def fill(folder: Path, files: dict[str, bytes | str | None]) -> None:
    """Make files; None makes an empty folder."""
    for name, content in files.items():
        path = folder / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return everything below a folder: files with their content, folders as None."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if not path.is_symlink()
    }


def parts(folder: Path) -> list[Path]:
    """Return the unfinished parts that lie around."""
    return [path for path in folder.rglob("*") if is_partial(path.name)]
