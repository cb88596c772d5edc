"""The fields of a timer's form that say when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django import forms

from timers.errors import Invalid
from timers.parameters import Parameter, ParameterType
from timers.scheduling.base import KINDS, ScheduleRule
from timers.web.declared_fields import MONO, form_field, given_values, rows_of
from timers.web.people.forms import PlainForm, zone_choices
from timers.web.timers import cron_fields
from timers.web.timers.cron_fields import CronBuilder
from timers.web.timers.documents import read_instant, write_instant

UNITS = {"1": "seconds", "60": "minutes", "3600": "hours", "86400": "days", "604800": "weeks"}
PLACES = {
    "schedule": "when",
    "schedule.type": "when",
    "schedule.datetime": "start",
    "schedule.interval_seconds": "interval",
    "schedule.end": "ends",
    "schedule.end.datetime": "end_at",
    "schedule.end.n": "runs",
    "schedule.end.count": "runs",
    "schedule.end.iterations": "runs",
    **{f"schedule.{name}": name for name in ("expression", "timezone", "start", "dst_gap", "dst_overlap")},
}
_MOMENT = {"type": "datetime-local", "step": "1"}
OWN_FIELDS = ("once", "recurring", "cron")
"""The kinds that have fields of their own; those of any other are made of the parameters that it declares."""


@dataclass(frozen=True)
class DeclaredSchedule:
    """The fields of a kind of schedule that are made of its parameters, and its place among the kinds."""

    number: int
    rows: list[list[Any]]


class ScheduleFields(PlainForm):
    """One choice and the fields of each kind of schedule; only the chosen ones count."""

    when = forms.ChoiceField(label="When", widget=forms.RadioSelect)
    interval = forms.FloatField(
        label="Interval",
        required=False,
        widget=forms.NumberInput(attrs={"step": "any", "min": "0", "inputmode": "decimal"}),
    )
    unit = forms.ChoiceField(label="Unit", required=False, choices=list(UNITS.items()), initial="60")
    expression = forms.CharField(
        label="Cron expression",
        required=False,
        help_text="second minute hour day month weekday; five fields work too",
        widget=forms.TextInput(attrs={**MONO, "placeholder": "0 0 9 ? * MON-FRI"}),
    )
    timezone = forms.ChoiceField(label="Time zone", required=False)
    dst_gap = forms.ChoiceField(
        label="Time skipped by a clock change",
        required=False,
        choices=[("shift", "runs at the first valid time after it"), ("skip", "is skipped")],
    )
    dst_overlap = forms.ChoiceField(
        label="Time repeated by a clock change",
        required=False,
        choices=[("first", "runs the first time"), ("second", "runs the second time"), ("both", "runs both times")],
    )
    start = forms.CharField(
        label="Starts", required=False, help_text="Empty: now", widget=forms.DateTimeInput(attrs=_MOMENT)
    )
    ends = forms.ChoiceField(
        label="Ends",
        required=False,
        choices=[("", "never"), ("time", "at a time"), ("iterations", "after a number of runs")],
    )
    end_at = forms.CharField(label="Last possible time", required=False, widget=forms.DateTimeInput(attrs=_MOMENT))
    runs = forms.IntegerField(label="Runs", required=False, widget=forms.NumberInput(attrs={"min": "1"}))

    old_schedule: Mapping[str, Any] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kinds: list[tuple[str, type[ScheduleRule]]] = list(KINDS.items())
        self.fields["when"].choices = [(kind, schedule.label) for kind, schedule in self.kinds]  # type: ignore[attr-defined]
        for kind, schedule in self.kinds:
            for parameter in _declared(kind, schedule):
                self.fields[_names(kind, schedule)[parameter.name]] = form_field(parameter)

    @property
    def declared_schedules(self) -> list[DeclaredSchedule]:
        """The kinds of schedules whose fields are made of their parameters."""
        return [
            DeclaredSchedule(number, rows_of(self, _declared(kind, schedule), _names(kind, schedule)))
            for number, (kind, schedule) in enumerate(self.kinds)
            if kind not in OWN_FIELDS
        ]

    @property
    def repeating(self) -> str:
        """The classes of what belongs to those of these kinds that have a start and an end."""
        numbers = [number for number, (kind, rule) in enumerate(self.kinds) if rule.repeats and kind not in OWN_FIELDS]
        return " ".join(f"for-when-{number}" for number in numbers)

    @property
    def schedule_places(self) -> dict[str, str]:
        """Return the field at which errors of the schedule are shown."""
        kind = self.data.get("when", "") if self.is_bound else ""
        own = _names(kind, KINDS.get(kind)) if kind in KINDS and kind not in OWN_FIELDS else {}
        return {**PLACES, **{f"schedule.{name}": field for name, field in own.items()}}

    def offer_zones(self, zone: str) -> None:
        """Let all zones be chosen, and the one that is stored."""
        zones = zone_choices()
        choices = zones if any(zone == name for name, _ in zones) else [(zone, zone), *zones]
        self.fields["timezone"].choices = choices  # type: ignore[attr-defined]

    def clean_expression(self) -> str:
        """Return the expression that counts: the text, or what was picked while the text was left alone."""
        sent = cron_fields.read(self.data)
        written: str = self.cleaned_data["expression"]
        return sent.expression if sent is not None and sent.changed else written

    @property
    def cron(self) -> CronBuilder:
        """The choices for a cron expression, in step with the text; `changed` when the text has to follow them."""
        if not self.is_bound:
            return cron_fields.builder_for(str(self.initial.get("expression") or ""))
        sent = cron_fields.read(self.data)
        return sent if sent is not None and sent.stands else cron_fields.builder_for(self.data.get("expression", ""))

    @property
    def expression_shown(self) -> str:
        """Return the text in the expression's field."""
        if not self.is_bound:
            return str(self.initial.get("expression") or "")
        cron = self.cron
        return cron.expression if cron.changed else self.data.get("expression", "")

    def schedule(self) -> dict[str, Any]:
        """Return the schedule in our terms; raises Invalid naming form fields' paths."""
        data = self.cleaned_data
        kind = data["when"]
        rule = KINDS.get(kind)
        shown = rule.field_names() - {"window"}  # whatever else is stored stays as long as the kind does
        kept = self.old_schedule if self.old_schedule.get("type") == kind else {}
        zone = ZoneInfo(data.get("timezone") or "UTC")
        return {
            **{name: value for name, value in kept.items() if name not in shown},
            "type": kind,
            **(getattr(self, f"_{kind}")(zone) if kind in OWN_FIELDS else self._declared_fields(kind, rule, zone)),
        }

    def _declared_fields(self, kind: str, rule: type[ScheduleRule], zone: ZoneInfo) -> dict[str, Any]:
        values = given_values(self.cleaned_data, _declared(kind, rule), _names(kind, rule))
        for parameter in rule.parameters:
            if parameter.name == "timezone":
                values["timezone"] = zone.key
            elif parameter.type is ParameterType.INSTANT and parameter.name in values:
                values[parameter.name] = read_instant(values[parameter.name], zone, f"schedule.{parameter.name}")
        return {**values, **(self._bounds(zone) if rule.repeats else {})}

    def _once(self, zone: ZoneInfo) -> dict[str, Any]:
        at = read_instant(self.cleaned_data.get("start"), zone, "schedule.start")
        return {"datetime": at} if at else {}

    def _recurring(self, zone: ZoneInfo) -> dict[str, Any]:
        data = self.cleaned_data
        if data.get("interval") is None:
            raise Invalid({"schedule.interval_seconds": "Say how long from one run to the next."})
        seconds = round(data["interval"] * float(data.get("unit") or 1), 6)
        return {"interval_seconds": int(seconds) if seconds.is_integer() else seconds, **self._bounds(zone)}

    def _cron(self, zone: ZoneInfo) -> dict[str, Any]:
        data = self.cleaned_data
        changes = {name: data[name] for name in ("dst_gap", "dst_overlap") if data.get(name)}
        return {"expression": data.get("expression", ""), "timezone": zone.key, **changes, **self._bounds(zone)}

    def _bounds(self, zone: ZoneInfo) -> dict[str, Any]:
        start = read_instant(self.cleaned_data.get("start"), zone, "schedule.start")
        return {**({"start": start} if start else {}), **_end(self.cleaned_data, zone)}


