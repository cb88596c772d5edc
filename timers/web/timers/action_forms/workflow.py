"""The part of the form for timers of type `workflow`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.urls import reverse_lazy

from timers.queries.workflows.listing import WorkflowChoice, choices, has_choices
from timers.web.timers.action_forms.base import ActionForm
from timers.web.workflows import inputs

NEWEST = 0
"""Stands for the newest version at each start, so that a timer need not be edited for a new one."""


class WorkflowForm(ActionForm):
    """A workflow, which version of it, and the input that it starts with: a field for each that it names."""

    template: ClassVar[str] = "timers/_part_workflow.html"
    places: Mapping[str, str] = {"name": "workflow", "version": "workflow"}

    workflow = forms.ChoiceField(
        label="Definition",
        required=False,
        widget=forms.Select(
            attrs={
                "hx-get": reverse_lazy("timer-inputs"),
                "hx-target": "#workflow-inputs",
                "hx-swap": "innerHTML",
                "hx-trigger": "change",
            }
        ),
    )
    input = forms.CharField(label="Input", required=False)

    def __init__(self, data: Any, **known: Any) -> None:
        super().__init__(data, **known)
        self.choices = choices(self.reader)
        stored = self.initial.get("workflow")
        offered = [pair for choice in self.choices for pair in _versions(choice)]
        gone = (
            [(stored, f"{self.old_body.get('name')} (not registered)")]
            if stored and stored not in dict(offered)
            else []
        )
        self.fields["workflow"].choices = [("", "choose a workflow"), *offered, *gone]  # type: ignore[attr-defined]

    def body(self) -> dict[str, Any]:
        name, version = read_choice(self.cleaned_data["workflow"])
        kept = {key: value for key, value in self.old_body.items() if key not in ("name", "version", "input")}
        chosen = {"name": name, "version": version} if version else {"name": name}
        return {
            **(kept if self.old_body.get("name") == name else {}),
            **chosen,
            "input": inputs.read(self.data),
        }

    @property
    def input_fields(self) -> list[inputs.InputField]:
        """Return a field per input of the chosen workflow, with what was sent or what is stored."""
        sent = self.data if self.is_bound else {}
        fields = inputs.fields(self._inputs(), self.old_body.get("input"))
        return [inputs.InputField(field.name, sent.get(field.html_name, field.value)) for field in fields]

    @property
    def input_rest(self) -> str:
        """Return the JSON of what is given beside the named inputs."""
        if self.is_bound:
            return str(self.data.get(inputs.REST, ""))
        return inputs.rest(self._inputs(), self.old_body.get("input"))

    def _inputs(self) -> Any:
        name, _ = read_choice(str(self["workflow"].value() or ""))
        return next((choice.inputs for choice in self.choices if choice.name == name), ())

    @classmethod
    def initial_of(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"workflow": write_choice(str(body.get("name", "")), body.get("version") or NEWEST)}

    @classmethod
    def why_not(cls, reader: Any) -> str:
        return "" if has_choices(reader) else "You have no workflows yet. Make one on the page of workflows."


def write_choice(name: str, version: int) -> str:
    """Return a workflow and its version as the value of a choice."""
    return f"{version}:{name}"


def read_choice(value: str) -> tuple[str, int]:
    """Return the workflow and version of a choice; an empty name when there is none."""
    version, _, name = value.partition(":")
    return name, int(version) if version.isdecimal() else NEWEST


def _versions(choice: WorkflowChoice) -> list[tuple[str, str]]:
    newest = (write_choice(choice.name, NEWEST), f"{choice.name}, newest version")
    return [newest, *((write_choice(choice.name, version), f"{choice.name} v{version}") for version in choice.versions)]
