"""The part of a timer's form for one kind of action. The action names its form, or it is made of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.module_loading import import_string

from timers import validation
from timers.actions.base import ACTIONS
from timers.parameters import Parameter, ParameterType
from timers.web.declared_fields import MONO, form_field, given_values, rows_of
from timers.web.people.forms import PlainForm

__all__ = ["MONO", "ActionForm", "DeclaredForm", "form_of", "label_of", "why_not"]


class ActionForm(PlainForm):
    """The fields of one kind of action. All parts stand in one form: names of fields must not be used twice.

    Only the part that was chosen is read. This one has no fields and leaves the body as it is.
    """

    template: ClassVar[str] = "timers/_part_other.html"
    number = 0
    """Its place among the kinds that the form names."""
    places: Mapping[str, str] = {}
    """Form fields that show errors of the body, by path; a field of the same name needs no entry."""

    error_ids: ClassVar[Mapping[str, str]] = {}
    """The element that the summary of errors leads to, where it has another id than the field's name."""

    def __init__(
        self, data: Any, *, kind: str, reader: Any, initial: Mapping[str, Any], old_body: Mapping[str, Any]
    ) -> None:
        super().__init__(data, initial=dict(initial))
        self.kind = kind
        self.reader = reader
        self.old_body = old_body

    def body(self) -> dict[str, Any]:
        """Return the body in our terms, from cleaned data; raises Invalid naming fields of the body."""
        return dict(self.old_body)

    @classmethod
    def initial_of(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the fields hold for a body."""
        return {}

    @classmethod
    def why_not(cls, reader: Any) -> str:
        """Return the sentence why this kind cannot be chosen, empty when it can."""
        return ""

    @property
    def open_options(self) -> bool:
        """Return whether the folded fields hold an error or a value."""
        return False


class DeclaredForm(ActionForm):
    """The form of an action without one of its own: a field for each parameter that it declares, else the body."""

    template: ClassVar[str] = "timers/_part_declared.html"

    def __init__(self, data: Any, *, kind: str, old_body: Mapping[str, Any], **known: Any) -> None:
        self.parameters = ACTIONS.get(kind).parameters or (BODY,)
        self.names = {parameter.name: f"{kind}_{parameter.name}" for parameter in self.parameters}
        self.places = self.names
        stored = {BODY.name: old_body or None} if self.parameters == (BODY,) else old_body
        initial = {self.names[name]: value for name, value in stored.items() if name in self.names}
        super().__init__(data, **{**known, "kind": kind, "old_body": old_body, "initial": initial})
        for parameter in self.parameters:
            self.fields[self.names[parameter.name]] = form_field(parameter)

    @property
    def rows(self) -> list[list[Any]]:
        """The fields in rows, each with its share of the row."""
        return rows_of(self, self.parameters, self.names)

    def body(self) -> dict[str, Any]:
        values = given_values(self.cleaned_data, self.parameters, self.names)
        if self.parameters == (BODY,):
            return validation.required_mapping({BODY.name: values.get(BODY.name, {})}, BODY.name)
        kept = {name: self.old_body[name] for name in self._secrets if name in self.old_body and name not in values}
        return {**values, **kept}

    @property
    def _secrets(self) -> list[str]:
        return [parameter.name for parameter in self.parameters if parameter.secret]


BODY = Parameter(
    name="body", label="Body", type=ParameterType.JSON, help_text="As a JSON object; empty for none.", rows=6
)


def form_of(kind: str) -> type[ActionForm]:
    """Return the form of a kind of action; one without fields for a kind that is not installed."""
    if kind not in ACTIONS:
        return ActionForm
    path = ACTIONS.get(kind).form
    return import_string(path) if path else DeclaredForm  # type: ignore[no-any-return]


def label_of(kind: str) -> str:
    """Return the name of a kind of action for people."""
    return ACTIONS.get(kind).label if kind in ACTIONS else kind.title()


def why_not(kind: str, reader: Any) -> str:
    """Return the sentence why a kind cannot be chosen for a new timer, empty when it can."""
    if kind not in ACTIONS:
        return f"{label_of(kind)}s cannot be chosen: this installation has none."
    return form_of(kind).why_not(reader)
