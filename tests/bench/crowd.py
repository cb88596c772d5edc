"""A busy site to look at: thousands of timers and a million executions, written by the database itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection

from timers import clock
from timers.models import (
    ClientKey,
    Collection,
    Event,
    Process,
    Token,
    Transfer,
    TransferEvent,
    TransferFile,
    WorkflowDefinition,
    WorkflowRun,
    WorkflowStep,
)

BUSY = 20
"""So many timers run every minute and have ten thousand executions each; all others run every hour."""
OF_A_BUSY_ONE = 10_000
TRANSFERS, COLLECTIONS, FILES = 2_000, 100, 5_000
WORKFLOWS, RUNS, STEPS = 300, 10_000, 50
MINUTE = 60_000_000

_TIMERS = """
insert into timers_timer (id, owner_id, interface, name, description, action, status, status_reason, status_changed_at,
  definition_id, created_at, updated_at)
select md5('timer' || n)::uuid, %(owner)s, '',
  (array['Nightly copy', 'Telemetry export', 'Session clean-up', 'Order processing', 'Report'])[1 + n %% 5] || ' ' || n,
  '', (array['webhook', 'webhook', 'transfer', 'code', 'webhook'])[1 + n %% 5],
  case when n %% 50 = 49 then 'paused' when n %% 100 = 48 then 'ended' else 'active' end, '', %(now)s, n,
  %(now)s - n::bigint * 1000000, %(now)s
from generate_series(1, %(timers)s) as n"""
_DEFINITIONS = """
insert into timers_definition (id, timer_id, number, name, action, schedule, body, secrets, policies, created_at)
select t.definition_id, t.id, 1, t.name, t.action, case
  when t.definition_id <= %(busy)s then '{"type": "recurring", "interval_seconds": 60}'::jsonb
  when t.definition_id %% 4 = 0 then jsonb_build_object('type', 'cron', 'timezone', 'Europe/Berlin', 'expression',
    format('0 %%s %%s * * ?', t.definition_id %% 60, t.definition_id %% 24))
  else '{"type": "recurring", "interval_seconds": 3600}'::jsonb end,
  case t.action when 'webhook' then jsonb_build_object('url', 'https://hooks.example.org/' || t.definition_id)
    when 'code' then '{"function": "bench.empty"}'::jsonb
    else jsonb_build_object('source_endpoint', %(from)s::text, 'destination_endpoint', %(to)s::text,
      'DATA', jsonb_build_array(jsonb_build_object('source_path', '/in/', 'destination_path', '/out/'))) end,
  '', '{"overlap": "skip", "catch_up": "latest", "max_attempts": 3, "backoff_seconds": 30}', %(now)s
from timers_timer t"""
_SCHEDULES = """
insert into timers_schedule (timer_id, definition_id, kind, interval_us, next_planned_at, next_run_at, overlap,
  catch_up, catch_up_limit, has_window, fired_count, jitter_us, planning_failures, breaker_openings, run_count,
  failure_count, cancelled_count, consecutive_failures, last_run_at)
select t.id, d.id, d.schedule->>'type', (d.schedule->>'interval_seconds')::bigint * 1000000, next, next, 'skip',
  'latest', 100, false, 90, 0, 0, 0, 90, case when d.id %% 100 = 7 then 5 else 0 end, 0,
  case when d.id %% 100 = 7 then 2 else 0 end,
  %(now)s - d.id * 300000
from timers_timer t join timers_definition d on d.id = t.definition_id,
lateral (select case when t.status = 'active' then %(now)s + 1000000 + d.id * 350000 end as next) as planned"""
_TAGS = """
insert into timers_timertag (timer_id, key, value)
select id, 'team', (array['data', 'ops', 'web', 'lab'])[1 + definition_id %% 4] from timers_timer
union all select id, 'prod', '' from timers_timer where definition_id %% 3 = 0
union all select id, 'rack', (definition_id %% 200)::text from timers_timer"""
_EXECUTIONS = """
insert into timers_execution (id, timer_id, definition_id, trigger, serial, status, scheduled_for, run_at, created_at,
  started_at, finished_at, attempt, lost_attempts, cancel_requested, error_message, failure_reason, skip_reason, result,
  occurrences)
