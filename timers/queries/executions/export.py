"""Export of executions as JSON or CSV: the documents of the API plus the timer's name, written line by line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from timers import formatting
from timers.models import Execution

MAX_ROWS = 100_000
COLUMNS = (
    "id",
    "timer_id",
    "timer_name",
    "status",
    "trigger",
    "scheduled_for",
    "started_at",
    "completion_time",
    "lateness_seconds",
    "duration_seconds",
    "attempt",
    "result",
    "error_message",
    "failure_reason",
    "skip_reason",
    "occurrences",
    "scheduled_until",
    "transfer_id",
    "workflow_id",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TRUNCATED = f"There are more executions. An export contains the newest {MAX_ROWS:,} at most; choose a shorter time."


def as_json(executions: Iterable[Execution]) -> Iterator[str]:
    """Yield the text of one JSON object. `truncated` says whether executions were left out."""
    yield '{"executions": ['
    more = False
    for number, execution in enumerate(executions):
        more = number == MAX_ROWS
        if more:
            break
        yield (",\n" if number else "\n") + json.dumps(document(execution), ensure_ascii=False)
    yield f'\n], "truncated": {json.dumps(more)}}}\n'


def as_csv(executions: Iterable[Execution]) -> Iterator[str]:
    """Yield the lines of a CSV table without spreadsheet formulas. The last line says if executions were left out."""
    writer = csv.writer(_LineBuffer())
    yield writer.writerow(COLUMNS)
    for number, execution in enumerate(executions):
        if number == MAX_ROWS:
            yield writer.writerow([_TRUNCATED])
            return
        yield writer.writerow([_cell(value) for value in document(execution).values()])


class _LineBuffer:
    """File object whose `write` returns the line."""

    def write(self, line: str) -> str:
        return line


def _cell(value: Any) -> Any:
    """Return a value of the table. Text that a spreadsheet would run as a formula gets a leading apostrophe."""
    if value is None:
        return ""
    if isinstance(value, dict | list | bool):
        value = json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def document(execution: Execution) -> dict[str, Any]:
    """Return the document of an execution, with the field names of the API."""
    began, ended = execution.started_at, execution.finished_at
    return {
        "id": str(execution.pk),
        "timer_id": str(execution.timer_id),
        "timer_name": execution.timer.name,
        "status": execution.status,
        "trigger": execution.trigger,
        "scheduled_for": _instant(execution.scheduled_for),
        "started_at": _instant(began),
        "completion_time": _instant(ended),
        "lateness_seconds": (began - execution.scheduled_for).total_seconds() if began else None,
        "duration_seconds": (ended - began).total_seconds() if began and ended else None,
        "attempt": execution.attempt,
        "result": execution.result,
        "error_message": execution.error_message,
        "failure_reason": execution.failure_reason,
        "skip_reason": execution.skip_reason,
        "occurrences": execution.occurrences,
        "scheduled_until": _instant(execution.scheduled_until),
        "transfer_id": str(execution.transfer_id) if execution.transfer_id else None,
        "workflow_id": str(execution.workflow_id) if execution.workflow_id else None,
    }


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else formatting.iso(instant)
