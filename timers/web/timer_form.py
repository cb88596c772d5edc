"""The form that makes and edits a timer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import QueryDict

from timers.actions.base import ACTIONS
from timers.errors import Invalid
from timers.models import Collection
from timers.web.forms import PlainForm, zone_choices
from timers.web.timer_documents import (
    POLICIES,
    PathRow,
    read_end,
    read_instant,
    read_json,
    read_pairs,
    transfer_body,
    webhook_body,
)

METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE", "HEAD")
UNITS = {"1": "seconds", "60": "minutes", "3600": "hours", "86400": "days", "604800": "weeks"}
SYNC_LEVELS = (
    ("", "always, also what is there"),
    ("0", "it is missing"),
    ("1", "the size differs"),
    ("2", "size or time differs"),
    ("3", "the checksum differs"),
)
PLACES = {
    "timer_type": "action",
    "schedule": "when",
    "schedule.type": "when",
    "schedule.datetime": "start",
    "schedule.interval_seconds": "interval",
    "schedule.end": "ends",
    "schedule.end.datetime": "end_at",
    "schedule.end.n": "runs",
    "schedule.end.count": "runs",
    "schedule.end.iterations": "runs",
    "body.json": "content",
    "body.text": "content",
    "body.source_endpoint": "source",
    "body.destination_endpoint": "destination",
    "body.DATA": "paths",
    "body.sync_level": "sync_level",
    "body": "action",
    **{f"schedule.{name}": name for name in ("expression", "timezone", "start", "dst_gap", "dst_overlap")},
    **{f"body.{name}": name for name in ("url", "method", "headers", "function", "kwargs", "expect")},
    **{f"policies.{name}": name for name in POLICIES},
}
_MONO = {"class": "mono", "autocomplete": "off", "spellcheck": "false"}


def _seconds(label: str, **more: Any) -> forms.FloatField:
    return forms.FloatField(
        label=label, required=False, widget=forms.NumberInput(attrs={"step": "any", "min": "0"}), **more
    )


class TimerForm(PlainForm):
    """Everything about a timer. Of the parts for each action and each kind of schedule only the chosen one counts."""

    action = forms.ChoiceField(label="What runs", widget=forms.RadioSelect)
    name = forms.CharField(label="Name", required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    tags = forms.CharField(
        label="Tags",
        required=False,
        help_text="Like prod, team:backend",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    description = forms.CharField(label="Description", required=False, widget=forms.Textarea(attrs={"rows": 2}))

    url = forms.CharField(
        label="URL",
        required=False,
        help_text="http or https, a public address",
        widget=forms.TextInput(attrs={**_MONO, "inputmode": "url"}),
    )
    method = forms.ChoiceField(label="Method", required=False, choices=[(method, method) for method in METHODS])
    headers = forms.CharField(
        label="Headers",
        required=False,
        help_text="One to a line, as Accept: text/plain. Secret ones are kept encrypted and shown as ***.",
        widget=forms.Textarea(attrs={**_MONO, "rows": 3}),
    )
    content_kind = forms.ChoiceField(label="Body is", required=False, choices=[("json", "JSON"), ("text", "text")])
    content = forms.CharField(
        label="Body", required=False, strip=False, widget=forms.Textarea(attrs={**_MONO, "rows": 4})
    )

    source = forms.ChoiceField(label="From", required=False)
    destination = forms.ChoiceField(label="To", required=False)
    paths = forms.CharField(required=False, widget=forms.HiddenInput)
    sync_level = forms.ChoiceField(label="Copy when", required=False, choices=SYNC_LEVELS)
    verify_checksum = forms.BooleanField(label="Verify checksums after copying", required=False, initial=True)
    delete_destination_extra = forms.BooleanField(
        label="Delete what is only at the destination",
        required=False,
        help_text="Refused when it would delete too much.",
    )

    function = forms.CharField(
        label="Function", required=False, help_text="As it was registered.", widget=forms.TextInput(attrs=_MONO)
    )
    kwargs = forms.CharField(
        label="Arguments",
        required=False,
        help_text='As a JSON object, like {"limit": 500}',
        widget=forms.Textarea(attrs={**_MONO, "rows": 3}),
    )

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
        label="A time that the clock change leaves out",
        required=False,
        choices=[("shift", "runs at the first valid time after it"), ("skip", "is skipped")],
    )
    dst_overlap = forms.ChoiceField(
        label="A time that comes twice",
        required=False,
        choices=[("first", "runs the first time"), ("second", "runs the second time"), ("both", "runs both times")],
    )
    start = forms.CharField(
        label="Starts",
        required=False,
        help_text="Empty: now",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}),
    )
    ends = forms.ChoiceField(
        label="Ends",
        required=False,
        choices=[("", "never"), ("time", "at a time"), ("iterations", "after a number of runs")],
    )
    end_at = forms.CharField(
        label="Last possible time",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}),
    )
    runs = forms.IntegerField(label="Runs", required=False, widget=forms.NumberInput(attrs={"min": "1"}))

    overlap = forms.ChoiceField(
        label="Still running at the next run",
        required=False,
        choices=[
            ("skip", "skip that run"),
            ("queue_one", "queue one"),
            ("queue_all", "queue all"),
            ("cancel_previous", "cancel the previous"),
            ("allow", "allow both"),
        ],
    )
    catch_up = forms.ChoiceField(
        label="Missed while down",
        required=False,
        choices=[("latest", "run the last one"), ("all", "run all"), ("none", "run none")],
    )
    catch_up_window_seconds = _seconds("Make up for at most, seconds", help_text="Empty: a day")
    max_attempts = forms.IntegerField(
        label="Attempts", required=False, help_text="Empty: 3; code 1", widget=forms.NumberInput(attrs={"min": "1"})
    )
    backoff_seconds = _seconds("Wait before the second, seconds", help_text="Empty: 30; doubles each time")
    timeout_seconds = _seconds("Time limit of an attempt, seconds", help_text="Empty: what suits the action")
    jitter_seconds = _seconds("Spread the start over, seconds", help_text="Empty: start on time")
    pause_after_failures = forms.IntegerField(
        label="Pause after failures in a row",
        required=False,
        help_text="Empty or 0: never",
        widget=forms.NumberInput(attrs={"min": "0"}),
    )
    notify = forms.CharField(
        label="Tell",
        required=False,
        help_text="One to a line: email (you), email:ana@example.org, or a URL. When it fails, is paused, works again.",
        widget=forms.Textarea(attrs={**_MONO, "rows": 2}),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        collections: Iterable[Collection],
        zone: str,
        initial: Mapping[str, Any] | None = None,
        old_body: Mapping[str, Any] | None = None,
        editing: bool = False,
    ) -> None:
        start = {
            "action": "transfer",
            "when": "recurring",
            "interval": 1,
            "unit": "3600",
            "timezone": zone,
            **(initial or {}),
        }
        super().__init__(data, initial=start)
        self.old_body = dict(old_body or {})
        self.editing = editing
        if editing:
            self.fields["catch_up_window_seconds"].help_text = "Empty: of any age"
        self.pairs = read_pairs(data) if data is not None else list(start.get("pairs", []))
        offered = [kind for kind in ("transfer", "webhook", "workflow", "code") if kind in ACTIONS]
        self.offers_workflow = "workflow" in offered
        self._offer("action", [(kind, ACTIONS.get(kind).label) for kind in offered])
        places = [("", "choose a collection"), *((str(place.pk), place.display_name) for place in collections)]
        self._offer("source", places)
        self._offer("destination", places)
        zones = zone_choices()
        self._offer("timezone", zones if any(zone == name for name, _ in zones) else [(zone, zone), *zones])

    def as_shown(self) -> TimerForm:
        """Return the form as if it came back with what it first held."""
        data = QueryDict(mutable=True)
        given = {name: value for name, value in self.initial.items() if value not in (None, "", []) and name != "pairs"}
        data.update({name: str(value) for name, value in given.items()})
        shown = TimerForm(data, collections=[], zone=str(self.initial["timezone"]))
        shown.is_valid()
        return shown

    def read_again(self) -> TimerForm:
        """Return the form read anew: where an error was noted at a field, this one no longer has its value."""
        if not self.is_bound:
            return self.as_shown()
        again = TimerForm(self.data, collections=[], zone=str(self.initial["timezone"]))
        again.is_valid()
        return again

    @property
    def policies_need_a_look(self) -> bool:
        return any(name in self.errors for name in (*POLICIES, "description"))

    def keeps_schedule(self) -> bool:
        """Return whether the fields still say when it runs as they did: a changed schedule would start anew."""
        try:
            return self.schedule() == self.as_shown().schedule()
        except (Invalid, KeyError):
            return False

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]

    @property
    def path_rows(self) -> list[PathRow]:
        """Return the pairs of paths with one empty row after them."""
        pairs = [*self.pairs, ("", "")]
        return [PathRow(number, *pair) for number, pair in enumerate(pairs, start=1)]

    def schedule(self) -> dict[str, Any]:
        """Return the schedule in our terms; raises Invalid naming form fields' paths."""
        data = self.cleaned_data
        zone = ZoneInfo(data.get("timezone") or "UTC")
        start = read_instant(data.get("start"), zone, "schedule.start")
        if data["when"] == "once":
            return {"type": "once", **({"datetime": start} if start else {})}
        bounds = {**({"start": start} if start else {}), **read_end(data, zone)}
        if data["when"] == "recurring":
            if data.get("interval") is None:
                raise Invalid({"schedule.interval_seconds": "Say how long from one run to the next."})
            seconds = data["interval"] * float(data.get("unit") or 1)
            return {
                "type": "recurring",
                "interval_seconds": int(seconds) if seconds.is_integer() else seconds,
                **bounds,
            }
        changes = {name: data[name] for name in ("dst_gap", "dst_overlap") if data.get(name)}
        expression = data.get("expression", "")
        return {"type": "cron", "expression": expression, "timezone": zone.key, **changes, **bounds}

    def body(self) -> dict[str, Any]:
        """Return the body of the chosen action in our terms."""
        data = self.cleaned_data
        if data["action"] == "webhook":
            return webhook_body(data, self.old_body)
        if data["action"] == "transfer":
            return transfer_body(data, self.pairs, self.old_body)
        if data["action"] == "code":
            return {
                "function": data["function"],
                **({"kwargs": read_json(data["kwargs"], "kwargs")} if data["kwargs"] else {}),
            }
        return self.old_body

    def policies(self) -> dict[str, Any]:
        """Return the policies to set: of a new timer those filled in, of an old one those that were changed."""
        given = {name: self.cleaned_data.get(name) for name in POLICIES}
        if self.editing:
            changed = {name: value for name, value in given.items() if value != self.initial.get(name)}
        else:
            changed = {name: value for name, value in given.items() if value not in (None, "")}
        return {**changed, **({"notify": str(changed["notify"] or "").split()} if "notify" in changed else {})}

    def clean_notify(self) -> str:
        """Return one word to a line, as the field shows them."""
        return "\n".join(self.cleaned_data["notify"].split())

    def document(self) -> dict[str, Any] | None:
        """Return the timer in our terms, or None after noting at the fields what is wrong."""
        document: dict[str, Any] = {"name": self.cleaned_data["name"], "description": self.cleaned_data["description"]}
        for name, part in (("schedule", self.schedule), ("body", self.body), ("tags", self._tags)):
            try:
                document[name] = part()
            except Invalid as error:
                self.take(error.fields, PLACES)
        return None if self.errors else {**document, "policies": self.policies()}

    def _tags(self) -> dict[str, Any]:
        tags: dict[str, Any] = {}
        for word in filter(None, (part.strip() for part in self.cleaned_data["tags"].split(","))):
            key, _, value = (part.strip() for part in word.partition(":"))
            tags[key] = (
                [*tags[key], value] if isinstance(tags.get(key), list) else [tags[key], value] if key in tags else value
            )
        return tags
