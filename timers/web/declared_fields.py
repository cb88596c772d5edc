"""Form fields for the parameters that a kind declares. Secrets go in and never come out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms

from timers import validation
from timers.errors import Invalid
from timers.parameters import Parameter, ParameterType

MONO = {"class": "mono", "autocomplete": "off", "spellcheck": "false"}
_TEXT = {**MONO, "autocapitalize": "off"}


class SecretText(forms.Textarea):
    """A box for a secret of several lines; what was typed is not sent back."""

    def format_value(self, value: Any) -> str:
        return ""


class JSONText(forms.CharField):
    """A JSON value as text; an empty field holds none."""

    def prepare_value(self, value: Any) -> Any:
        is_text = value is None or isinstance(value, str)
        return value if is_text else json.dumps(value, indent=2, ensure_ascii=False)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            return validation.json_value(text.encode()) if text else None
        except (Invalid, UnicodeEncodeError):
            raise forms.ValidationError("This is not JSON that can be read.") from None


def form_field(parameter: Parameter) -> forms.Field:
    """Return the field for a parameter. It may be empty: whoever reads the values says which are needed."""
    given: dict[str, Any] = {
        "label": parameter.label,
        "help_text": parameter.help_text,
        "initial": parameter.default,
        "required": False,
    }
    attrs = {**_TEXT, **({"placeholder": parameter.placeholder} if parameter.placeholder else {})}
    kind, area_attrs = parameter.type, {**attrs, "rows": parameter.rows}
    field: forms.Field
    if kind is ParameterType.FLAG:
        field = forms.BooleanField(**given)
    elif kind is ParameterType.CHOICE:
        field = forms.ChoiceField(choices=[("", parameter.empty_label), *parameter.choices], **given)
    elif kind is ParameterType.WHOLE:
        low, high = (None if bound is None else int(bound) for bound in (parameter.minimum, parameter.maximum))
        field = forms.IntegerField(widget=forms.NumberInput, min_value=low, max_value=high, **given)
    elif kind is ParameterType.NUMBER:
        field = forms.FloatField(widget=forms.NumberInput(attrs={"step": "any"}), **given)
    elif kind is ParameterType.JSON:
        field = JSONText(widget=forms.Textarea(attrs=area_attrs), **given)
    elif kind is ParameterType.LINES:
        field = forms.CharField(widget=(SecretText if parameter.secret else forms.Textarea)(attrs=area_attrs), **given)
    elif parameter.secret:
        field = forms.CharField(strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "off"}), **given)
    else:
        attrs |= {"inputmode": "url"} if kind is ParameterType.URL else {}
        attrs |= {"type": "datetime-local", "step": "1"} if kind is ParameterType.INSTANT else {}
        length = None if parameter.max_length == validation.MAX_TEXT_LENGTH else parameter.max_length
        field = forms.CharField(max_length=length, widget=forms.TextInput(attrs=attrs), **given)
    return field


def rows_of(form: forms.BaseForm, parameters: Iterable[Parameter], names: Mapping[str, str]) -> list[list[Any]]:
    """Return the fields in the rows of the form, each with its share of the row; `names` are those of the fields."""
    rows: list[list[Any]] = []
    for parameter in parameters:
        shown = (form[names[parameter.name]], parameter.width)
        if parameter.beside and rows:
            rows[-1].append(shown)
        else:
            rows.append([shown])
    return rows


def given_values(data: Mapping[str, Any], parameters: Sequence[Parameter], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of the fields that are not empty, by the names of their parameters.

    A flag that is set unless somebody clears it is given when it is cleared.
    """
    values = {parameter.name: data.get(names[parameter.name]) for parameter in parameters}
    clearable = {parameter.name for parameter in parameters if parameter.default is True}
    return {
        name: value
        for name, value in values.items()
        if value not in (None, "", False) or (value is False and name in clearable)
    }
