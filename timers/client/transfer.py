"""The description of a transfer in the form in which it is sent."""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

from timers.client.payloads import MISSING, Instant, MissingType, Payload

SYNC_LEVELS: Final = {"exists": 0, "size": 1, "mtime": 2, "checksum": 3}


class TransferData(Payload):
    """A request to make a destination match a source. Add paths with `add_item`.

    `sync_level` says when a file that is already there is copied again: never (`exists`), or when its `size`, `mtime`
    or `checksum` differs. Without it every file is copied.
    """

    def __init__(
        self,
        source_endpoint: str | UUID,
        destination_endpoint: str | UUID,
        *,
        label: str | MissingType | None = MISSING,
        sync_level: str | int | MissingType | None = MISSING,
        verify_checksum: bool | MissingType = MISSING,
        preserve_timestamp: bool | MissingType = MISSING,
        encrypt_data: bool | MissingType = MISSING,
        skip_source_errors: bool | MissingType = MISSING,
        fail_on_quota_errors: bool | MissingType = MISSING,
        delete_destination_extra: bool | MissingType = MISSING,
        deadline: Instant | MissingType = MISSING,
        notify_on_succeeded: bool | MissingType = MISSING,
        notify_on_failed: bool | MissingType = MISSING,
        notify_on_inactive: bool | MissingType = MISSING,
        **more: Any,
    ) -> None:
        super().__init__(
            DATA_TYPE="transfer",
            DATA=[],
            source_endpoint=source_endpoint,
            destination_endpoint=destination_endpoint,
            label=label,
            sync_level=_level(sync_level),
            verify_checksum=verify_checksum,
            preserve_timestamp=preserve_timestamp,
            encrypt_data=encrypt_data,
            skip_source_errors=skip_source_errors,
            fail_on_quota_errors=fail_on_quota_errors,
            delete_destination_extra=delete_destination_extra,
            deadline=deadline,
            notify_on_succeeded=notify_on_succeeded,
            notify_on_failed=notify_on_failed,
            notify_on_inactive=notify_on_inactive,
            **more,
        )

    def add_item(
        self,
        source: str,
        destination: str,
        *,
        recursive: bool | MissingType = MISSING,
        external_checksum: str | MissingType = MISSING,
        checksum_algorithm: str | MissingType = MISSING,
    ) -> None:
        """Add a path to copy. `recursive` says whether it is a folder; without it the server finds out."""
        item = Payload(
            DATA_TYPE="transfer_item",
            source_path=source,
            destination_path=destination,
            recursive=recursive,
            external_checksum=external_checksum,
            checksum_algorithm=checksum_algorithm,
        )
        self["DATA"].append(item)

    def add_filter_rule(
        self,
        name: str,
        *,
        method: Literal["include", "exclude"] = "exclude",
        type: Literal["file", "dir"] | MissingType = MISSING,
    ) -> None:
        """Exclude (or include) names like this inside recursive items. The first rule that matches decides."""
        rule = Payload(DATA_TYPE="filter_rule", method=method, name=name, type=type)
        self.setdefault("filter_rules", []).append(rule)


def _level(level: str | int | MissingType | None) -> int | MissingType | None:
    if not isinstance(level, str):
        return level
    if level not in SYNC_LEVELS:
        raise ValueError(f"sync_level {level!r} is none of {', '.join(SYNC_LEVELS)}.")
    return SYNC_LEVELS[level]
