"""One execution as its page shows it: its course, its attempts, what it started, and the last one that was good."""

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

LOOKED_THROUGH = 200
"""Earlier executions among which the last good one is sought."""
MAX_FIELDS = 6
NOTABLE_WAIT = timedelta(seconds=1)


@dataclass(frozen=True)
class LastGood:
    """The last execution before this one that was completed, and what was different then."""

    execution: Execution
    took: timedelta | None
    answer: Mapping[str, Any]
    different: list[str]


@dataclass(frozen=True)
class ExecutionDetail:
    """One execution with its attempts, and what it started."""

    row: ExecutionRow
    attempts: list[Attempt]
    transfer: TransferRow | None
    workflow: RunDetail | None
    before: Execution | None
    next: Execution | None
    policies: Mapping[str, Any]
    last_good: LastGood | None = None

    @property
    def execution(self) -> Execution:
        return self.row.execution

    @property
    def unfinished(self) -> bool:
        return self.execution.status in UNFINISHED

    @property
    def asked_for(self) -> bool:
        """Whether somebody asked for it, so that nothing was planned."""
        return self.execution.serial > 0

    @property
    def spread(self) -> bool:
        """Whether its start was put off by jitter."""
        return self.execution.run_at > self.execution.scheduled_for and not self.asked_for

    @property
    def queued(self) -> bool:
        """Whether it waited after its instant, for a worker or for the one before it."""
        begun = self.execution.started_at
        return begun is not None and begun - self.execution.run_at > NOTABLE_WAIT

    @property
    def most_attempts(self) -> int | None:
        """How many attempts there can be: lost ones do not count."""
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
        """Whether an attempt runs that has not been written down; those of a transfer have, while the work goes on."""
        running = self.execution.status == ExecutionStatus.RUNNING
        return running and all(each.number != self.execution.attempt for each in self.attempts)

    @property
    def ends_by(self) -> datetime | None:
        """When the first attempt is ended at the latest, while it runs; of later ones the beginning is not kept."""
        limit, begun = self.policies.get("timeout_seconds"), self.execution.started_at
        if not self.at_work or self.execution.attempt > 1 or begun is None or not isinstance(limit, int | float):
            return None
        return begun + timedelta(seconds=limit)

    @property
    def mark(self) -> str:
        """What tells that more has changed than the clock."""
        execution = self.execution
        return f"{execution.status}-{len(self.attempts)}-{execution.cancel_requested:d}"


def execution_detail(execution: Execution, *, now: datetime) -> ExecutionDetail:
    """Return what the page of one execution shows, from five queries; three more for a workflow, or a failure."""
    siblings = Execution.objects.filter(timer=execution.timer_id)
    earlier = siblings.filter(scheduled_for__lt=execution.scheduled_for).order_by("-scheduled_for", "-serial")
    attempts = list(Attempt.objects.filter(execution_id=execution.pk).order_by("number"))
    policies = (execution.definition.policies if execution.definition else None) or {}
    return ExecutionDetail(
        row=execution_row(execution, now=now),
        attempts=attempts,
        transfer=_transfer(execution, now=now),
        workflow=_workflow(execution, now=now),
        before=earlier.first(),
        next=siblings.filter(scheduled_for__gt=execution.scheduled_for).order_by("scheduled_for", "serial").first(),
        policies=policies,
        last_good=_last_good(execution, earlier, attempts) if execution.status == ExecutionStatus.FAILED else None,
    )


def _transfer(execution: Execution, *, now: datetime) -> TransferRow | None:
    if execution.transfer_id is None:
        return None
    found = Transfer.objects.filter(pk=execution.transfer_id).select_related("source", "destination").first()
    return transfer_row(found, now=now) if found is not None else None


def _workflow(execution: Execution, *, now: datetime) -> RunDetail | None:
    if execution.workflow_id is None:
        return None
    found = WorkflowRun.objects.filter(pk=execution.workflow_id).first()
    return run_detail(found, now=now) if found is not None else None


def _last_good(execution: Execution, earlier: Any, attempts: list[Attempt]) -> LastGood | None:
    states = earlier.values_list("pk", "status")[:LOOKED_THROUGH]
    pk = next((pk for pk, status in states if status == ExecutionStatus.COMPLETED), None)
    if pk is None:
        return None
    good = Execution.objects.select_related("definition").get(pk=pk)
    last = Attempt.objects.filter(execution_id=pk).order_by("-number").first()
    then = (last.details if last else None) or {}
    this = (attempts[-1].details if attempts else None) or {}
    return LastGood(
        execution=good,
        took=good.finished_at - good.started_at if good.finished_at and good.started_at else None,
        answer=then.get("answer") or {},
        different=_different(good.definition, execution.definition, then, this),
    )


def _different(
    old: Definition | None, new: Definition | None, then: Mapping[str, Any], this: Mapping[str, Any]
) -> list[str]:
    """Return in words what differs between the last good run and this one."""
    said = []
    if old is not None and new is not None and old.pk != new.pk:
        fields = list(dict.fromkeys(change.field for change in differences(old, new)))
        if fields:
            shown = ", ".join(fields[:MAX_FIELDS]) + (" and more" if len(fields) > MAX_FIELDS else "")
            said.append(f"the definition: {shown}")
    requests = [(each.get("request") or {}) for each in (then, this)]
    if all(requests):
        names = [name for name in ("method", "url", "body") if requests[0].get(name) != requests[1].get(name)]
        said.append(f"the request: {', '.join(names)}" if names else "the answer only; the request is the same")
    return said


# Logs


@dataclass(frozen=True)
class LogLine:
    """One line that a function wrote."""

    at: datetime | None
    level: str
    text: str
    rank: int = 20


@dataclass(frozen=True)
class Log:
    """The lines of an attempt that are shown, of how many; `truncated` when more was written than was kept."""

    lines: list[LogLine] = field(default_factory=list)
    total: int = 0
    truncated: bool = False


RANKS: Mapping[str, int] = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "WARN": 30, "ERROR": 40, "CRITICAL": 50}


def read_log(details: Mapping[str, Any] | None, *, least: int = 0, q: str = "") -> Log | None:
    """Return the log of an attempt's details from the level `least` on, with `q` in the text; None without a log."""
    written = (details or {}).get("log")
    if not isinstance(written, list):
        return None
    lines = [_line(each) for each in written if isinstance(each, Mapping)]
    wanted = [line for line in lines if line.rank >= least and q.casefold() in line.text.casefold()]
    return Log(wanted, len(lines), bool((details or {}).get("log_truncated")))


def _line(written: Mapping[str, Any]) -> LogLine:
    level = str(written.get("level") or "INFO").upper()
    try:
        at = datetime.fromisoformat(str(written.get("at")))
    except ValueError:
        at = None
    aware = at if at is not None and at.tzinfo is not None else None
    return LogLine(aware, level.lower(), str(written.get("text") or ""), RANKS.get(level, 20))
