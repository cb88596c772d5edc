"""The part of the form for timers of type `code`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms

from timers.code_timers import RegisteredFunction
from timers.services.timers import code_timers
from timers.web.timers.action_forms.base import MONO, ActionForm
from timers.web.timers.documents import read_json


@dataclass(frozen=True)
class Function:
    """A registered function as the form tells of it."""

    name: str
    signature: str
    words: str


class CodeForm(ActionForm):
    """A registered function and its arguments."""

    template: ClassVar[str] = "timers/_part_code.html"

    function = forms.ChoiceField(label="Function", required=False, widget=forms.Select(attrs={"class": "mono"}))
    kwargs = forms.CharField(
        label="Arguments",
        required=False,
        help_text='As a JSON object, like {"limit": 500}; empty for none.',
        widget=forms.Textarea(attrs={**MONO, "rows": 3}),
    )

    def __init__(self, data: Any, **known: Any) -> None:
        super().__init__(data, **known)
        self.functions = [
            _function(name, entry) for name, entry in sorted(code_timers.registered_for(self.reader).items())
        ]
        names = [function.name for function in self.functions]
        stored = self.old_body.get("function")
        gone = [(stored, f"{stored} (no longer registered)")] if stored and stored not in names else []
        choices = [("", "choose a function"), *((name, name) for name in names), *gone]
        self.fields["function"].choices = choices  # type: ignore[attr-defined]

    def body(self) -> dict[str, Any]:
        data = self.cleaned_data
        kwargs = {"kwargs": read_json(data["kwargs"], "kwargs")} if data["kwargs"].strip() else {}
        return {"function": data["function"], **kwargs}

    @classmethod
    def initial_of(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "function": body.get("function"),
            "kwargs": json.dumps(body["kwargs"], indent=2, ensure_ascii=False) if body.get("kwargs") else "",
        }


def _function(name: str, entry: RegisteredFunction) -> Function:
    function = entry.declaration.function
    parameters = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if not (entry.service and parameter.name == "self")
    ]
    words = (inspect.getdoc(function) or "").strip().split("\n\n")[0].replace("\n", " ")
    return Function(name, f"({', '.join(str(parameter) for parameter in parameters)})", words)
