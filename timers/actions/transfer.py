"""The action `transfer`: it submits a transfer and waits for it without holding a worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model

from timers import clock
from timers.actions.base import Action, Context, Defaults, Outcome
from timers.errors import Invalid
from timers.services.people import consents
from timers.services.people.consents import ConsentRequired
from timers.services.transfers import commands as transfers
from timers.workflow_rules.definitions import TaskType


class TransferAction(Action):
    """Makes a destination match a source. The body is Globus' TransferData document."""

    kind = "transfer"
    label = "Transfer"
    icon = "transfer"
    defaults = Defaults(max_attempts=3, timeout_seconds=86_400.0)
    form = "timers.web.timers.action_forms.transfer.TransferForm"
    watches_deadline = True
    task_type = TaskType.TRANSFER
    task_timeout_seconds = 86_400.0
    in_globus = True

    @classmethod
    def clean(cls, body: Mapping[str, Any], *, owner: Any) -> dict[str, Any]:
        return transfers.check_body(body, owner=owner)

    def run(self, context: Context) -> Outcome:
        """Submit the transfer, or continue the one that an earlier attempt of this execution began.

        The timer of an app without consent for the collections is paused until there is one.
        """
        try:
            if context.timer_id is not None:
                consents.require_for_timer(context.timer_id, context.parameters)
            transfer = transfers.submit(
                owner=get_user_model().objects.get(pk=context.owner_id),
                body=context.parameters,
                now=clock.now(),
                timer_id=context.timer_id,
                execution_id=None if context.is_step else context.execution_id,
                step_id=context.execution_id if context.is_step else None,
                attempt=context.attempt,
                deadline=context.deadline,
                planned_at=context.scheduled_for,
            )
        except Invalid as error:  # for example a collection that was deleted since, or a deadline that has passed
            return Outcome.failed(error.message, reason="invalid")
        except ConsentRequired as error:
            return Outcome.failed(error.message, reason=error.code, pause_timer=error.message)
        return transfers.outcome_of(transfer)

    def cancel(self, context: Context) -> None:
        transfers.cancel_for_execution(context.execution_id, now=clock.now())

    @classmethod
    def summary(cls, body: Mapping[str, Any]) -> str:
        """Return "/from → /to", with paths only: names of collections would cost lists one query per timer."""
        items = [item for item in body.get("DATA") or [] if isinstance(item, Mapping)]
        if not items:
            return cls.label
        more = f" and {len(items) - 1} more" if len(items) > 1 else ""
        return f"{_line(items[0].get('source_path'))} → {_line(items[0].get('destination_path'))}{more}"


def _line(path: object) -> str:
    return "".join(character if character.isprintable() else "�" for character in str(path))
