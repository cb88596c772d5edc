"""The part of the form for transfers: from where to where, which paths, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from django import forms

from timers.copying import paths
from timers.errors import Invalid
from timers.models import Collection
from timers.queries.transfers import listing as queries
from timers.web.collections.folders import Opened, open_folder
from timers.web.timers.action_forms import file_choice, option_lines
from timers.web.timers.action_forms.base import MONO, ActionForm
from timers.web.timers.action_forms.file_choice import FileChoice, Side
from timers.web.timers.duration_field import DurationField

MAX_ITEMS = 200
SYNC_LEVELS = (
    ("", "always, also what is there"),
    ("0", "it is missing"),
    ("1", "the size differs"),
    ("2", "size or time differs"),
    ("3", "the checksum differs"),
)
LINKS = (
    ("", "are left out"),
    ("keep", "are made again as links"),
    ("copy", "are replaced by what they lead to"),
)
SWITCHES = (
    "preserve_timestamp",
    "preserve_permissions",
    "delete_source",
    "encrypt_data",
    "skip_source_errors",
    "skip_destination_errors",
    "fail_on_quota_errors",
)
AGES = ("min_age_seconds", "max_age_seconds")
SIZES = ("min_size", "max_size")
MEGABYTE = option_lines.MEGABYTE
NUMBER = {"min": "0", "step": "any"}


@dataclass(frozen=True)
class PathRow:
    """One line of the table of paths."""

    number: int
    source: str
    destination: str

    @property
    def numeral(self) -> str:
        """Suffix of the labels of all rows but the first."""
        return f" {self.number}" if self.number > 1 else ""


@dataclass(frozen=True)
class Browser:
    """One side of the file browser."""

    side: str
    collection: Collection | None
    opened: Opened | None

    @property
    def folder(self) -> str:
        """The open folder, with a slash at its end."""
        return f"{self.opened.path.rstrip('/')}/" if self.opened else ""


class TransferForm(ActionForm):
    """Two collections, pairs of paths, and the options that people need; other options of the body stay as they are."""

    template: ClassVar[str] = "timers/_part_transfer.html"
    places: Mapping[str, str] = {
        "source_endpoint": "source",
        "destination_endpoint": "destination",
        "DATA": "paths",
        "recursive_symlinks": "links",
        "max_bytes_per_second": "speed",
        "keep_replaced": "kept_path",
    }
    error_ids: ClassVar[Mapping[str, str]] = {"paths": "paths_1"}

    source = forms.ChoiceField(label="From", required=False)
    destination = forms.ChoiceField(label="To", required=False)
    paths = forms.CharField(label="Paths", required=False, widget=forms.HiddenInput)
    sync_level = forms.ChoiceField(
        label="Sync level", required=False, choices=SYNC_LEVELS, help_text="When a file is copied."
    )
    verify_checksum = forms.BooleanField(label="Verify checksums after copying", required=False, initial=True)
    delete_destination_extra = forms.BooleanField(
        label="Delete extra files at the destination",
        required=False,
        help_text="Never for a source that is empty or cannot be read in full.",
    )
    max_delete = forms.IntegerField(
        label="Maximum deletions",
        required=False,
        help_text="A run that would delete more deletes nothing and fails. Empty: 1,000, or a quarter of all.",
        widget=forms.NumberInput(attrs={"min": "0"}),
    )
    label = forms.CharField(
        label="Transfer label", required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    filter_rules = forms.CharField(
        label="Filter rules",
        required=False,
        help_text="One a line, as exclude *.tmp, include dir raw* or exclude logs/**. The first that matches decides.",
        widget=forms.Textarea(attrs={**MONO, "rows": 3}),
    )
    min_age_seconds = DurationField(label="Changed at least ... ago", help_text="As 10 min or 2 d. Empty: any age")
    max_age_seconds = DurationField(label="Changed at most ... ago", help_text="Empty: any age")
    min_size = forms.FloatField(
        label="Size at least, MB", required=False, help_text="Empty: any size", widget=forms.NumberInput(attrs=NUMBER)
    )
    max_size = forms.FloatField(
        label="Size at most, MB", required=False, help_text="Empty: any size", widget=forms.NumberInput(attrs=NUMBER)
    )
    links = forms.ChoiceField(label="Symbolic links", required=False, choices=LINKS)
    preserve_timestamp = forms.BooleanField(label="Keep the times of files and folders", required=False)
    preserve_permissions = forms.BooleanField(
        label="Keep the permissions of files and folders",
        required=False,
        help_text="Without it a new file gets no more rights than its source has, and a replaced one keeps its own.",
    )
    metadata = forms.CharField(
        label="Metadata",
        required=False,
        help_text="Of new objects in an object store. One a line, as name: text.",
        widget=forms.Textarea(attrs={**MONO, "rows": 2}),
    )
    storage_class = forms.CharField(
        label="Storage class",
        required=False,
        help_text="Of new objects, as STANDARD_IA. Empty: that of the source, or the store's own",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    delete_source = forms.BooleanField(
        label="Move: delete at the source what was copied",
        required=False,
        help_text="Only what was verified at the destination, and the folders that are empty then.",
    )
    kept_path = forms.CharField(
        label="Keep old versions in",
        required=False,
        help_text="What would be replaced or deleted is moved to this folder of the destination, as "
        '/.replaced/{{ planned_at|date:"%Y-%m-%d" }}/. Empty: old versions are not kept',
        widget=forms.TextInput(attrs=MONO),
    )
    skip_source_errors = forms.BooleanField(
        label="Leave out what cannot be read", required=False, help_text="It is named as a warning."
    )
    skip_destination_errors = forms.BooleanField(
        label="Leave out what cannot be written", required=False, help_text="It is named as a warning."
    )
    fail_on_quota_errors = forms.BooleanField(label="Fail at once when the destination is full", required=False)
    encrypt_data = forms.BooleanField(label="Encrypted connections only", required=False)
    speed = forms.FloatField(
        label="Speed limit, MB/s", required=False, help_text="Empty: none", widget=forms.NumberInput(attrs=NUMBER)
    )
    bandwidth = forms.CharField(
        label="Speed limits by time of day",
        required=False,
        help_text="One a line: hours, days, MB/s and time zone, as 08:00-18:00 MON-FRI 5 Europe/Berlin. "
        "Days and zone may be left out.",
        widget=forms.Textarea(attrs={**MONO, "rows": 2}),
    )
    max_concurrency = forms.IntegerField(
        label="Concurrent files",
        required=False,
        help_text="Empty: what suits the collections",
        widget=forms.NumberInput(attrs={"min": "1"}),
    )

    def __init__(self, data: Any, **known: Any) -> None:
        super().__init__(data, **known)
        self.collections = {str(place.pk): place for place in queries.collections(self.reader)}
        places = [("", "choose a collection"), *((key, place.display_name) for key, place in self.collections.items())]
        for side in file_choice.SIDES:
            self.fields[side].choices = places  # type: ignore[attr-defined]
        self.choice = file_choice.read(self.data) if self.is_bound else self._stored_choice()

    def _stored_choice(self) -> FileChoice:
        body = self.old_body
        pairs = [(_shown_path(item), item.get("destination_path", "")) for item in body.get("DATA", [])]
        source, destination = (Side(str(body.get(f"{name}_endpoint") or "")) for name in file_choice.SIDES)
        return FileChoice(source, destination, pairs=tuple(pairs))

    # Picking

    def press(self, button: str) -> None:
        """Carry out a button of the file browser."""
        there = self.collections.get(self.choice.destination.collection)
        home = paths.normalise(there.default_directory) if there else paths.ROOT
        verb, _, rest = button.partition(":")
        side, _, path = rest.partition(":")
        if verb == "open" and side in file_choice.SIDES and not path:
            here = self.collections.get(getattr(self.choice, side).collection)
            button = f"open:{side}:{paths.normalise(here.default_directory) if here else paths.ROOT}"
        self.choice = self.choice.carry_out(button, home=home)

    @cached_property
    def browsers(self) -> list[Browser]:
        """Both sides, with what their open folders hold."""
        return [self.browser(name) for name in file_choice.SIDES]

    def browser(self, name: str) -> Browser:
        """Return one side, with what its open folder holds."""
        side: Side = getattr(self.choice, name)
        collection = self.collections.get(side.collection)
        opened = open_folder(collection, side.folder, limit=MAX_ITEMS) if collection and side.folder else None
        return Browser(name, collection, opened)

    @property
    def path_rows(self) -> list[PathRow]:
        """Return the pairs of paths, with empty rows after them as asked for; there is always one to type in."""
        pairs = self.choice.pairs
        missing = max(self.choice.rows - len(pairs), 0) if pairs else max(self.choice.rows, 1)
        return [PathRow(number, *pair) for number, pair in enumerate((*pairs, *[("", "")] * missing), start=1)]

    @property
    def open_options(self) -> bool:
        return any(self[name].errors or self[name].value() not in (None, "", False) for name in _FOLDED)

    # What it means

    def body(self) -> dict[str, Any]:
        data = self.cleaned_data
        pairs = self.choice.pairs
        wrong = {
            **({} if pairs else {"DATA": "Give at least one path to copy and where it goes."}),
            **({} if data["source"] else {"source_endpoint": "Choose where to copy from."}),
            **({} if data["destination"] else {"destination_endpoint": "Choose where to copy to."}),
        }
        if wrong:
            raise Invalid(wrong)
        given = self._options()
        return {
            **{name: value for name, value in self.old_body.items() if name not in _OPTIONS},
            "source_endpoint": data["source"],
            "destination_endpoint": data["destination"],
            "DATA": self._items(),
            **{name: value for name, value in given.items() if value not in (None, "", [])},
        }

    def _items(self) -> list[dict[str, Any]]:
        """Return the items; one that was there before keeps all that the form does not show."""
        known = {_shown_path(item): item for item in self.old_body.get("DATA", [])}
        return [
            {**known[source], "destination_path": destination}
            if source in known
            else {
                "DATA_TYPE": "transfer_item",
                "source_path": source,
                "destination_path": destination,
                "recursive": source.endswith("/"),
            }
            for source, destination in self.choice.pairs
        ]

    def _options(self) -> dict[str, Any]:
        data = self.cleaned_data
        switches = {name: data[name] or (False if name in self.old_body else None) for name in SWITCHES}
        return {
            "sync_level": int(data["sync_level"]) if data["sync_level"] else None,
            "verify_checksum": data["verify_checksum"],
            "delete_destination_extra": data["delete_destination_extra"],
            "max_delete": data["max_delete"] if data["delete_destination_extra"] else None,
            "label": data["label"],
            "filter_rules": option_lines.read_rules(data["filter_rules"]),
            "recursive_symlinks": data["links"],
            **{name: data[name] for name in (*AGES, "max_concurrency", "storage_class")},
            **{name: _bytes(data[name]) for name in SIZES},
            "max_bytes_per_second": _bytes(data["speed"]),
            "bandwidth": option_lines.read_limits(data["bandwidth"]),
            "metadata": option_lines.read_metadata(data["metadata"]),
            "keep_replaced": self._kept(),
            **switches,
        }

    def _kept(self) -> dict[str, Any] | None:
        path = self.cleaned_data["kept_path"]
        return {**(self.old_body.get("keep_replaced") or {}), "path": path} if path else None

    @classmethod
    def initial_of(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        links = body.get("recursive_symlinks")
        return {
            "source": str(body.get("source_endpoint", "")),
            "destination": str(body.get("destination_endpoint", "")),
            "sync_level": "" if body.get("sync_level") is None else str(body["sync_level"]),
            "verify_checksum": body.get("verify_checksum", True),
            "filter_rules": option_lines.write_rules(body.get("filter_rules")),
            "links": "" if links == "ignore" else links,
            "speed": _megabytes(body.get("max_bytes_per_second")),
            **{name: _megabytes(body.get(name)) for name in SIZES},
            "bandwidth": option_lines.write_limits(body.get("bandwidth")),
            "metadata": option_lines.write_metadata(body.get("metadata")),
            "kept_path": (body.get("keep_replaced") or {}).get("path"),
            **{name: body.get(name) for name in _SAME_NAMES},
        }


_SAME_NAMES = (
    "delete_destination_extra",
    "max_delete",
    "label",
    "max_concurrency",
    "storage_class",
    *AGES,
    *SWITCHES,
)
"""Fields that hold an option of their own name as it is."""

_FOLDED = (
    "max_delete",
    "label",
    "filter_rules",
    "links",
    "speed",
    "bandwidth",
    "max_concurrency",
    "metadata",
    "storage_class",
    "kept_path",
    *AGES,
    *SIZES,
    *SWITCHES,
)
"""Fields that are folded away as long as they are empty."""

_OPTIONS = {
    "sync_level",
    "max_delete",
    "label",
    "filter_rules",
    "recursive_symlinks",
    "max_bytes_per_second",
    "bandwidth",
    "max_concurrency",
    "metadata",
    "storage_class",
    "keep_replaced",
    *AGES,
    *SIZES,
    *SWITCHES,
}
"""Options that go away when their field is emptied."""


def _bytes(megabytes: float | None) -> int | None:
    return None if megabytes is None else round(megabytes * MEGABYTE)


def _megabytes(count: int | None) -> float | None:
    return None if count is None else count / MEGABYTE


def _shown_path(item: Mapping[str, Any]) -> str:
    """Return the source of an item as the form writes it: what is copied with all that is in it ends with a slash."""
    path = str(item.get("source_path", ""))
    return f"{path}/" if item.get("recursive") and not path.endswith("/") else path
