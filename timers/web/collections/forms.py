"""The form that makes and edits a collection: its own fields, and those that its kind of storage declares."""

from __future__ import annotations

from typing import Any

from django import forms

from timers.models import Collection
from timers.services.collections.commands import MASK
from timers.storages.base import STORAGES, Storage
from timers.web.declared_fields import MONO, form_field, given_values, rows_of
from timers.web.people.forms import PlainForm

_KEEPS = "Leave all of these empty to keep what is stored."


class CollectionForm(PlainForm):
    """Fields of all collections, and below them the parameters of the storage."""

    display_name = forms.CharField(
        label="Name", required=False, max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    default_directory = forms.CharField(
        label="Default directory",
        required=False,
        initial="/",
        max_length=1024,
        help_text="The folder it opens at; what /~/ means.",
        widget=forms.TextInput(attrs={**MONO, "autocapitalize": "off"}),
    )
    description = forms.CharField(label="Description", required=False)

    def __init__(self, *args: Any, kind: str, collection: Collection | None = None, by: Any, **kwargs: Any) -> None:
        self.kind, self.collection = kind, collection
        self.storage: type[Storage] | None = STORAGES.get(kind) if kind in STORAGES else None
        self.parameters = self.storage.parameters if self.storage is not None else ()
        taken = self.base_fields
        self.names = {name: f"storage_{name}" if name in taken else name for name in (p.name for p in self.parameters)}
        if collection is not None:
            stored = {self.names[name]: value for name, value in collection.storage.items() if name in self.names}
            own = {name: getattr(collection, name) for name in ("display_name", "default_directory", "description")}
            kwargs["initial"] = {**stored, **own}
        super().__init__(*args, **kwargs)
        is_refused = self.storage is not None and self.storage.for_administrators and not by.is_staff
        for parameter in self.parameters:
            self.fields[self.names[parameter.name]] = field = form_field(parameter)
            field.disabled = is_refused
            if parameter.secret and collection is not None:
                field.help_text = _KEEPS

    @property
    def heading(self) -> str:
        return (self.storage.heading or self.storage.label) if self.storage is not None else "Collection"

    @property
    def places(self) -> dict[str, str]:
        """Return the field at which errors of the storage are shown."""
        places = {f"storage.{name}": field for name, field in self.names.items()}
        return {**places, "storage": next(iter(self.names.values()))} if self.names else places

    @property
    def storage_rows(self) -> list[list[Any]]:
        """The fields of the storage, in rows."""
        return rows_of(self, self.parameters, self.names)

    @property
    def allowed_folders(self) -> list[str]:
        return [str(folder) for folder in self.storage.allowed_folders()] if self.storage is not None else []

    @property
    def had_secrets(self) -> bool:
        """Return whether secrets were entered, which are not sent back and have to be entered again."""
        return self.is_bound and any(self.data.get(name) for name in self._secret_fields)

    @property
    def _secret_fields(self) -> list[str]:
        return [self.names[parameter.name] for parameter in self.parameters if parameter.secret]

    def document(self) -> dict[str, Any]:
        """Return a new collection in our terms."""
        return {**self._own(), "storage": self._storage()}

    def changes(self) -> dict[str, Any]:
        """Return what an edit changes."""
        changed = set(self.changed_data)
        changes: dict[str, Any] = {name: value for name, value in self._own().items() if name in changed}
        if changed & set(self.names.values()):
            changes["storage"] = self._storage()
        return changes

    def _own(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            "display_name": data["display_name"],
            "description": data["description"],
            "default_directory": data["default_directory"] or "/",
        }

    def _storage(self) -> dict[str, Any]:
        return {"kind": self.kind, **given_values(self.cleaned_data, self.parameters, self.names), **self._kept()}

    def _kept(self) -> dict[str, str]:
        """Return a mask for each stored secret; none once a secret was given, for what is stored belongs together."""
        if self.collection is None or any(self.cleaned_data[name] for name in self._secret_fields):
            return {}
        return dict.fromkeys(self.collection.secrets, MASK)


def kinds_for(user: Any) -> list[tuple[str, str]]:
    """Return the kinds of collections that the user may make, with their labels."""
    return [
        (kind, storage.label) for kind, storage in STORAGES.items() if user.is_staff or not storage.for_administrators
    ]
