"""Transfers to and from servers, against the servers' own Python libraries copying one file after another.

The servers run beside on this machine: an SFTP server of asyncssh and an S3 server of moto, each one process.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.transfers import MEBI, Trees, Try, make_files, measure

KINDS = {"large": (1, 200 * MEBI), "small": (500, 16 * 1024)}


def far(trees: Trees, *, rounds: int) -> None:
    """Both servers, both ways, one large file and many small ones."""
    from django.conf import settings

    from timers.targets import parse_networks

    settings.TIMERS_WEBHOOK_NETWORKS = parse_networks("127.0.0.0/8")
    for name, (files, size) in KINDS.items():
        shutil.rmtree(trees.here)
        trees.here.mkdir()
        make_files(trees.here, files, size=size, per_folder=files)
        for server in (_s3, _sftp):
            with server(trees) as (collection, up, down):
                print(f"{server.__name__[1:]}, {name}: {files} x {size // 1024:,} KiB")
                _compare("up", up, trees, {"destination": collection}, rounds)
                _compare("down", down, trees, {"source": collection}, rounds)


def _compare(way: str, library: Try, trees: Trees, ends: dict[str, Any], rounds: int) -> None:
    tries = {
        "library": library,
        "ours": trees.ours(**ends, verify_checksum=False),
        "ours, verified": trees.ours(**ends, verify_checksum=True),
    }
    seconds = measure(tries, trees, rounds=rounds, fresh=way == "down")
    shown = ", ".join(f"{name} {each:.2f} s" for name, each in seconds.items())
    ratios = [seconds["library"] / seconds[name] for name in ("ours", "ours, verified")]
    print(f"  {way:5} {shown}; ratios {ratios[0]:.2f}, verified {ratios[1]:.2f}")


@contextmanager
def _s3(trees: Trees) -> Iterator[tuple[Any, Try, Try]]:
    from tests.storages.s3_server import KEYS, s3_server

    with s3_server(page=1000) as server:
        bucket = server.bucket()
        storage = {"kind": "s3", "bucket": bucket, "endpoint_url": server.url, **KEYS}

        def up(here: Path, there: Path) -> None:
            for path in _files(here):
                server.client.upload_file(str(path), bucket, str(path.relative_to(here)))

        def down(here: Path, there: Path) -> None:
            for key in server.keys(bucket):
                (there / key).parent.mkdir(exist_ok=True)
                server.client.download_file(bucket, key, str(there / key))

        yield _collection(trees, storage), up, down


@contextmanager
def _sftp(trees: Trees) -> Iterator[tuple[Any, Try, Try]]:
    import paramiko

    from tests.storages.sftp_server import PASSWORD, serving

    folder = trees.here.parent / "sftp"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with serving(folder) as server:
        transport = paramiko.Transport(("127.0.0.1", server.port))
        transport.connect(username="owner", password=PASSWORD)
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        root = str(server.files)

        def up(here: Path, there: Path) -> None:
            for path in _files(here):
                target = server.files / path.relative_to(here)
                target.parent.mkdir(exist_ok=True)
                client.put(str(path), str(target))

        def down(here: Path, there: Path) -> None:
            for path in _files(Path(root)):
                (there / path.relative_to(root)).parent.mkdir(exist_ok=True)
                client.get(str(path), str(there / path.relative_to(root)))

        try:
            yield _collection(trees, {"kind": "sftp", **server.parameters()}), up, down
        finally:
            transport.close()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _collection(trees: Trees, storage: dict[str, Any]) -> Any:
    from timers import clock
    from timers.services.collections import commands as collections

    fields = {"display_name": storage["kind"], "storage": storage}
    return collections.create(owner=trees.owner, fields=fields, now=clock.now())
