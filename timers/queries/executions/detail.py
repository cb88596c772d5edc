"""The read model of one execution's page: progress, attempts, what it started, and the last successful execution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from timers.lifecycle import UNFINISHED, ExecutionStatus
from timers.models import Attempt, Definition, Execution, Transfer, WorkflowRun
from timers.queries.executions.listing import ExecutionRow, execution_row
from timers.queries.timers.versions import differences
from timers.queries.transfers.listing import TransferRow, transfer_row
from timers.queries.workflows.run_detail import RunDetail, run_detail

MAX_SEARCHED = 200
"""Number of earlier executions that are searched for the last successful one."""
MAX_FIELDS = 6
NOTABLE_WAIT = timedelta(seconds=1)


@dataclass(frozen=True)
class LastSuccess:
    """The last completed execution before this one, and the differences between the two."""

    execution: Execution
    took: timedelta | None
    answer: Mapping[str, Any]
    different: list[str]


@dataclass(frozen=True)
class ExecutionOverview:
    """One execution with its attempts, and the transfer or workflow that it started."""

    row: ExecutionRow
    attempts: list[Attempt]
    transfer: TransferRow | None
    workflow: RunDetail | None
    before: Execution | None
    next: Execution | None
    policies: Mapping[str, Any]
    last_good: LastSuccess | None = None

    @property
    def execution(self) -> Execution:
        return self.row.execution

    @property
    def unfinished(self) -> bool:
        return self.execution.status in UNFINISHED

    @property
    def asked_for(self) -> bool:
        """True for a manual run, which was not planned by a schedule."""
        return self.execution.serial > 0

    @property
    def spread(self) -> bool:
        """True if jitter delayed the start."""
        return self.execution.run_at > self.execution.scheduled_for and not self.asked_for

    @property
    def queued(self) -> bool:
        """True if it waited after its instant, for a worker or for the execution before it."""
        begun = self.execution.started_at
        return begun is not None and begun - self.execution.run_at > NOTABLE_WAIT

    @property
    def most_attempts(self) -> int | None:
        """Maximum number of attempts; lost ones do not count. None without a limit."""
        most = self.policies.get("max_attempts")
        return most + self.execution.lost_attempts if isinstance(most, int) else None

    @property
    def next_attempt(self) -> int:
        return self.execution.attempt + 1

    @property
    def next_is_last(self) -> bool:
        return self.most_attempts is not None and self.next_attempt >= self.most_attempts

    @property
    def at_work(self) -> bool:
        """True if the current attempt is not recorded yet. A transfer's attempt is recorded while the work goes on."""
        running = self.execution.status == ExecutionStatus.RUNNING
        return running and all(attempt.number != self.execution.attempt for attempt in self.attempts)

    @property
    def ends_by(self) -> datetime | None:
        """Time limit of the first attempt while it runs. Later attempts have none: their start is not stored."""
        limit, begun = self.policies.get("timeout_seconds"), self.execution.started_at
        if not self.at_work or self.execution.attempt > 1 or begun is None or not isinstance(limit, int | float):
            return None
        return begun + timedelta(seconds=limit)

    @property
    def mark(self) -> str:
        """Text that changes whenever the page has more to show than a new time."""
        execution = self.execution
        return f"{execution.status}-{len(self.attempts)}-{execution.cancel_requested:d}"


def execution_overview(execution: Execution, *, now: datetime) -> ExecutionOverview:
    """Return the read model of an execution, from five queries; three more for a workflow or a failure."""
    siblings = Execution.objects.filter(timer=execution.timer_id)
    earlier = siblings.filter(scheduled_for__lt=execution.scheduled_for).order_by("-scheduled_for", "-serial")
    attempts = list(Attempt.objects.filter(execution_id=execution.pk).order_by("number"))
    policies = (execution.definition.policies if execution.definition else None) or {}
    return ExecutionOverview(
        row=execution_row(execution, now=now),
        attempts=attempts,
        transfer=_transfer(execution, now=now),
        workflow=_workflow(execution, now=now),
        before=earlier.first(),
        next=siblings.filter(scheduled_for__gt=execution.scheduled_for).order_by("scheduled_for", "serial").first(),
        policies=policies,
        last_good=_last_success(execution, earlier, attempts) if execution.status == ExecutionStatus.FAILED else None,
    )


