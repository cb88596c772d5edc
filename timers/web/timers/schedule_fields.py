"""The fields of a timer's form that say when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from django import forms

from timers.errors import Invalid
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
_MONO = {"class": "mono", "autocomplete": "off", "spellcheck": "false"}
_MOMENT = {"type": "datetime-local", "step": "1"}
_OF_A_KIND = {
    "once": ("datetime",),
    "recurring": ("interval_seconds", "start", "end"),
    "cron": ("expression", "timezone", "dst_gap", "dst_overlap", "start", "end"),
}
"""Keys of a schedule that the form edits; other stored keys stay as long as the kind does."""


class ScheduleFields(PlainForm):
    """One choice and the fields of each kind of schedule; only the chosen ones count."""

    when = forms.ChoiceField(
        label="When", widget=forms.RadioSelect, choices=[("once", "Once"), ("recurring", "Every"), ("cron", "Cron")]
    )
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
        widget=forms.TextInput(attrs={**_MONO, "placeholder": "0 0 9 ? * MON-FRI"}),
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
        known = _OF_A_KIND[kind]
        kept = self.old_schedule if self.old_schedule.get("type") == kind else {}
        return {
            **{name: value for name, value in kept.items() if name not in known},
            "type": kind,
            **getattr(self, f"_{kind}")(ZoneInfo(data.get("timezone") or "UTC")),
        }

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
    fields: dict[str, Any] = {
        "when": schedule.get("type"),
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
