"""Use cases of timers. Each locks the schedule row first, then the timer, in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from timers import validation
from timers.errors import Conflict, Invalid
from timers.lifecycle import TimerStatus
from timers.messaging import queue
from timers.models import Definition, Execution, Schedule, Timer, TimerTag
from timers.models.timers import CONDUCTOR
from timers.scheduling.bounds import BoundedSchedule
from timers.scheduling.catchup import SkippedRun, missed_in_pause
from timers.scheduling.overlap import OverlapPolicy
from timers.scheduling.policies import merge_policies
from timers.services import events, occurrences
from timers.services.timers import completion, definitions, schedules, signing_secrets, window_skips

log = logging.getLogger(__name__)


def create(
    *,
    owner: Any,
    action: str,
    name: str,
    schedule: Mapping[str, Any],
    body: Mapping[str, Any],
    policies: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str = "",
    paused: bool = False,
    like: Definition | None = None,
    by: Any = None,
    now: datetime,
    minimum_interval: float = 0.1,
    refuse_never: bool = True,
    interface: str = "",
) -> Timer:
    """Return a new timer, active, paused if so asked, or ended when its schedule is already over.

    `refuse_never` refuses a schedule that can never fire; `interface` is the one that shows only timers of its own.
    `like` is a definition that the reader copies: its secrets stand in where the body has a mask.

    Raises Invalid naming name, timer_type, schedule.*, body.*, policies.*, tags.* or description.
    """
    pairs = validation.tags({} if tags is None else tags)
    text = validation.paragraph(description, "description")
    checked = definitions.check(
        owner=owner,
        name=name,
        action=action,
        schedule=schedule,
        body=body,
        policies=policies,
        old=like,
        now=now,
        minimum_interval=minimum_interval,
        refuse_never=refuse_never,
    )
    first = checked.schedule.first(created=now)
    status = TimerStatus.ENDED if first is None else TimerStatus.PAUSED if paused else TimerStatus.ACTIVE
    with transaction.atomic():
        timer = Timer.objects.create(
            owner=owner,
            name=checked.name,
            description=text,
            action=checked.action,
            interface=interface,
            status=status,
            status_reason="The schedule was over when the timer was made." if first is None else "",
            status_changed_at=now,
            status_changed_by=by,
            created_at=now,
            updated_at=now,
        )
        timer.definition = definitions.store(timer, checked, number=1, by=by, now=now)
        timer.save(update_fields=["definition"])
        timer.schedule = Schedule(timer=timer, **schedules.rule_fields(checked.schedule, checked.policies))
        _plan(timer, first)
        timer.schedule.save(force_insert=True)
        if status == TimerStatus.ACTIVE:
            window_skips.record_first(timer, checked.schedule, now=now)
        _write_tags(timer, pairs)
        signing_secrets.ensure(timer, now=now)
        events.record("created", now=now, by=by, owner=owner, timer_id=timer.pk, text=checked.name)
        queue.wake_dispatchers()
    return timer


def update(
    timer: Timer,
    *,
    changes: Mapping[str, Any],
    by: Any,
    now: datetime,
    minimum_interval: float = 0.1,
    refuse_never: bool = True,
) -> Timer:
    """Return the timer with some of its creation fields changed; they count from now on.

    Policies are merged by key, the rest is replaced. A changed schedule starts anew, also its count of runs, and makes
    an ended timer active when it has a next run. What is asked for and there already changes nothing. Raises Invalid as
    `create` does, Conflict when deleted.
    """
    _only_known(changes)
    with transaction.atomic():
        timer = _locked(timer)
        if timer.status == TimerStatus.DELETED:
            raise Conflict("A deleted timer cannot be changed.")
        changed = _retag_and_describe(timer, changes)
        if changes.keys() & {"name", "timer_type", "schedule", "body", "policies"}:
            changed += _redefine(
                timer, changes, by=by, now=now, minimum_interval=minimum_interval, refuse_never=refuse_never
            )
        timer.updated_at = now
        timer.save()
        timer.schedule.save()
        if changed:
            events.record(
                "updated", now=now, by=by, owner=timer.owner, timer_id=timer.pk, text=timer.name, fields=sorted(changed)
            )
            queue.wake_dispatchers()
        if changes.get("paused") is not None:
            return pause(timer, by=by, now=now) if changes["paused"] else resume(timer, by=by, now=now)
    return timer


CHANGEABLE = frozenset({"name", "timer_type", "schedule", "body", "policies", "tags", "description", "paused"})


def _only_known(changes: Mapping[str, Any]) -> None:
    unknown = sorted(set(changes) - CHANGEABLE)
    if unknown:
        raise Invalid(dict.fromkeys(unknown, f"Unknown field; known: {', '.join(sorted(CHANGEABLE))}."))
    validation.flag(changes.get("paused"), "paused")


def _retag_and_describe(timer: Timer, changes: Mapping[str, Any]) -> list[str]:
    """Give the timer its new tags and description; return which of the two differ."""
    changed = []
    if "tags" in changes:
        tags = validation.tags(changes["tags"])
        if set(tags) != set(timer.tag_rows.values_list("key", "value")):
            _write_tags(timer, tags)
            changed.append("tags")
    if "description" in changes:
        description = validation.paragraph(changes["description"], "description")
        if description != timer.description:
            timer.description = description
            changed.append("description")
    return changed


def _redefine(
    timer: Timer,
    changes: Mapping[str, Any],
    *,
    by: Any,
    now: datetime,
    minimum_interval: float,
    refuse_never: bool,
) -> list[str]:
    """Give the timer a new definition, and its schedule row what follows from it; return the fields that differ.

    Nothing is done when none does. But a declaration is kept also when it says what somebody said before it: what is
    changed after it stays until the declaration itself changes. The caller saves both.
    """
    old = timer.definition
    if old is None:
        raise Conflict("The timer has no definition to change.")
    policies = changes.get("policies")
    if policies is not None and not isinstance(policies, Mapping):
        raise Invalid({"policies": "Policies are an object of names and values."})
    checked = definitions.check(
        owner=timer.owner,
        name=changes.get("name", old.name),
        action=changes.get("timer_type", old.action),
        schedule=changes.get("schedule", old.schedule),
        body=changes.get("body", old.body),
        policies=merge_policies(old.policies, policies or {}),
        old=old,
        now=now,
        minimum_interval=minimum_interval if "schedule" in changes else 0.1,
        refuse_never=refuse_never and "schedule" in changes,
    )
    changed = checked.changed(old)
    of_code_after_person = by is None and old.created_by_id is not None
    if not changed and not of_code_after_person:
        return []
    _check_name_is_free(timer, checked.name)
    row = timer.schedule
    unclaimed = _take_back(timer, now=now)
    timer.definition = definitions.store(timer, checked, number=old.number + 1, by=by, now=now)
    timer.name, timer.action = checked.name, checked.action
    signing_secrets.ensure(timer, now=now)
    for field, value in schedules.rule_fields(checked.schedule, checked.policies).items():
        setattr(row, field, value)
    _forget_failures(row, timer.definition)
    if "schedule" not in changed:
        _plan(timer, unclaimed)
        return changed
    row.fired_count = row.planning_failures = 0
    _record_pause(timer, old, until=now, now=now)
    window_skips.cut(timer.pk, schedules.stored(old.schedule), now=now)
    first = checked.schedule.first(created=now)
    if first is not None and timer.status == TimerStatus.ENDED:
        _set_status(timer, TimerStatus.ACTIVE, by=by, now=now)
    _plan(timer, first)
    if timer.status == TimerStatus.ACTIVE:
        window_skips.record_first(timer, checked.schedule, now=now)
    return changed


def _check_name_is_free(timer: Timer, name: str) -> None:
    """Raise Invalid when the timer is known by its name at its interface, and another one has that name."""
    others = (
        Timer.objects.not_deleted().filter(owner=timer.owner, interface=timer.interface, name=name).exclude(pk=timer.pk)
    )
    if timer.interface == CONDUCTOR and name != timer.name and others.exists():
        raise Invalid({"name": f"There is another schedule named {name}, and Conductor clients know them by name."})


def pause(timer: Timer, *, by: Any, now: datetime, reason: str = "", until: datetime | None = None) -> Timer:
    """Return the timer paused, until somebody resumes it or the instant `until` comes.

    What is claimed ahead is taken back; what runs goes on. Paused already: nothing changes. Raises Conflict when ended
    or deleted, Invalid when `until` is not to come.
    """
    if until is not None and until <= now:
        raise Invalid({"until": "This must lie in the future."})
    reason = validation.paragraph(reason or "", "reason")
    with transaction.atomic():
        timer = _locked(timer)
        if timer.status == TimerStatus.PAUSED:
            return timer
        if timer.status != TimerStatus.ACTIVE:
            raise Conflict(f"A timer that is {timer.status} cannot be paused.")
        _set_status(timer, TimerStatus.PAUSED, by=by, now=now, reason=reason)
        timer.paused_until = until
        _plan(timer, _take_back(timer, now=now))
        timer.save()
        timer.schedule.save()
        end: dict[str, Any] = {} if until is None else {"until": until.isoformat()}
        events.record("paused", now=now, by=by, owner=timer.owner, timer_id=timer.pk, text=reason, **end)
        if until is not None:
            queue.wake_dispatchers()
    return timer


def resume(timer: Timer, *, by: Any, now: datetime, run_missed: bool = False) -> Timer:
    """Return the timer active again. Occurrences of the pause become one skipped row; the last may run after all.

    Active already: nothing changes. Raises Conflict when ended or deleted.
    """
    return _resume(timer, by=by, now=now, run_missed=run_missed, snoozed=False)


def _resume(timer: Timer, *, by: Any, now: datetime, run_missed: bool, snoozed: bool) -> Timer:
    """Resume a timer; one that was `snoozed` as of the end of its pause, which may lie a moment ahead or long back."""
    with transaction.atomic():
        timer = _locked(timer)
        if timer.status == TimerStatus.ACTIVE:
            return timer
        if timer.status != TimerStatus.PAUSED or timer.definition is None:
            raise Conflict(f"A timer that is {timer.status} cannot be resumed.")
        ended = _end_of_pause(timer, now=now, snoozed=snoozed)
        missed = _record_pause(timer, timer.definition, until=ended, now=now, keep_last=run_missed)
        rule = schedules.stored(timer.definition.schedule)
        row = timer.schedule
        if missed is not None:
            row.watermark_at = missed.last
            row.next_planned_at = _within_runs(row, rule.next_after(ended))
            window_skips.record(timer, rule, after=missed.first, before=row.next_planned_at, now=now)
        if snoozed and row.breaker_openings:
            row.overlap = OverlapPolicy.SKIP  # what is let through to try runs alone
        else:
            _forget_failures(row, timer.definition)
        _set_status(timer, TimerStatus.ACTIVE, by=by, now=now)
        timer.paused_until = None
        _plan(timer, row.next_planned_at)
        timer.save()
        row.save()
        events.record("resumed", now=now, by=by, owner=timer.owner, timer_id=timer.pk)
        completion.end_finished([timer.pk], now=now)
        queue.wake_dispatchers()
    timer.refresh_from_db()
    return timer


def delete(timer: Timer, *, by: Any, now: datetime) -> Timer:
    """Return the timer deleted: out of lists, never run again, its history kept. What waits is cancelled."""
    with transaction.atomic():
        timer = _locked(timer)
        if timer.status == TimerStatus.DELETED:
            return timer
        _close(timer, TimerStatus.DELETED, by=by, now=now)
        events.record("deleted", now=now, by=by, owner=timer.owner, timer_id=timer.pk, text=timer.name)
    return timer


def run_now(timer: Timer, *, by: Any, now: datetime) -> Execution:
    """Return an execution that starts at once, whatever the overlap policy, also when paused or ended.

    Raises Conflict when deleted.
    """
    with transaction.atomic():
        timer = _locked(timer)
        if timer.status == TimerStatus.DELETED:
            raise Conflict("A deleted timer cannot be run.")
        execution = occurrences.create_manual(timer, by=by, now=now)
        events.record("ran", now=now, by=by, owner=timer.owner, timer_id=timer.pk, object_id=execution.pk)
    return execution


def set_tags(timer: Timer, *, tags: Mapping[str, Any], by: Any, now: datetime) -> Timer:
    """Return the timer with exactly these tags. Raises Invalid naming tags.*, Conflict when deleted."""
    return update(timer, changes={"tags": tags}, by=by, now=now)


def tags_of(timer: Timer) -> dict[str, str | list[str]]:
    """Return the tags as {key: value}, with a list where a key has several values."""
    by_key: dict[str, list[str]] = {}
    for row in sorted(timer.tag_rows.all(), key=lambda row: row.pk):
        by_key.setdefault(row.key, []).append(row.value)
    return {key: values[0] if len(values) == 1 else values for key, values in by_key.items()}


def _write_tags(timer: Timer, pairs: Iterable[tuple[str, str]]) -> None:
    timer.tag_rows.all().delete()
    TimerTag.objects.bulk_create(TimerTag(timer=timer, key=key, value=value) for key, value in pairs)


# What the service itself does to timers


def pause_by_service(timer_id: UUID, *, reason: str, until: datetime | None = None, now: datetime) -> bool:
    """Pause a timer whose failures or whose target ask for it; return whether it was active."""
    timer = Timer.objects.get(pk=timer_id)
    if timer.status != TimerStatus.ACTIVE:
        return False
    pause(timer, by=None, now=now, reason=reason, until=until)
    return True


def open_breaker(timer_id: UUID, *, reason: str, seconds: float, now: datetime) -> bool:
    """Pause a timer for so long, after which one run is let through to try; return whether it was active."""
    if not pause_by_service(timer_id, reason=reason, until=now + timedelta(seconds=seconds), now=now):
        return False
    Schedule.objects.filter(pk=timer_id).update(breaker_openings=F("breaker_openings") + 1)
    name = Timer.objects.values_list("name", flat=True).get(pk=timer_id)
    log.error("The timer %s is paused: %s", name, reason, extra={"timer": str(timer_id)})
    return True


def close_breaker(timer_id: UUID) -> None:
    """Let a timer run by its own policies again, after the run that was let through went well."""
    timer = Timer.objects.select_related("definition").get(pk=timer_id)
    overlap = (timer.definition.policies if timer.definition else {}).get("overlap") or OverlapPolicy.SKIP
    Schedule.objects.filter(pk=timer_id).update(breaker_openings=0, overlap=overlap)


def resume_snoozed(*, until: datetime, now: datetime) -> datetime | None:
    """Resume the timers whose pause ends up to `until`; return when the next pause ends.

    What lay in the pause is skipped, what comes from its end on runs, also when that end was missed in an outage.
    """
    snoozed = Timer.objects.filter(status=TimerStatus.PAUSED, paused_until__isnull=False).order_by("paused_until")
    for timer in snoozed.filter(paused_until__lte=until)[:100]:
        _resume(timer, by=None, now=now, run_missed=False, snoozed=True)
    return snoozed.values_list("paused_until", flat=True).first()


def end(timer: Timer, *, reason: str, now: datetime) -> Timer:
    """Return the timer ended: nothing more is planned, what waits is cancelled, what runs goes on, history stays."""
    with transaction.atomic():
        timer = _locked(timer)
        if timer.status not in (TimerStatus.ACTIVE, TimerStatus.PAUSED) or timer.definition is None:
            return timer
        _close(timer, TimerStatus.ENDED, by=None, now=now, reason=reason)
        events.record("ended", now=now, owner=timer.owner, timer_id=timer.pk, text=reason)
    return timer


# Steps shared by the use cases


def _close(timer: Timer, status: TimerStatus, *, by: Any, now: datetime, reason: str = "") -> None:
    """Plan nothing more for a timer, and cancel what waits; what runs goes on."""
    if timer.definition is not None:
        _record_pause(timer, timer.definition, until=now, now=now)
        window_skips.cut(timer.pk, schedules.stored(timer.definition.schedule), now=now)
    _take_back(timer, now=now)
    occurrences.cancel_waiting(timer.pk, by=by, now=now)
    _set_status(timer, status, by=by, now=now, reason=reason)
    timer.paused_until = None
    _plan(timer, None)
    timer.save()
    timer.schedule.save()


def _forget_failures(row: Schedule, definition: Definition) -> None:
    """Count failures in a row from the beginning; the caller saves the row."""
    row.consecutive_failures = row.breaker_openings = 0
    row.overlap = definition.policies.get("overlap") or OverlapPolicy.SKIP


def _locked(timer: Timer) -> Timer:
    """Return the timer as it is now, with its schedule; both rows are ours until the transaction ends."""
    row = Schedule.objects.select_for_update().get(pk=timer.pk)
    fresh = Timer.objects.select_for_update(of=("self",)).select_related("owner", "definition").get(pk=timer.pk)
    fresh.schedule = row
    return fresh


def _set_status(timer: Timer, status: TimerStatus, *, by: Any, now: datetime, reason: str = "") -> None:
    timer.status = status
    timer.status_reason = reason
    timer.status_changed_at = now
    timer.status_changed_by = by


def _plan(timer: Timer, planned: datetime | None) -> None:
    """Let the schedule row stand before that planned instant. It fires only while the timer is active."""
    row = timer.schedule
    row.definition_id = timer.definition_id or 0
    row.next_planned_at = planned
    fires = planned is not None and timer.status == TimerStatus.ACTIVE
    jitter = timedelta(microseconds=row.jitter_us)
    row.next_run_at = schedules.run_at(timer.pk, planned, jitter) if fires and planned is not None else None


def _take_back(timer: Timer, *, now: datetime) -> datetime | None:
    """Undo what was claimed ahead and is not due yet; return the first planned instant not dealt with."""
    taken = occurrences.withdraw(timer.pk, now=now)
    row = timer.schedule
    row.fired_count = Schedule.objects.values_list("fired_count", flat=True).get(pk=row.pk)
    return min([*taken, *([row.next_planned_at] if row.next_planned_at else [])], default=None)


def _record_pause(
    timer: Timer, definition: Definition, *, until: datetime, now: datetime, keep_last: bool = False
) -> SkippedRun | None:
    """Write the skipped row of a pause that ends now; return the whole run of missed occurrences, if any.

    With `keep_last` the last one runs after all, if the schedule has a run left.
    """
    row = timer.schedule
    if timer.status != TimerStatus.PAUSED or row.next_planned_at is None or row.next_planned_at > until:
        return None
    rule = schedules.stored(definition.schedule)
    missed = missed_in_pause(rule, since=row.next_planned_at, until=until)
    if missed is None:
        return None
    skipped: SkippedRun | None = missed
    if keep_last and (row.max_runs is None or row.fired_count < row.max_runs):
        occurrences.create_caught_up(timer, planned=missed.last, now=now)
        row.fired_count += 1
        skipped = _without_last(rule, missed)
    if skipped is not None:
        occurrences.record_skipped(timer.pk, definition.pk, skipped, now=now)
    return missed


def _end_of_pause(timer: Timer, *, now: datetime, snoozed: bool) -> datetime:
    """Return the last instant that the pause covers: now, or just before the end that it was given."""
    end = timer.paused_until
    return now if end is None or (end > now and not snoozed) else end - timedelta(microseconds=1)


def _without_last(rule: BoundedSchedule, run: SkippedRun) -> SkippedRun | None:
    before = rule.last_until(run.last - timedelta(microseconds=1))
    if run.count <= 1 or before is None:
        return None
    return SkippedRun(first=run.first, last=before, count=run.count - 1, reason=run.reason)


def _within_runs(row: Schedule, planned: datetime | None) -> datetime | None:
    return planned if row.max_runs is None or row.fired_count < row.max_runs else None
