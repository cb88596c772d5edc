"""The contract of an action, what it is given and what it answers, and the registry of kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from timers import parameters
from timers.lifecycle import Trigger
from timers.parameters import Parameter
from timers.registry import Registry

MASK = "***"


class OutcomeKind(StrEnum):
    """Kinds of ends of an attempt."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    WAITING = "waiting"  # the work goes on elsewhere; somebody else will finish the execution
    SKIPPED = "skipped"  # the action found at its start that it is not wanted this time
    NOT_HERE = "not_here"  # this worker cannot carry it out, others may; it did not begin


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Outcome of an attempt.

    `result` is shown as the execution's result; `details` is kept with the attempt (request, answer, log).
    `failure_reason` of SKIPPED is the reason for skipping.
    `retryable` and `retry_after` (seconds) count only for FAILED; `pause_timer` is a reason to pause the timer.
    """

    ending: OutcomeKind
    result: dict[str, Any] | None = None
    details: dict[str, Any] | None = None
    error_message: str | None = None
    failure_reason: str | None = None
    retryable: bool = False
    retry_after: float | None = None
    pause_timer: str | None = None
    transfer_id: UUID | None = None

    @classmethod
    def completed(cls, result: dict[str, Any] | None = None, **more: Any) -> Outcome:
        return cls(ending=OutcomeKind.COMPLETED, result=result, **more)

    @classmethod
    def failed(cls, message: str, *, reason: str, retryable: bool = False, **more: Any) -> Outcome:
        return cls(ending=OutcomeKind.FAILED, error_message=message, failure_reason=reason, retryable=retryable, **more)

    @classmethod
    def waiting(cls, **more: Any) -> Outcome:
        return cls(ending=OutcomeKind.WAITING, **more)

    @classmethod
    def skipped(cls, message: str, *, reason: str, **more: Any) -> Outcome:
        return cls(ending=OutcomeKind.SKIPPED, error_message=message, failure_reason=reason, **more)

    @classmethod
    def not_here(cls, message: str) -> Outcome:
        return cls(ending=OutcomeKind.NOT_HERE, error_message=message)

    @classmethod
    def cancelled(cls, message: str = "Cancelled.") -> Outcome:
        return cls(ending=OutcomeKind.CANCELLED, error_message=message, failure_reason="cancelled")


@dataclass(frozen=True, kw_only=True)
class Context:
    """Context of one attempt. `parameters` is the body with its secrets in place; `deadline` ends the attempt.

    Of the step of a workflow run (`is_step`) the `execution_id` is that of the step, and those after it need the whole
    answer.
    """

    execution_id: UUID
    timer_id: UUID | None
    owner_id: int
    name: str
    parameters: Mapping[str, Any]
    attempt: int
    scheduled_for: datetime
    started_at: datetime
    deadline: datetime | None
    cancelled: Callable[[], bool] = field(default=lambda: False)
    """True when the attempt should stop: it was cancelled, or its lease was lost."""
    signing_secrets: tuple[bytes, ...] = ()
    """Keys to sign a delivery with, newest first."""
    is_step: bool = False
    trigger: str = Trigger.SCHEDULE
    notes: dict[str, Any] = field(default_factory=dict)
    """Details that are kept with the attempt, also when it is given up; the action writes them as it goes."""


CURRENT: ContextVar[Context | None] = ContextVar("timers_current_run", default=None)
"""Context of the attempt that this thread carries out, for helpers that a code timer calls."""


@dataclass(frozen=True)
class Defaults:
    """Policies of an action where neither the timer nor the interface says otherwise (docs/policies.md)."""

    max_attempts: int = 3
    timeout_seconds: float | None = 30.0


class Action(ABC):
    """One kind of thing that a timer does. Instances hold no state: one serves a whole worker process.

    What others must know of a kind is said here: nothing else lists the names of actions.
    """

    kind: ClassVar[str]
    label: ClassVar[str]
    icon: ClassVar[str] = "clock"
    """The name of one of our icons (templates/timers/_icons.html)."""
    defaults: ClassVar[Defaults] = Defaults()
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    """The fields of the body, for an action without a form and checks of its own."""
    form: ClassVar[str] = ""
    """The dotted path of its own form; without one the form is made of `parameters`, or is the body as JSON."""

    signs_deliveries: ClassVar[bool] = False
    """True when deliveries are signed: its timers get a secret, and its context holds the keys."""
    watches_deadline: ClassVar[bool] = False
    """True when it ends by itself at its deadline; it gets a moment more to report."""
    may_run_ahead: ClassVar[bool] = False
    """True when a worker may hold its sub-second timers and begin their occurrences ahead."""
    input_fields: ClassVar[tuple[str, ...]] = ()
    """Fields that a flow's input replaces; the first of them receives it. Flows start no other action."""
    task_type: ClassVar[str] = ""
    """The type of workflow tasks that it carries out; empty for none."""
    task_timeout_seconds: ClassVar[float] = 3_600.0
    """Time limit of a workflow task whose definition names none."""
    in_globus: ClassVar[bool] = False
    """True when the Globus dialect can express its timers; it can express those that were created as flows."""

    @classmethod
    def runs_on_every_cluster(cls, body: Mapping[str, Any]) -> bool:
        """Return whether each occurrence runs once on every cluster."""
        return False

    @classmethod
    def runs_at_most_once(cls, body: Mapping[str, Any]) -> bool:
        """Return whether nothing may be repeated whose worker died or stopped."""
        return False

    @classmethod
    def clean(cls, body: Mapping[str, Any], *, owner: Any) -> dict[str, Any]:
        """Return the body, checked and normalised; raises Invalid with field names relative to the body.

        `owner` is the user whose rights count. Secret values may be MASK: they stay as they are.
        Without declared `parameters` any object will do.
        """
        if not cls.parameters:
            return dict(body)
        masked = {name: MASK for name in cls._secret_names() if body.get(name) == MASK}
        declared = [parameter for parameter in cls.parameters if parameter.name not in masked]
        return {**parameters.read(declared, {name: body[name] for name in body if name not in masked}), **masked}

    @abstractmethod
    def run(self, context: Context) -> Outcome:
        """Carry out one attempt, outside any transaction.

        Raises ExternalError for faults of the outside; anything else raised is recorded as a defect.
        """

    @classmethod  # noqa: B027  most actions hold nothing
    def close(cls) -> None:
        """Let go of what this process holds: a worker ends."""

    def cancel(self, context: Context) -> None:  # noqa: B027  most actions look at context.cancelled instead
        """Stop what goes on elsewhere for this execution."""

    @classmethod
    def split_secrets(cls, body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the body with every secret replaced by MASK, and the secrets by dotted path.

        A secret that was given as MASK is among them as MASK: who stores it knows what it stands for.
        """
        secrets = {name: str(body[name]) for name in cls._secret_names() if name in body}
        return {**body, **dict.fromkeys(secrets, MASK)}, secrets

    @classmethod
    def join_secrets(cls, body: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
        """Return the body with the secrets back in their places."""
        names = [name for name in cls._secret_names() if body.get(name) == MASK and name in secrets]
        return {**body, **{name: secrets[name] for name in names}}

    @classmethod
    def recipient(cls, body: Mapping[str, Any]) -> str:
        """Return to whom the secrets of a body are sent, such as scheme, host and port; empty for nobody outside.

        A stored secret stays in a body that is edited only while this stays the same.
        """
        return ""

    @classmethod
    def _secret_names(cls) -> list[str]:
        return [parameter.name for parameter in cls.parameters if parameter.secret]

    @classmethod
    def summary(cls, body: Mapping[str, Any]) -> str:
        """Return what the action does in a few words, for lists ("POST example.org")."""
        return cls.label


def icon_of(kind: str) -> str:
    """Return the icon of a kind, that of any action for one that is not installed."""
    return ACTIONS.get(kind).icon if kind in ACTIONS else Action.icon


def kinds_that(test: Callable[[type[Action]], object]) -> list[str]:
    """Return the kinds of the actions that a test is true of."""
    return [kind for kind, action in ACTIONS.items() if test(action)]


ACTIONS: Registry[Action] = Registry("timer_type")
ACTIONS.register("transfer", "timers.actions.transfer.TransferAction")
ACTIONS.register("webhook", "timers.actions.webhook.WebhookAction")
ACTIONS.register("workflow", "timers.actions.workflow.WorkflowAction")
ACTIONS.register("code", "timers.actions.code.CodeAction")
