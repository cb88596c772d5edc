"""A transfer's options, as the phases use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from timers.clock import to_us
from timers.copying.bandwidth import BandwidthLimit, limit_at, parse_limits
from timers.copying.filters import Filter, Selection, parse_rules
from timers.copying.plan import CopyRules, Links, SyncLevel

_SECOND_NS = 1_000_000_000


@dataclass
class Options:
    """Options of one transfer; `requested_ns` is the instant from which ages are counted."""

    level: SyncLevel | None
    verify: bool
    times: bool
    exact_modes: bool
    skip_source_errors: bool
    skip_destination_errors: bool
    fail_on_quota: bool
    delete_extra: bool
    delete_source: bool
    keep_replaced: str | None
    """Folder of the destination that replaced and deleted entries are moved to."""
    kept_folder: str | None
    """Folder that holds all kept entries, of other runs too."""
    max_delete: int | None
    selection: Selection | None
    links: Links
    dry_run: bool
    max_concurrency: int | None
    bytes_per_second: int | None
    bandwidth: tuple[BandwidthLimit, ...]
    recursive: bool
    ignore_missing: bool
    globs: bool
    metadata: Mapping[str, str] | None
    storage_class: str | None
    requested_ns: int

    @classmethod
    def read(cls, stored: Mapping[str, Any], *, requested_at: datetime) -> Options:
        """Return the stored options of a transfer that was asked for at an instant."""
        level, kept = stored.get("sync_level"), stored.get("keep_replaced") or {}
        requested_ns, moves = to_us(requested_at) * 1000, stored.get("delete_source", False)
        return cls(
            level=None if level is None else SyncLevel(level),
            verify=stored.get("verify_checksum", True) or moves,
            times=stored.get("preserve_timestamp", False),
            exact_modes=stored.get("preserve_permissions", False),
            skip_source_errors=stored.get("skip_source_errors", False),
            skip_destination_errors=stored.get("skip_destination_errors", False),
            fail_on_quota=stored.get("fail_on_quota_errors", False),
            delete_extra=stored.get("delete_destination_extra", False),
            delete_source=moves,
            keep_replaced=kept.get("path"),
            kept_folder=kept.get("folder"),
            max_delete=stored.get("max_delete"),
            selection=_selection(stored, requested_ns),
            links=Links(stored.get("recursive_symlinks") or Links.IGNORE),
            dry_run=stored.get("dry_run", False),
            max_concurrency=stored.get("max_concurrency"),
            bytes_per_second=stored.get("max_bytes_per_second"),
            bandwidth=parse_limits(stored.get("bandwidth")),
            recursive=stored.get("recursive", False),
            ignore_missing=stored.get("ignore_missing", False),
            globs=stored.get("interpret_globs", False),
            metadata=stored.get("metadata"),
            storage_class=stored.get("storage_class"),
            requested_ns=requested_ns,
        )

    def bytes_per_second_at(self, instant: datetime) -> int | None:
        """Return the limit that holds at an instant; None for none."""
        return limit_at(self.bandwidth, instant, always=self.bytes_per_second)

    def copy_rules(self, *, now: datetime, both_kinds: bool) -> CopyRules:
        """Return the rules by which entries are decided."""
        return CopyRules(
            level=self.level,
            links=self.links,
            selection=self.selection,
            now_ns=to_us(now) * 1000,
            proves_same=self.delete_source,
            both_kinds=both_kinds,
        )


def _selection(stored: Mapping[str, Any], requested_ns: int) -> Selection | None:
    rules = parse_rules(stored.get("filter_rules"))
    youngest, oldest = stored.get("min_age_seconds"), stored.get("max_age_seconds")
    selection = Selection(
        rules=Filter(rules) if rules else None,
        min_size=stored.get("min_size"),
        max_size=stored.get("max_size"),
        newest_ns=None if youngest is None else requested_ns - int(youngest * _SECOND_NS),
        oldest_ns=None if oldest is None else requested_ns - int(oldest * _SECOND_NS),
    )
    return selection or None
