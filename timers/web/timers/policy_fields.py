"""The fields of a timer's form that say what happens when things go wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms

from timers.actions.base import ACTIONS, Defaults
from timers.channels.base import recipient_examples
from timers.errors import Invalid
from timers.formatting import duration
from timers.scheduling import policy_text
from timers.scheduling.policies import merge_policies, parse_policies
from timers.web.people.forms import PlainForm
from timers.web.timers.duration_field import DurationField

POLICIES = (
    "overlap",
    "catch_up",
    "catch_up_window_seconds",
    "max_attempts",
    "backoff_seconds",
    "timeout_seconds",
    "jitter_seconds",
    "pause_after_failures",
    "notify",
)
PLACES = {f"policies.{name}": name for name in POLICIES}


class PolicyFields(PlainForm):
    """One field for each policy; an empty one leaves the default."""

    overlap = forms.ChoiceField(
        label="Overlap policy",
        required=False,
        help_text="When a run is due while the last one still runs.",
        choices=[
            ("skip", "skip that run"),
            ("queue_one", "queue one"),
            ("queue_all", "queue all"),
            ("cancel_previous", "cancel the previous"),
            ("allow", "allow both"),
        ],
    )
    catch_up = forms.ChoiceField(
        label="Catch-up",
        required=False,
        help_text="Which runs start that were missed while the service was down.",
        choices=[("latest", "run the last one"), ("all", "run all"), ("none", "run none")],
    )
    catch_up_window_seconds = DurationField(
        label="Catch-up window", help_text="How old a missed run may be to start late. Empty: 1 d"
    )
    max_attempts = forms.IntegerField(label="Attempts", required=False, widget=forms.NumberInput(attrs={"min": "1"}))
    backoff_seconds = DurationField(
        label="Initial backoff", help_text="Wait before the second attempt; doubles each time. Empty: 30 s"
    )
    timeout_seconds = DurationField(label="Timeout")
    jitter_seconds = DurationField(
        label="Jitter", help_text="Starts are spread at random over this time. Empty: start on time"
    )
    pause_after_failures = forms.IntegerField(
        label="Pause after failures in a row",
        required=False,
        help_text="Empty or 0: never",
        widget=forms.NumberInput(attrs={"min": "0"}),
    )
    notify = forms.CharField(
        label="Notify",
        required=False,
        widget=forms.Textarea(attrs={"class": "mono", "autocomplete": "off", "spellcheck": "false", "rows": 2}),
    )

    editing = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = recipient_examples()
        limits = _defaults_text("timeout_seconds", _limit_text)
        self.fields["max_attempts"].help_text = f"Empty: {_defaults_text('max_attempts', str)}"
        self.fields["timeout_seconds"].help_text = f"Time limit of an attempt. Empty: {limits}"
        self.fields["notify"].help_text = f"One a line: {names}. On failure, pause and recovery."

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

    def policy_words(self, action: str, stored: Mapping[str, Any]) -> str:
        """Return in sentences what the fields come to; empty while they cannot be read."""
        defaults = ACTIONS.get(action).defaults if action in ACTIONS else Defaults()
        try:
            parsed = parse_policies(
                merge_policies(stored, self.policies()),
                max_attempts=defaults.max_attempts,
                timeout_seconds=defaults.timeout_seconds,
                schedule=None,
            )
        except (Invalid, KeyError):
            return ""
        return policy_text.describe(parsed)


def _defaults_text(name: str, write: Callable[[Any], str]) -> str:
    """Return the default of a policy: the one that most actions have, and the others with the names of theirs."""
    defaults = {action.label.lower(): getattr(action.defaults, name) for _, action in ACTIONS.items()}
    by_value: dict[Any, list[str]] = {}
    for label, value in defaults.items():
        by_value.setdefault(value, []).append(label)
    usual = max(by_value, key=lambda value: len(by_value[value]))
    others = [f"{', '.join(labels)} {write(value)}" for value, labels in by_value.items() if value != usual]
    return "; ".join([write(usual), *others])


def _limit_text(seconds: float | None) -> str:
    return "none" if seconds is None else duration(seconds)


def initial_of(policies: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the fields hold for stored policies."""
    return {**{name: policies.get(name) for name in POLICIES}, "notify": "\n".join(policies.get("notify") or [])}
