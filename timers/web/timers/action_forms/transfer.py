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
from timers.web.timers.action_forms import file_choice
from timers.web.timers.action_forms.base import MONO, ActionForm
from timers.web.timers.action_forms.file_choice import FileChoice, Side

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
SWITCHES = ("preserve_timestamp", "skip_source_errors", "fail_on_quota_errors")
MEGABYTE = 1_000_000


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
        help_text="One a line, as exclude *.tmp or include dir raw*. The first that matches a name decides.",
        widget=forms.Textarea(attrs={**MONO, "rows": 3}),
    )
    links = forms.ChoiceField(label="Symbolic links", required=False, choices=LINKS)
    preserve_timestamp = forms.BooleanField(label="Keep the files' times", required=False)
    skip_source_errors = forms.BooleanField(label="Skip files that cannot be read", required=False)
    fail_on_quota_errors = forms.BooleanField(label="Fail at once when the destination is full", required=False)
    speed = forms.FloatField(
        label="Speed limit, MB/s",
        required=False,
        help_text="Empty: none",
        widget=forms.NumberInput(attrs={"min": "0", "step": "any"}),
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
        names = ("max_delete", "label", "filter_rules", "links", *SWITCHES, "speed", "max_concurrency")
        return any(self[name].errors or self[name].value() not in (None, "", False) for name in names)

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
            "filter_rules": _read_rules(data["filter_rules"]),
            "recursive_symlinks": data["links"],
            "max_bytes_per_second": None if data["speed"] is None else round(data["speed"] * MEGABYTE),
            "max_concurrency": data["max_concurrency"],
            **switches,
        }

    @classmethod
    def initial_of(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        speed = body.get("max_bytes_per_second")
        links = body.get("recursive_symlinks")
        return {
            "source": str(body.get("source_endpoint", "")),
            "destination": str(body.get("destination_endpoint", "")),
            "sync_level": "" if body.get("sync_level") is None else str(body["sync_level"]),
            "verify_checksum": body.get("verify_checksum", True),
            "filter_rules": _write_rules(body.get("filter_rules")),
            "links": "" if links == "ignore" else links,
            "speed": None if speed is None else speed / MEGABYTE,
            **{
                name: body.get(name)
                for name in ("delete_destination_extra", "max_delete", "label", "max_concurrency", *SWITCHES)
            },
        }


_OPTIONS = {
    "sync_level",
    "max_delete",
    "label",
    "filter_rules",
    "recursive_symlinks",
    "max_bytes_per_second",
    "max_concurrency",
    *SWITCHES,
}
"""Options that go away when their field is emptied."""


def _shown_path(item: Mapping[str, Any]) -> str:
    """Return the source of an item as the form writes it: what is copied with all that is in it ends with a slash."""
    path = str(item.get("source_path", ""))
    return f"{path}/" if item.get("recursive") and not path.endswith("/") else path


def _read_rules(text: str) -> list[dict[str, str]]:
    """Return the rules of lines like "exclude *.tmp"; what comes of them is checked where they are used."""
    rules = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        method, _, rest = line.partition(" ")
        only, _, name = rest.strip().partition(" ")
        rule = {"DATA_TYPE": "filter_rule", "method": method.lower()}
        if only in ("file", "dir") and name.strip():
            rules.append({**rule, "type": only, "name": name.strip()})
        else:
            rules.append({**rule, "name": rest.strip()})
    return rules


def _write_rules(rules: Any) -> str:
    words = (" ".join(filter(None, (rule.get("method"), rule.get("type"), rule.get("name")))) for rule in rules or [])
    return "\n".join(words)
