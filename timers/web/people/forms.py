"""Forms of the pages around the timers: log in, account, tokens. Timers and collections have files of their own."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from timers.models import Preference
from timers.services.people import tokens
from timers.web.page import zone_names


class LoginForm(AuthenticationForm):
    """Username and password."""

    stay = forms.BooleanField(required=False, initial=True, label="Stay logged in on this device")
    use_required_attribute = False
    error_messages = {
        "invalid_login": "Username and password do not belong together.",
        "inactive": "This account is switched off.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "%s", **kwargs})
        self.fields["username"].label = "Username"


class PlainForm(forms.Form):
    """A form whose fields have their names as ids; the server does the complaining."""

    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "%s", **kwargs})

    def take(self, fields: dict[str, list[str]], places: dict[str, str]) -> None:
        """Show what a service complained about at the fields it belongs to."""
        for path, texts in fields.items():
            place = place_of(path, places, self.fields)
            for text in texts:
                self.add_error(place, text if place else f"{path}: {text}" if path else text)


def place_of(path: str, places: dict[str, str], known: Any) -> str | None:
    """Return the field at which a complaint about `path` is shown: the longest known beginning of the path counts."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        head = ".".join(parts[:length])
        name = places.get(head, head if head in known else None)
        if name in known:
            return name
    return None


def zone_choices() -> list[tuple[str, str]]:
    return [(name, name) for name in zone_names()]


class AccountForm(PlainForm):
    """Form of the reader's preferences for pages."""

    timezone = forms.ChoiceField(required=False, label="Time zone", help_text="All times on the pages are shown in it.")
    theme = forms.ChoiceField(
        required=False, label="Theme", choices=[("", "as the system"), ("light", "light"), ("dark", "dark")]
    )

    keyboard = forms.BooleanField(required=False, label="Keyboard shortcuts (press ? for the list)")

    def __init__(self, *args: Any, preference: Preference | None, **kwargs: Any) -> None:
        known = preference or Preference()
        chosen = {"timezone": known.timezone, "theme": known.theme, "keyboard": known.keyboard}
        super().__init__(*args, **{"initial": chosen, **kwargs})
        self.fields["timezone"].choices = [("", "as the browser, else UTC"), *zone_choices()]  # type: ignore[attr-defined]


class AddressForm(PlainForm):
    """Form of the address that notifications go to."""

    email = forms.CharField(
        required=False,
        label="E-mail address",
        help_text="Empty: nothing is sent to you.",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


def _password(autocomplete: str) -> forms.PasswordInput:
    return forms.PasswordInput(attrs={"autocomplete": autocomplete})


class TokenForm(PlainForm):
    """A new token."""

    name = forms.CharField(
        label="Name",
        max_length=255,
        widget=forms.TextInput(attrs={"placeholder": "where it is used", "autocomplete": "off"}),
    )
    days = forms.TypedChoiceField(
        label="Expires",
        choices=[("90", "in 90 days"), ("365", "in a year"), ("30", "in 30 days"), ("", "never")],
        coerce=int,
        initial="90",
        empty_value=None,
        required=False,
    )

    may = forms.ChoiceField(
        label="Scope",
        choices=[("", "all that I may"), (tokens.API_SCOPE, "the REST API only")],
        required=False,
    )


class PasswordForm(PlainForm):
    """A new password; the present one is asked for, as somebody else may sit at the screen."""

    prefix = "password"
    present = forms.CharField(label="Current password", strip=False, widget=_password("current-password"))
    new = forms.CharField(label="New password", strip=False, widget=_password("new-password"))
    again = forms.CharField(label="New password again", strip=False, widget=_password("new-password"))

    def clean_again(self) -> str:
        if self.cleaned_data["again"] != self.cleaned_data.get("new", self.cleaned_data["again"]):
            raise forms.ValidationError("The two new passwords differ.")
        return str(self.cleaned_data["again"])


class KeyForm(PlainForm):
    """A new client key."""

    prefix = "key"
    name = forms.CharField(
        label="Name of the client",
        max_length=255,
        widget=forms.TextInput(attrs={"placeholder": "which client", "autocomplete": "off"}),
    )