def _transfer(execution: Execution, *, now: datetime) -> TransferRow | None:
    if execution.transfer_id is None:
        return None
    transfer = Transfer.objects.filter(pk=execution.transfer_id).select_related("source", "destination").first()
    return transfer_row(transfer, now=now) if transfer is not None else None


def _workflow(execution: Execution, *, now: datetime) -> RunDetail | None:
    if execution.workflow_id is None:
        return None
    run = WorkflowRun.objects.filter(pk=execution.workflow_id).first()
    return run_detail(run, now=now) if run is not None else None


def _last_success(execution: Execution, earlier: Any, attempts: list[Attempt]) -> LastSuccess | None:
    states = earlier.values_list("pk", "status")[:MAX_SEARCHED]
    pk = next((pk for pk, status in states if status == ExecutionStatus.COMPLETED), None)
    if pk is None:
        return None
    good = Execution.objects.select_related("definition").get(pk=pk)
    last = Attempt.objects.filter(execution_id=pk).order_by("-number").first()
    old_details = (last.details if last else None) or {}
    new_details = (attempts[-1].details if attempts else None) or {}
    return LastSuccess(
        execution=good,
        took=good.finished_at - good.started_at if good.finished_at and good.started_at else None,
        answer=old_details.get("answer") or {},
        different=_differences(good.definition, execution.definition, old_details, new_details),
    )


def _differences(
    old: Definition | None, new: Definition | None, old_details: Mapping[str, Any], new_details: Mapping[str, Any]
) -> list[str]:
    """Return, in words, the differences between the last successful run and this one."""
    texts = []
    if old is not None and new is not None and old.pk != new.pk:
        fields = list(dict.fromkeys(change.field for change in differences(old, new)))
        if fields:
            shown = ", ".join(fields[:MAX_FIELDS]) + (" and more" if len(fields) > MAX_FIELDS else "")
            texts.append(f"the definition: {shown}")
    requests = [(details.get("request") or {}) for details in (old_details, new_details)]
    if all(requests):
        names = [name for name in ("method", "url", "body") if requests[0].get(name) != requests[1].get(name)]
        texts.append(f"the request: {', '.join(names)}" if names else "the answer only; the request is the same")
    return texts


# Logs


@dataclass(frozen=True)
class LogLine:
    """One line of a log."""

    at: datetime | None
    level: str
    text: str
    rank: int = 20


@dataclass(frozen=True)
class Log:
    """The shown lines of an attempt's log and the number of all lines. `truncated`: not every line was stored."""

    lines: list[LogLine] = field(default_factory=list)
    total: int = 0
    truncated: bool = False


RANKS: Mapping[str, int] = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "WARN": 30, "ERROR": 40, "CRITICAL": 50}


def read_log(details: Mapping[str, Any] | None, *, least: int = 0, q: str = "") -> Log | None:
    """Return the log in an attempt's details: lines from level `least` on with `q` in the text; None without a log."""
    entries = (details or {}).get("log")
    if not isinstance(entries, list):
        return None
    lines = [_line(entry) for entry in entries if isinstance(entry, Mapping)]
    severe = [line for line in lines if line.rank >= least]
    matching = [line for line in severe if q.casefold() in line.text.casefold()]
    return Log(matching, len(lines), bool((details or {}).get("log_truncated")))


def _line(entry: Mapping[str, Any]) -> LogLine:
    level = str(entry.get("level") or "INFO").upper()
    try:
        at = datetime.fromisoformat(str(entry.get("at")))
    except ValueError:
        at = None
    aware = at if at is not None and at.tzinfo is not None else None
    return LogLine(aware, level.lower(), str(entry.get("text") or ""), RANKS.get(level, 20))