def _declared(kind: str, rule: type[ScheduleRule]) -> list[Parameter]:
    """Return the parameters that a field is made of; the zone has one of its own, which all kinds share."""
    return [] if kind in OWN_FIELDS else [parameter for parameter in rule.parameters if parameter.name != "timezone"]


def _names(kind: str, rule: type[ScheduleRule]) -> dict[str, str]:
    """Return the names of the fields that are made of the parameters of a kind."""
    return {parameter.name: f"{kind}_{parameter.name}" for parameter in _declared(kind, rule)}


def _end(data: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    if data.get("ends") == "time":
        instant = read_instant(data.get("end_at"), zone, "schedule.end.datetime")
        if instant is None:
            raise Invalid({"schedule.end.datetime": "Say when it ends."})
        return {"end": {"condition": "time", "datetime": instant}}
    if data.get("ends") == "iterations":
        if data.get("runs") is None:
            raise Invalid({"schedule.end.n": "Say after how many runs it ends."})
        return {"end": {"condition": "iterations", "n": data["runs"]}}
    return {}


def initial_of(schedule: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Return what the fields hold for a stored schedule; local times are those of the zone."""
    end = schedule.get("end") or {}
    kind = str(schedule.get("type") or "")
    own = _names(kind, KINDS.get(kind)) if kind in KINDS else {}
    fields: dict[str, Any] = {
        "when": kind,
        **{field: schedule.get(name) for name, field in own.items()},
        "start": write_instant(schedule.get("start") or schedule.get("datetime"), zone),
        "ends": end.get("condition", ""),
        "end_at": write_instant(end.get("datetime"), zone),
        "runs": end.get("n") or end.get("count") or end.get("iterations"),
        **{name: schedule[name] for name in ("expression", "dst_gap", "dst_overlap") if name in schedule},
    }
    if seconds := schedule.get("interval_seconds"):
        unit = next(size for size in (604800, 86400, 3600, 60, 1) if seconds % size == 0 or size == 1)
        fields |= {"interval": seconds / unit if seconds % unit else int(seconds // unit), "unit": str(unit)}
    return fields
