"""The form that makes and edits a timer: what runs, when, and what happens when things go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import QueryDict

from timers.actions.base import ACTIONS
from timers.errors import Invalid
from timers.models import Timer
from timers.services.timers import commands as timer_service
from timers.web.people.forms import PlainForm
from timers.web.timers import cron_fields, policy_fields, schedule_fields
from timers.web.timers.action_forms.base import ActionForm, form_of, label_of, why_not
from timers.web.timers.documents import read_tags, write_tags
from timers.web.timers.policy_fields import POLICIES, PolicyFields
from timers.web.timers.schedule_fields import ScheduleFields

PLACES = {"timer_type": "action", "body": "action", **policy_fields.PLACES}


AT_FIRST = {
    "when": "recurring",
    "interval": 1,
    "unit": "3600",
    "expression": cron_fields.DEFAULT,
}
"""Initial values of the form of a new timer."""


@dataclass(frozen=True)
class ActionChoice:
    """One kind of action as it is offered; `why_not` says why it cannot be chosen.

    By its number the style sheet knows which part of the form belongs to it.
    """

    number: int
    kind: str
    label: str
    chosen: bool
    why_not: str


@dataclass(frozen=True)
class Complaint:
    """One error as the summary on top lists it, with the id of the field to go to; empty for the form as a whole."""

    field: str
    label: str
    text: str


class TimerForm(ScheduleFields, PolicyFields):
    """Everything about a timer. What runs is in `parts`, one for each kind; only the chosen one counts."""

    action = forms.ChoiceField(label="What runs", widget=forms.RadioSelect)
    name = forms.CharField(label="Name", required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    tags = forms.CharField(
        label="Tags",
        required=False,
        help_text="Like prod, team:backend",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    description = forms.CharField(label="Description", required=False, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(
        self,
        data: Any = None,
        *,
        reader: Any,
        zone: str,
        like: Timer | None = None,
        editing: bool = False,
        filled: Mapping[str, Any] | None = None,
        refused: Mapping[str, str] | None = None,
    ) -> None:
        self.refused = refused if refused is not None else {kind: why_not(kind, reader) for kind in ACTIONS}
        self.like, self.editing, self.reader, self.reader_zone = like, editing, reader, zone
        definition = like.definition if like is not None else None
        self.old_body: Mapping[str, Any] = definition.body if definition else {}
        self.old_schedule = definition.schedule if definition else {}
        self.old_policies: Mapping[str, Any] = definition.policies if definition else {}
        filled = filled or {
            "action": next(iter(ACTIONS)),
            **AT_FIRST,
            "timezone": zone,
            **(initial(like, zone) if like is not None else {}),
        }
        super().__init__(data, initial=filled)
        if editing:
            self.fields["catch_up_window_seconds"].help_text = "Empty: of any age"
        offered = [choice.kind for choice in self.action_choices if not choice.why_not]
        self.fields["action"].choices = [(kind, label_of(kind)) for kind in offered]  # type: ignore[attr-defined]
        self.offer_zones(filled["timezone"])

    @cached_property
    def action_choices(self) -> list[ActionChoice]:
        own = str(self.initial["action"])
        kinds = (*ACTIONS, *([own] if own not in ACTIONS else []))
        chosen = self.chosen_kind
        return [
            ActionChoice(number, kind, label_of(kind), kind == chosen, self._why_not(kind))
            for number, kind in enumerate(kinds, start=1)
        ]

    def _why_not(self, kind: str) -> str:
        if self._is_old(kind):
            return ""
        return self.refused[kind] if kind in self.refused else why_not(kind, self.reader)

    def _is_old(self, kind: str) -> bool:
        """Return whether this is the timer's present action, which is always offered."""
        return self.like is not None and self.like.action == kind

    @property
    def chosen_kind(self) -> str:
        return self.data.get("action", "") if self.is_bound else str(self.initial["action"])

    @cached_property
    def parts(self) -> list[ActionForm]:
        """The part of each kind that can be chosen; the chosen one has read what was sent."""
        return [self._part(choice) for choice in self.action_choices if not choice.why_not]

    def _part(self, choice: ActionChoice) -> ActionForm:
        action_form = form_of(choice.kind)
        old_body = self.old_body if self._is_old(choice.kind) else {}
        part = action_form(
            self.data if self.is_bound else None,
            kind=choice.kind,
            reader=self.reader,
            initial=action_form.initial_of(old_body) if old_body else {},
            old_body=old_body,
        )
        part.number = choice.number
        return part

    @property
    def part(self) -> ActionForm | None:
        """The part that was chosen."""
        return next((part for part in self.parts if part.kind == self.chosen_kind), None)

    @property
    def policies_need_a_look(self) -> bool:
        return any(name in self.errors for name in (*POLICIES, "description"))

    @property
    def clock_changes_need_a_look(self) -> bool:
        return any(
            name in self.errors or self[name].value() not in (None, "", first)
            for name, first in (("dst_gap", "shift"), ("dst_overlap", "first"))
        )

    @property
    def policy_sentences(self) -> str:
        """Return the effect of the policies in words."""
        return self.policy_words(self.chosen_kind, self.old_policies if self.editing else {})

    # What was sent, and what it means

    def as_shown(self) -> TimerForm:
        """Return the form as if it came back with what it first held."""
        data = QueryDict(mutable=True)
        for name, value in self.initial.items():
            if value not in (None, "", []):
                data[name] = str(self.fields[name].prepare_value(value)) if name in self.fields else str(value)
        return self._again(data)

    def read_again(self) -> TimerForm:
        """Return the form read anew: where an error was noted at a field, this one no longer has its value."""
        return self._again(self.data) if self.is_bound else self.as_shown()

    def _again(self, data: Any) -> TimerForm:
        again = TimerForm(
            data,
            reader=self.reader,
            zone=self.reader_zone,
            like=self.like,
            editing=self.editing,
            filled=self.initial,
            refused=self.refused,
        )
        again.is_valid()
        return again

    def keeps_schedule(self) -> bool:
        """Return whether the fields still say when it runs as they did: a changed schedule would start anew."""
        try:
            return self.schedule() == self.as_shown().schedule()
        except (Invalid, KeyError):
            return False

    def body(self) -> dict[str, Any]:
        """Return the body of the chosen action; raises Invalid naming fields of the body."""
        part = self.part
        if part is None:
            return {}
        if not part.is_valid():
            raise Invalid({})
        return part.body()

    def document(self) -> dict[str, Any] | None:
        """Return the timer in our terms, or None after noting at the fields what is wrong."""
        document: dict[str, Any] = {name: self.cleaned_data.get(name, "") for name in ("name", "description")}
        for name, part in (("schedule", self.schedule), ("tags", lambda: read_tags(self.cleaned_data["tags"]))):
            try:
                document[name] = part()
            except Invalid as error:
                self.complain(error.fields)
            except KeyError:
                continue  # a field that it needs could not be read, which is noted there
        try:
            document["body"] = self.body()
        except Invalid as error:
            self.complain({f"body.{field}": texts for field, texts in error.fields.items()})
        if self.all_errors and not document["name"]:
            self.add_error("name", "Give it a name.")  # the service is not asked any more
        return None if self.all_errors else {**document, "policies": self.policies()}

    # What is wrong

    def complain(self, fields: Mapping[str, list[str]]) -> None:
        """Show what a service complained about at the fields it belongs to."""
        part = self.part
        of_body = {path: texts for path, texts in fields.items() if part is not None and path.startswith("body.")}
        if part is not None:
            part.take({path.removeprefix("body."): texts for path, texts in of_body.items()}, dict(part.places))
        others = {path: texts for path, texts in fields.items() if path not in of_body}
        self.take(others, {**self.schedule_places, **PLACES})

    @property
    def all_errors(self) -> list[Complaint]:
        """Every error, those of the chosen part too, in the order of the page."""
        part = self.part
        first = ("action", "name", "tags")
        return [
            *_complaints(self, only=first),
            *(_complaints(part) if part is not None and part.is_bound else []),
            *_complaints(self, but=first),
        ]


def _complaints(form: PlainForm, *, only: tuple[str, ...] = (), but: tuple[str, ...] = ()) -> list[Complaint]:
    complaints = [] if only else [Complaint("", "", str(text)) for text in form.non_field_errors()]
    for bound in form:
        if (only and bound.name not in only) or bound.name in but:
            continue
        radio = getattr(bound.field.widget, "input_type", "") == "radio"
        place = getattr(form, "error_ids", {}).get(bound.name, bound.name) + ("_0" if radio else "")
        complaints += [Complaint(place, str(bound.label), str(text)) for text in bound.errors]
    return complaints


def initial(timer: Timer, zone: str) -> dict[str, Any]:
    """Return what the fields hold when the timer is edited or duplicated."""
    definition = timer.definition
    if definition is None:
        return {"name": timer.name}
    zone = definition.schedule.get("timezone", zone)
    return {
        "action": timer.action,
        "name": timer.name,
        "description": timer.description,
        "tags": write_tags(timer_service.tags_of(timer)),
        "timezone": zone,
        **schedule_fields.initial_of(definition.schedule, ZoneInfo(zone)),
        **policy_fields.initial_of(definition.policies),
    }
