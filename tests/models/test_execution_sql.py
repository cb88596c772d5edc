"""The hand-written statements about executions: one list of columns, and no move that the lifecycle does not know."""

from __future__ import annotations

import importlib.util
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.factories import make_webhook_timer
from timers.clock import to_us
from timers.engine.dispatch import claim_intervals
from timers.lifecycle import EXECUTION_MOVES, ExecutionStatus
from timers.models import Execution, sql
from timers.models.execution_sql import begin, inserts, moves
from timers.models.execution_sql.moves import ExecutionMove
from timers.models.statement import Statement

HOUSE = Path(moves.__file__).parents[2]
COLUMNS = [field.column for field in Execution._meta.local_concrete_fields]
INSERTS = {
    name: statement
    for name, statement in vars(inserts).items()
    if isinstance(statement, Statement) and "insert into" in statement._texts["sqlite"]
}
MOVES = {
    name: move for module in (begin, moves) for name, move in vars(module).items() if isinstance(move, ExecutionMove)
}


def inserted(text: str) -> list[str]:
    """Return the columns that an INSERT of executions writes."""
    found = re.search(r"insert into timers_execution \((.*?)\)", text)
    assert found is not None
    return found[1].split(", ")


@pytest.mark.parametrize("vendor", ["postgresql", "sqlite"])
@pytest.mark.parametrize("name", INSERTS)
def test_every_insert_writes_all_columns_of_the_model(name: str, vendor: str) -> None:
    assert inserted(INSERTS[name]._texts[vendor]) == COLUMNS


@pytest.mark.parametrize("way", claim_intervals._STATEMENTS.values(), ids=map(str, claim_intervals._STATEMENTS))
def test_so_does_the_claim_of_intervals(way: Any) -> None:
    assert inserted(way.insert) == COLUMNS


def test_an_insert_names_only_columns_of_the_model() -> None:
    given = {"id": "v.id", "timer_id": "v.t", "definition_id": "1", "scheduled_for": "1", "run_at": "1"}

    with pytest.raises(ValueError, match="have no column door"):
        inserts.insert("from v", returning="id", **given, created_at="1", door="1")
    with pytest.raises(ValueError, match="must name created_at"):
        inserts.insert("from v", returning="id", **given)


@pytest.mark.django_db
def test_defaults_are_those_of_the_model(owner: Any, now: datetime) -> None:
    timer = make_webhook_timer(owner)
    at = to_us(now)
    new = inserts.NewPlannedExecution(uuid4().hex, timer.pk.hex, 1, "schedule", "pending", at, at, at)
    inserts.PLANNED.fetch(rows=[new])
    made = Execution.objects.create(
        timer=timer, definition_id=1, scheduled_for=now, serial=7, trigger="manual", run_at=now, created_at=now
    )

    stored = Execution.objects.get(serial=0)

    differing = {name for name in COLUMNS if getattr(stored, name) != getattr(made, name)}
    assert differing == {"id", "serial", "trigger"}


def test_all_moves_are_moves_of_the_lifecycle() -> None:
    pairs = {(source, target) for move in MOVES.values() for source in move.pairs for target in move.pairs[source]}

    assert pairs <= {(source, target) for source, targets in EXECUTION_MOVES.items() for target in targets}
    assert len(MOVES) > 15


def test_a_module_with_a_wrong_move_cannot_be_imported(tmp_path: Path) -> None:
    wrong = '\nREVIVE = ExecutionMove[Any]({COMPLETED: {RUNNING}}, "attempt = attempt + 1", where="true")\n'
    (tmp_path / "wrong_moves.py").write_text(Path(moves.__file__).read_text() + wrong)
    spec = importlib.util.spec_from_file_location("wrong_moves", tmp_path / "wrong_moves.py")
    assert spec is not None
    assert spec.loader is not None

    with pytest.raises(ValueError, match="No move from completed to running exists"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_no_other_module_writes_executions_by_hand() -> None:
    writing = re.compile(r"(update|insert\s+into|delete\s+from)\s+timers_execution\b", re.IGNORECASE)
    writers = {path.parent.name for path in HOUSE.rglob("*.py") if writing.search(path.read_text())}

    assert writers == {"execution_sql"}


@pytest.mark.django_db
@pytest.mark.parametrize("name", MOVES)
def test_a_move_changes_only_executions_in_its_source_states(owner: Any, now: datetime, name: str) -> None:
    """One timer has an execution in each state, as far as possible with what the move asks for."""
    move = MOVES[name]
    timer = make_webhook_timer(owner, policies={"overlap": "allow"})
    started = name in ("CANCEL_RETRYING", "REROUTE", "REQUEUE", "REPEAT_LOST", "RELEASE_RETRIES")
    is_first = name == "TAKE_OVER"
    rows = {
        status: Execution.objects.create(
            timer=timer,
            definition_id=timer.definition_id,
            status=status,
            scheduled_for=now + timedelta(seconds=number),
            run_at=now + timedelta(seconds=number),
            created_at=now,
            started_at=now if started or status == ExecutionStatus.RETRYING else None,
            attempt=0 if is_first else 1,
            lease_owner="w1",
            lease_until=now,
            skip_reason="overlap" if status == ExecutionStatus.SKIPPED else None,
        )
        for number, status in enumerate(ExecutionStatus)
    }
    for source in move.pairs:
        run(move, rows[source], others=rows.values(), now=now)

    after = {status: Execution.objects.get(pk=row.pk).status for status, row in rows.items()}
    moved = {(status, after[status]) for status in rows if after[status] != status}
    assert {source for source, _ in moved} == set(move.pairs)
    assert all(target in move.pairs[ExecutionStatus(source)] for source, target in moved)


def run(move: ExecutionMove[Any], row: Execution, *, others: Any, now: datetime) -> None:
    """Carry a move out for one execution where it names one, and for all of them where it names many."""
    at = to_us(now)
    named_by_others = "e.id <>" in move._texts["sqlite"]
    executions = list(others)
    ended = [None] * 8
    values: dict[str, Any] = {
        "now": at if "e.run_at > " not in move._texts["sqlite"] else at - 1,
        "lease_until": at,
        "soon": at - 1,
        "limit": 100,
        "owner": "w1",
        "owner_id": row.timer.owner_id,
        "timer_id": row.timer_id.hex,
        "id": uuid4().hex if named_by_others else row.pk.hex,
        "scheduled_for": at + 1_000_000_000,
        "attempt": 1,
        "reason": "overlap",
        "message": None,
        "cluster": None,
        "ids": [execution.pk.hex for execution in executions],
        "rows": [(execution.pk.hex, 1, "failed", at, *ended) for execution in executions],
    }
    if move is moves.TAKE_OVER:
        values["ids"] = [row.timer_id.hex]
    text = move._texts["postgresql" if sql.on_postgresql() else "sqlite"]
    move.change(**{name: value for name, value in values.items() if f"%({name})s" in text})
