"""The example collections and timers of `manage.py up --demo`. Loading them again changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model

from timers.models import Collection, Timer
from timers.services.timers import commands as timers

INSTRUMENT = UUID("6c54cade-bde5-45c1-bdea-f4bd71dba2cc")
ARCHIVE = UUID("31ce9ba0-176d-45a5-add3-f37d233ba47d")
TAG = "demo"

FILES = {
    INSTRUMENT: {
        "share/godata/file1.txt": "These are small files for trying out transfers.\n",
        "share/godata/file2.txt": "The second of three.\n",
        "share/godata/file3.txt": "The third of three.\n",
        "home/share/godata/file1.txt": "The same file, as seen from another place.\n",
        "runs/2026-11-01/readings.csv": "second,kelvin\n0,4.21\n1,4.20\n2,4.22\n",
        "runs/2026-11-02/readings.csv": "second,kelvin\n0,4.19\n1,4.25\n2,4.23\n",
    },
    ARCHIVE: {"home/README.txt": "What the demo's transfer copies arrives beside this file.\n"},
}


def load(*, now: datetime) -> list[Timer]:
    """Create the missing collections and timers of the demo; return the timers that were created."""
    owner = get_user_model().objects.filter(is_staff=True, is_active=True).order_by("pk").first()
    if owner is None:
        return []
    root = settings.TIMERS_LOCAL_ROOTS[0]
    _collection(INSTRUMENT, "Demo instrument", root / "demo-instrument", "/", owner=owner, now=now)
    _collection(ARCHIVE, "Demo archive", root / "demo-archive", "/home/", owner=owner, now=now)
    present = set(Timer.objects.filter(owner=owner, tag_rows__key=TAG).values_list("name", flat=True))
    return [
        timers.create(owner=owner, by=owner, tags={TAG: ""}, now=now, **fields)
        for fields in _timers()
        if fields["name"] not in present and fields["body"].get("url") != ""
    ]


def _collection(pk: UUID, name: str, folder: Path, home: str, *, owner: Any, now: datetime) -> None:
    for path, text in FILES[pk].items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(text)
    Collection.objects.get_or_create(
        pk=pk,
        defaults={
            "owner": owner,
            "display_name": name,
            "description": "Comes with the demo.",
            "kind": "local",
            "storage": {"root": str(folder)},
            "default_directory": home,
            "entity_type": "GCSv5_mapped_collection",
            "created_at": now,
            "updated_at": now,
        },
    )


def _timers() -> list[dict[str, Any]]:
    """Return the arguments of the demo's timers. The webhook has a URL only with `up --demo`, which opens the echo."""
    return [
        {
            "name": "Copy new readings to the archive",
            "action": "transfer",
            "schedule": _every(120),
            "body": _transfer("/runs/", "/home/runs/"),
        },
        {
            "name": "Tell the echo",
            "action": "webhook",
            "schedule": _every(30),
            "body": {"url": settings.TIMERS_DEMO_TARGET, "json": {"hello": "from the demo"}},
        },
        {
            "name": "Count the last hour",
            "action": "code",
            "schedule": _every(15),
            "body": {"function": "timers.last_hour"},
        },
        {
            "name": "Weekly copy, waiting for you",
            "action": "transfer",
            "schedule": {"type": "cron", "expression": "0 0 6 ? * MON", "timezone": "Europe/Berlin"},
            "body": _transfer("/share/godata/", "/home/weekly/"),
            "paused": True,
        },
    ]


def _every(seconds: int) -> Mapping[str, Any]:
    return {"type": "recurring", "interval_seconds": seconds}


def _transfer(source: str, destination: str) -> Mapping[str, Any]:
    return {
        "source_endpoint": str(INSTRUMENT),
        "destination_endpoint": str(ARCHIVE),
        "sync_level": "checksum",
        "verify_checksum": True,
        "DATA": [{"source_path": source, "destination_path": destination, "recursive": True}],
    }