select gen_random_uuid(), t.id, t.definition_id, 'schedule', 0, how, at, at, at,
  case when how <> 'skipped' then at + 20000 end,
  case when how = 'skipped' then at else at + 20000 + 1000 * (100 + (n * 7919 + t.definition_id * 13) %% 60000) end,
  case when how = 'skipped' then 0 else 1 end, 0, false,
  case when how = 'failed' then 'The target answered 503 Service Unavailable.' end,
  case when how = 'failed' then 'http_503' end, case when how = 'skipped' then 'overlap' end,
  case when how = 'completed' then '{"status_code": 200}'::jsonb end, 1
from timers_timer t, lateral generate_series(1,
  case when t.definition_id <= %(busy)s then %(of_a_busy_one)s else %(of_others)s end) as n,
lateral (select case (n * 31 + t.definition_id) %% 97 when 0 then 'failed' when 1 then 'failed' when 2 then 'skipped'
    when 3 then 'cancelled' else 'completed' end as how,
  %(now)s - n * case when t.definition_id <= %(busy)s then 60000000 else 3600000000 end::bigint
    - t.definition_id * 350000 as at) as planned
order by at"""
_RUNNING = """
update timers_execution set status = 'running', finished_at = null, result = null, lease_until = %(now)s + 3600000000
where id in (select e.id from timers_timer t, lateral (select id from timers_execution where timer_id = t.id
  order by scheduled_for desc limit 1) e where t.definition_id %% 400 = 1)"""
_EVENTS = """
insert into timers_event (at, actor_id, owner_id, verb, timer_id, text, data)
select created_at + n, owner_id, owner_id, case n when 0 then 'created' else 'updated' end, id, name, '{}'
from timers_timer, generate_series(0, 4) as n"""


@dataclass(frozen=True)
class Crowd:
    """What was made, and examples of it to open."""

    owner: Any
    hour: datetime
    """One of the coming hours, with its full load."""
    busy_timer: UUID
    timer: UUID
    execution: UUID
    failed: UUID
    transfer: UUID
    dry_run: UUID
    collection: UUID
    workflow: int
    workflow_run: UUID


def fill(timers: int, executions: int, *, now: datetime) -> Crowd:
    """Write so many timers and executions, and some of everything else, into an empty PostgreSQL."""
    owner = get_user_model().objects.create_superuser("bench", password=None)
    places = _collections(owner, now)
    busy = min(BUSY, timers)
    of_busy = min(OF_A_BUSY_ONE, executions // timers * 100)
    parameters = {
        "owner": owner.pk,
        "now": clock.to_us(now),
        "timers": timers,
        "busy": busy,
        "of_a_busy_one": of_busy,
        "of_others": max(1, (executions - busy * of_busy) // max(1, timers - busy)),
        "from": str(places[0].pk),
        "to": str(places[1].pk),
    }
    with connection.cursor() as cursor:
        for statement in (_TIMERS, _DEFINITIONS, _SCHEDULES, _TAGS, _EXECUTIONS, _RUNNING, _EVENTS):
            cursor.execute(statement, parameters)
    transfer, dry_run = _transfers(owner, places, now)
    workflow, workflow_run = _workflows(owner, now)
    _access(owner, now)
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")
        return Crowd(
            owner=owner,
            hour=(now + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0),
            busy_timer=_one(cursor, "select id from timers_timer where definition_id = 3"),
            timer=_one(cursor, "select id from timers_timer where definition_id = 27"),
            execution=_one(cursor, "select id from timers_execution order by scheduled_for desc limit 1"),
            failed=_one(
                cursor,
                "select id from timers_execution where status = 'failed' order by scheduled_for desc limit 1",
            ),
            transfer=transfer,
            dry_run=dry_run,
            collection=places[0].pk,
            workflow=workflow,
            workflow_run=workflow_run,
        )


def _one(cursor: Any, statement: str) -> UUID:
    cursor.execute(statement)
    return cursor.fetchone()[0]


def _collections(owner: Any, now: datetime) -> list[Collection]:
    return Collection.objects.bulk_create(
        Collection(
            owner=owner,
            display_name=f"Place {number}",
            kind="local",
            storage={"root": f"/nowhere/{number}"},
            created_at=now,
            updated_at=now,
        )
        for number in range(COLLECTIONS)
    )


def _transfers(owner: Any, places: list[Collection], now: datetime) -> tuple[UUID, UUID]:
    """Write transfers; return one with many files, and a dry run with as many."""
    made = Transfer.objects.bulk_create(
        Transfer(
            owner=owner,
            source=places[number % COLLECTIONS],
            destination=places[(number + 1) % COLLECTIONS],
            label=f"Copy {number}",
            options={"dry_run": True, "delete_destination_extra": True} if number == 1 else {},
            status="failed" if number % 9 == 8 else "succeeded",
            requested_at=now - timedelta(minutes=number),
            started_at=now - timedelta(minutes=number),
            finished_at=now - timedelta(minutes=number - 1),
            phase="copy",
            files=FILES,
            files_transferred=FILES,
            bytes_total=FILES * 1000,
            bytes_transferred=FILES * 1000,
        )
        for number in range(TRANSFERS)
    )
    TransferFile.objects.bulk_create(
        (
            TransferFile(
                transfer=transfer,
                item=0,
                step="copy",
                source_path=f"/in/{number}",
                destination_path=f"/out/{number}",
                size=1000,
                state="done",
                verdict=("add", "same", "change", "delete")[number % 4],
                finished_at=now,
            )
            for transfer in made[:2]
            for number in range(FILES)
        ),
        batch_size=1000,
    )
    TransferEvent.objects.bulk_create(
        TransferEvent(transfer=made[0], at=now, code="STARTED", text="Begun.") for _ in range(500)
    )
    return made[0].pk, made[1].pk


def _workflows(owner: Any, now: datetime) -> tuple[int, UUID]:
    """Write workflows and their runs; return a workflow with many runs, and a run with many tasks."""
    document = {"tasks": [{"name": "look", "taskReferenceName": "look", "type": "SIMPLE"}] * STEPS}
    made = WorkflowDefinition.objects.bulk_create(
        WorkflowDefinition(
            owner=owner,
            name=f"workflow_{number // 3}",
            version=1 + number % 3,
            document={"name": f"workflow_{number // 3}", "version": 1 + number % 3, **document},
            created_at=now,
            updated_at=now,
        )
        for number in range(WORKFLOWS)
    )
    runs = WorkflowRun.objects.bulk_create(
        (
            WorkflowRun(
                owner=owner,
                name=f"workflow_{number % 7}",
                version=1,
                definition=document,
                status="failed" if number % 9 == 8 else "completed",
                created_at=now - timedelta(minutes=number),
                updated_at=now - timedelta(minutes=number),
                finished_at=now - timedelta(minutes=number - 1),
            )
            for number in range(RUNS)
        ),
        batch_size=1000,
    )
    WorkflowStep.objects.bulk_create(
        WorkflowStep(
            run=runs[0],
            owner_id=owner.pk,
            seq=number,
            position=number,
            reference=f"look_{number}",
            name="look",
            type="SIMPLE",
            status="completed",
            scheduled_at=now,
            started_at=now,
            updated_at=now,
            finished_at=now + timedelta(seconds=1),
        )
        for number in range(STEPS)
    )
    return made[0].pk, runs[0].pk


def _access(owner: Any, now: datetime) -> None:
    Token.objects.bulk_create(
        Token(owner=owner, name=f"token {number}", digest=f"{number:064}", prefix="tmr_abcd", created_at=now)
        for number in range(50)
    )
    ClientKey.objects.bulk_create(
        ClientKey(owner=owner, name=f"key {number}", digest=f"{number:064}", created_at=now) for number in range(20)
    )
    for role in ("dispatcher", "cluster"):
        Process.objects.create(role=role, name="here:1", started_at=now, seen_at=now + timedelta(hours=1))
    assert Event.objects.exists()
