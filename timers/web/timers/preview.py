"""The preview beside a timer's form: what the schedule comes to, and what changes when it is saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from timers.errors import Invalid
from timers.lifecycle import TimerStatus
from timers.models import Timer
from timers.queries.timers import detail as timer_detail
from timers.queries.timers import previews
from timers.queries.timers.detail import Upcoming
from timers.scheduling.base import KINDS
from timers.services.timers import schedules
from timers.web.timers.form import TimerForm

SHOWN = 10
MAX_COUNTED = 500
"""So many runs are gone through to tell the instant of the last one."""


@dataclass(frozen=True)
class FormPreview:
    """The next runs in words and one by one; `problem` says why they cannot be told."""

    description: str = ""
    upcoming: list[Upcoming] = field(default_factory=list)
    instants: list[datetime] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    timer_zone: ZoneInfo | None = None
    last: tuple[int, datetime] | None = None
    """The number of runs and the instant of the last one, where an end was set by number."""
    problem: str = ""


@dataclass(frozen=True)
class EditPreview:
    """An edit before it is saved: the runs as they are, and what is at work."""

    timer: Timer
    before: list[datetime]
    same: bool
    at_work: previews.UnfinishedRun | None

    @property
    def paused(self) -> bool:
        return self.timer.status == TimerStatus.PAUSED


def context_for(form: TimerForm, *, now: datetime, timer: Timer | None) -> dict[str, Any]:
    """Return what the preview shows for the fields as they are; with `timer` also what changes for it."""
    read, reader_zone = form.read_again(), ZoneInfo(form.reader_zone)
    shown = preview(read, now=now, reader_zone=reader_zone)
    return {
        "preview": shown,
        "reader_zone": reader_zone,
        "change": _change(form, shown, timer, now=now) if timer is not None else None,
        "policy_sentences": read.policy_sentences,
    }


def preview(form: TimerForm, *, now: datetime, reader_zone: ZoneInfo) -> FormPreview:
    """Return what the schedule in the fields would do, or the sentence why that cannot be told."""
    try:
        document = form.schedule()
        runs = (document.get("end") or {}).get("n")
        counted = runs if isinstance(runs, int) and SHOWN < runs <= MAX_COUNTED else SHOWN
        seen = schedules.preview(document, limit=counted, after=None, now=now)
    except (Invalid, KeyError) as error:
        sentence = next(iter(error.fields.values()))[0] if isinstance(error, Invalid) else "Choose when it runs."
        return FormPreview(problem=sentence)
    on_wall_clock = KINDS.get(document["type"]).on_wall_clock
    zone = ZoneInfo(form.cleaned_data.get("timezone") or "UTC") if on_wall_clock else reader_zone
    shown = seen.next[:SHOWN]
    return FormPreview(
        description=seen.description,
        instants=shown,
        upcoming=timer_detail.upcoming(shown, zone=zone, now=now),
        warnings=[*seen.warnings, *_crowd(shown)],
        timer_zone=zone,
        last=(runs, seen.next[-1]) if runs and len(seen.next) == runs else None,
    )


def _crowd(instants: list[datetime]) -> list[str]:
    """Return the warning about a start at the top of the hour, where many others start too."""
    if not instants or not previews.is_top_of_hour(instants[0]) or not previews.many_at_the_top_of_the_hour():
        return []
    return ["Many timers start at the top of an hour. Another minute, or a start that is spread, is more punctual."]


def _change(form: TimerForm, shown: FormPreview, timer: Timer, *, now: datetime) -> EditPreview:
    before = schedules.next_runs(timer, limit=SHOWN, now=now)
    return EditPreview(
        timer=timer,
        before=before,
        same=form.read_again().keeps_schedule(),
        at_work=previews.unfinished_run(timer, now=now),
    )
