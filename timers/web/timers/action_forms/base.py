"""The part of a timer's form that says what runs: a class and a template for each kind of action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from timers.actions.base import ACTIONS
from timers.registry import Registry
from timers.web.people.forms import PlainForm

MONO = {"class": "mono", "autocomplete": "off", "spellcheck": "false"}


class ActionForm(PlainForm):
    """The fields of one kind of action. All parts stand in one form: names of fields must not be used twice.

    Only the part that was chosen is read. This one has no fields and leaves the body as it is.
    """

    template: ClassVar[str] = "timers/_part_other.html"
    places: ClassVar[Mapping[str, str]] = {}
    """Where a complaint about a field of the body is shown, by the field's path; fields of one name find each other."""

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
        """Whether what is folded away holds an error, or something that was set."""
        return False


ACTION_FORMS: Registry[ActionForm] = Registry("timer_type")
ACTION_FORMS.register("transfer", "timers.web.timers.action_forms.transfer.TransferForm")
ACTION_FORMS.register("webhook", "timers.web.timers.action_forms.webhook.WebhookForm")
ACTION_FORMS.register("workflow", "timers.web.timers.action_forms.workflow.WorkflowForm")
ACTION_FORMS.register("code", "timers.web.timers.action_forms.code.CodeForm")

ORDER = ("transfer", "webhook", "workflow", "code")
"""The kinds that the form names, in this order, also those that cannot be chosen here."""


def part_of(kind: str) -> type[ActionForm]:
    """Return the part for a kind of action; one without fields for a kind that has none."""
    return ACTION_FORMS.get(kind) if kind in ACTION_FORMS else ActionForm


def label_of(kind: str) -> str:
    return ACTIONS.get(kind).label if kind in ACTIONS else kind.title()


def why_not(kind: str, reader: Any) -> str:
    """Return the sentence why a kind cannot be chosen for a new timer, empty when it can."""
    if kind not in ACTIONS or kind not in ACTION_FORMS:
        return f"{label_of(kind)}s cannot be chosen yet: this installation has none."
    return ACTION_FORMS.get(kind).why_not(reader)
