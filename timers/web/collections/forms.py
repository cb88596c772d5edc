"""The forms that make and edit collections, one for each kind of storage. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from timers.models import Collection
from timers.services.collections.commands import MASK
from timers.web.people.forms import PlainForm

_MONO = {"class": "mono", "autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
_KEEPS = "Leave all of these empty to keep what is stored."


class SecretText(forms.Textarea):
    """A box for a secret of several lines; what was typed is not sent back."""

    def format_value(self, value: Any) -> str:
        return ""


def _text(label: str, *, required: bool = True, **more: Any) -> forms.CharField:
    attrs = {**_MONO, **more.pop("attrs", {})}
    return forms.CharField(label=label, required=required, widget=forms.TextInput(attrs=attrs), **more)


def _password(label: str, **more: Any) -> forms.CharField:
    # the service says which of them are needed: when editing, none
    return forms.CharField(
        label=label, required=False, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "off"}), **more
    )


class CollectionForm(PlainForm):
    """Fields of all collections; the form of each storage adds its parameters."""

    kind = ""
    heading = ""
    PARAMETERS: tuple[str, ...] = ()
    SECRETS: tuple[str, ...] = ()

    display_name = forms.CharField(
        label="Name", required=False, max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    default_directory = _text(
        "Default directory",
        required=False,
        initial="/",
        max_length=1024,
        help_text="The folder it opens at; what /~/ means.",
    )
    description = forms.CharField(label="Description", required=False)

    def __init__(self, *args: Any, collection: Collection | None = None, by: Any, **kwargs: Any) -> None:
        self.collection = collection
        if collection is not None:
            kwargs["initial"] = {
                **collection.storage,
                **{name: getattr(collection, name) for name in ("display_name", "default_directory", "description")},
            }
        super().__init__(*args, **kwargs)
        for name in self.SECRETS if collection is not None else ():
            self.fields[name].help_text = _KEEPS
        if self.kind == "local" and not by.is_staff:
            self.fields["root"].disabled = True

    @property
    def places(self) -> dict[str, str]:
        """Return the field at which errors of the storage are shown."""
        named = {f"storage.{name}": name for name in (*self.PARAMETERS, *self.SECRETS)}
        return {**named, "storage": self.PARAMETERS[0]} if self.PARAMETERS else named

    @property
    def storage_fields(self) -> list[forms.BoundField]:
        """The fields of the storage, secrets last."""
        return [self[name] for name in (*self.PARAMETERS, *self.SECRETS)]

    @property
    def had_secrets(self) -> bool:
        """Whether secrets were typed that have to be typed again, because they are not sent back."""
        return self.is_bound and any(self.data.get(name) for name in self.SECRETS)

    def document(self) -> dict[str, Any]:
        """Return a new collection in our terms."""
        return {**self._own(), "storage": self._storage()}

    def changes(self) -> dict[str, Any]:
        """Return what an edit changes."""
        changed = set(self.changed_data)
        found = {name: value for name, value in self._own().items() if name in changed}
        if changed & {*self.PARAMETERS, *self.SECRETS}:
            found["storage"] = self._storage()
        return found

    def _own(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            "display_name": data["display_name"],
            "description": data["description"],
            "default_directory": data["default_directory"] or "/",
        }

    def _storage(self) -> dict[str, Any]:
        given = {name: self.cleaned_data[name] for name in (*self.PARAMETERS, *self.SECRETS)}
        return {"kind": self.kind, **{name: value for name, value in given.items() if value}, **self._kept()}

    def _kept(self) -> dict[str, str]:
        """Return a mask for each stored secret; none once a secret was given, for what is stored belongs together."""
        if self.collection is None or any(self.cleaned_data[name] for name in self.SECRETS):
            return {}
        return dict.fromkeys(self.collection.secrets, MASK)


class LocalForm(CollectionForm):
    """A folder of this machine, for administrators."""

    kind = "local"
    heading = "A folder of this machine"
    PARAMETERS = ("root",)

    root = _text("Folder on this machine", required=False, max_length=1024)


class S3Form(CollectionForm):
    """A bucket of Amazon S3, or of a store that speaks like it."""

    kind = "s3"
    heading = "A bucket"
    PARAMETERS = ("bucket", "prefix", "endpoint_url", "region", "addressing", "access_key_id")
    SECRETS = ("secret_access_key", "session_token")

    bucket = _text("Bucket", required=False)
    prefix = _text(  # type: ignore[assignment]  # a field here; the form itself has no prefix
        "Prefix", required=False, help_text="Only what lies below it; empty for the whole bucket."
    )
    endpoint_url = _text(
        "Endpoint URL",
        required=False,
        help_text="Of your store, like https://s3.example.org; empty for Amazon.",
        attrs={"inputmode": "url"},
    )
    region = _text("Region", required=False, help_text="Like eu-central-1; empty for us-east-1.")
    addressing = forms.ChoiceField(
        label="Bucket addressing",
        required=False,
        choices=[("", "where the store expects it"), ("path", "in the path"), ("virtual", "in the host's name")],
    )
    access_key_id = _text("Access key id", required=False)
    secret_access_key = _password("Secret access key")
    session_token = _password("Session token", help_text="Only for keys that end soon.")


class SftpForm(CollectionForm):
    """A folder of an SFTP server."""

    kind = "sftp"
    heading = "An SFTP server"
    PARAMETERS = ("host", "port", "username", "host_key", "root")
    SECRETS = ("password", "private_key", "passphrase")

    host = _text("Host", required=False, help_text="A name or an address, like files.example.org.")
    port = forms.IntegerField(
        label="Port", required=False, min_value=1, max_value=65535, initial=22, widget=forms.NumberInput
    )
    username = _text("User name", required=False)
    host_key = forms.CharField(
        label="Host key",
        required=False,
        help_text=(
            "How the server is known; another one is refused. Get it with: ssh-keyscan -t ed25519 HOST "
            "(with -p PORT where it is not 22). Compare its fingerprint with what the server's operator says."
        ),
        widget=forms.Textarea(attrs={**_MONO, "rows": 3, "placeholder": "ssh-ed25519 AAAA…"}),
    )
    root = _text("Folder on the server", required=False, help_text="Like /data; empty for /.")
    password = _password("Password", help_text="Either this or a private key.")
    private_key = forms.CharField(
        label="Private key",
        required=False,
        help_text="Of OpenSSH or in PEM form: ed25519, ECDSA or RSA.",
        widget=SecretText(attrs={**_MONO, "rows": 4}),
    )
    passphrase = _password("Passphrase of the key", help_text="If it has one.")


FORMS: Mapping[str, type[CollectionForm]] = {form.kind: form for form in (LocalForm, S3Form, SftpForm)}


def kinds_for(user: Any) -> list[str]:
    """Return the kinds of collections that the user may make."""
    return [kind for kind in FORMS if kind != LocalForm.kind or user.is_staff]
