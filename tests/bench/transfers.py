"""Transfers between two folders against cp, rsync and a copy that hashes in one pass; tries are interleaved.

A try of ours is all that a worker does from the submission on: rows, slices, syncs, the last look. The folders lie in
memory (/dev/shm) unless another place is named, so that the disk's mood does not matter.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEBI = 1024 * 1024
PER_FOLDER = 500

Try = Callable[[Path, Path], None]


class Trees:
    """A place with a source and a destination, and a collection over each."""

    def __init__(self, place: Path) -> None:
        from django.conf import settings
        from django.contrib.auth import get_user_model

        from timers import clock
        from timers.models import Collection

        settings.TIMERS_LOCAL_ROOTS = (place,)
        self.here, self.there = place / "here", place / "there"
        self.owner = get_user_model().objects.get_or_create(username="bench")[0]
        now = clock.now()
        for folder in (self.here, self.there):
            folder.mkdir(parents=True, exist_ok=True)
        self.source, self.destination = (
            Collection.objects.create(
                owner=self.owner,
                display_name=folder.name,
                kind="local",
                storage={"root": str(folder)},
                created_at=now,
                updated_at=now,
            )
            for folder in (self.here, self.there)
        )

    def ours(self, *, source: Any = None, destination: Any = None, **options: Any) -> Try:
        """Return a try of ours with these options, between the two folders or other collections."""
        source, destination = str((source or self.source).pk), str((destination or self.destination).pk)

        def run(here: Path, there: Path) -> None:
            from timers import clock
            from timers.engine.transfers.slice_runner import run_slice
            from timers.services.transfers import commands as transfers

            item = {"source_path": "/", "destination_path": "/", "recursive": True}
            body = {"source_endpoint": source, "destination_endpoint": destination, "DATA": [item], **options}
            transfer = transfers.submit(owner=self.owner, body=body, now=clock.now())
            while run_slice(str(transfer.pk), now=clock.now()):
                pass
            transfer.refresh_from_db()
            if transfer.status != "succeeded":
                raise SystemExit(f"The transfer {transfer.status}: {transfer.error_message}")

        return run


def command(*words: str) -> Try:
    """Return a try of a program that takes source and destination at its end."""
    return lambda here, there: _run([*words, f"{here}/.", f"{there}/"])


def one_pass(here: Path, there: Path) -> None:
    """Read, hash and write every file in one pass, without looking at what was written."""
    buffer = memoryview(bytearray(MEBI))
    for folder, _, names in os.walk(here):
        target = there / os.path.relpath(folder, here)
        target.mkdir(exist_ok=True)
        for name in names:
            digest = hashlib.sha256()
            with Path(folder, name).open("rb", buffering=0) as source, (target / name).open("wb", buffering=0) as file:
                while read := source.readinto(buffer):
                    digest.update(buffer[:read])
                    file.write(buffer[:read])


def measure(tries: dict[str, Try], trees: Trees, *, rounds: int, fresh: bool = True) -> dict[str, float]:
    """Return the median seconds of each try; `fresh` empties the destination before each."""
    seconds: dict[str, list[float]] = {name: [] for name in tries}
    for number in range(rounds + 1):
        for name, run in tries.items():
            if fresh:
                shutil.rmtree(trees.there)
                trees.there.mkdir()
            began = time.perf_counter()
            run(trees.here, trees.there)
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(each) for name, each in seconds.items()}


def large(trees: Trees, *, rounds: int, mebibytes: int) -> None:
    """One large file."""
    _empty(trees)
    block = os.urandom(MEBI)
    with (trees.here / "large").open("wb") as file:
        for number in range(mebibytes):
            file.write(number.to_bytes(8, "big") + block[8:])
    tries = {
        "cp -r": command("cp", "-r"),
        "rsync -a": command("rsync", "-a"),
        "one pass with sha256": one_pass,
        "ours": trees.ours(verify_checksum=False),
        "ours, verified": trees.ours(verify_checksum=True),
    }
    seconds = measure(tries, trees, rounds=rounds)
    _report(f"{mebibytes} MiB in one file", seconds, mebibytes, "MiB")
    print(f"  ours / cp {seconds['cp -r'] / seconds['ours']:.2f} (goal 0.90)")
    ratio = seconds["one pass with sha256"] / seconds["ours, verified"]
    print(f"  ours, verified / one pass {ratio:.2f} (goal 0.80)")


def small(trees: Trees, *, rounds: int, files: int) -> None:
    """Many small files, copied and then found unchanged."""
    _empty(trees)
    make_files(trees.here, files, size=4096)
    tries = {
        "cp -r": command("cp", "-r"),
        "rsync -a": command("rsync", "-a"),
        "ours": trees.ours(verify_checksum=False),
        "ours, verified": trees.ours(verify_checksum=True),
    }
    seconds = measure(tries, trees, rounds=rounds)
    _report(f"{files:,} files of 4 KiB", seconds, files, "files")
    print(f"  ours / rsync {seconds['rsync -a'] / seconds['ours']:.2f} (goal 1.50)")
    print(f"  ours, verified / cp {seconds['cp -r'] / seconds['ours, verified']:.2f} (goal 0.50)")
    _run(["rsync", "-a", "--delete", f"{trees.here}/", f"{trees.there}/"])
    tries = {
        "rsync -a": command("rsync", "-a"),
        "rsync -a --checksum": command("rsync", "-a", "--checksum"),
        "ours, by time": trees.ours(sync_level="mtime", preserve_timestamp=True),
        "ours, by content": trees.ours(sync_level="checksum", preserve_timestamp=True),
    }
    seconds = measure(tries, trees, rounds=rounds, fresh=False)
    _report(f"{files:,} unchanged files", seconds, files, "files")
    print(f"  ours, by time / rsync {seconds['rsync -a'] / seconds['ours, by time']:.2f} (goal 0.80)")
    ratio = seconds["rsync -a --checksum"] / seconds["ours, by content"]
    print(f"  ours, by content / rsync --checksum {ratio:.2f}")


def memory(trees: Trees, *, files: int) -> None:
    """The most memory that this process needs to list, copy and compare a tree of very many empty files."""
    import resource

    _empty(trees)
    make_files(trees.here, files, size=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for name, options in {"copied": {}, "found unchanged": {"sync_level": "size"}}.items():
        began = time.perf_counter()
        trees.ours(**options)(trees.here, trees.there)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        spent = time.perf_counter() - began
        speed = f"{files:,} files {name} in {spent:.1f} s ({files / spent:,.0f}/s)"
        print(f"{speed}; at most {peak:.0f} MB, {before:.0f} MB before")


def make_files(folder: Path, files: int, *, size: int, per_folder: int = PER_FOLDER) -> None:
    """Make files with any content, some hundred in each folder."""
    for number in range(files):
        place = folder / f"{number // per_folder:05d}"
        if number % per_folder == 0:
            place.mkdir()
        (place / f"f{number:07d}").write_bytes(os.urandom(size))


def _report(what: str, seconds: dict[str, float], amount: int, unit: str) -> None:
    print(what)
    for name, each in seconds.items():
        print(f"  {name:22} {each:7.3f} s  {amount / each:10,.0f} {unit}/s")


def _empty(trees: Trees) -> None:
    for folder in (trees.here, trees.there):
        shutil.rmtree(folder)
        folder.mkdir()


def _run(words: list[str]) -> None:
    subprocess.run(words, check=True)
