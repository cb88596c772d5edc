"""Django admin, read-mostly: to search and look; its few buttons call the services that everybody calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest

from timers import clock
from timers.errors import TimersError
from timers.models import (
    ClientKey,
    Collection,
    Definition,
    Event,
    Execution,
    Notice,
    Process,
    Schedule,
    TaskDefinition,
    Timer,
    TimerTag,
    Token,
    Transfer,
    TransferEvent,
    WorkflowDefinition,
    WorkflowRun,
    WorkflowStep,
)
from timers.services import timers as service

if TYPE_CHECKING:  # the classes are generic for the type checker alone
    _ModelAdmin = admin.ModelAdmin[Any]
    _StackedInline = admin.StackedInline[Any, Any]
    _TabularInline = admin.TabularInline[Any, Any]
else:
    _ModelAdmin, _StackedInline, _TabularInline = admin.ModelAdmin, admin.StackedInline, admin.TabularInline

admin.site.site_header = "Timers administration"
admin.site.site_title = "Timers"
admin.site.site_url = "/"


class ReadOnly:
    """Nothing is added, changed or deleted past the services."""

    list_per_page = 50
    show_full_result_count = False  # the tables grow to millions of rows

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, _ModelAdmin):
    """A model to look at."""


class ScheduleInline(ReadOnly, _StackedInline):
    model = Schedule


class TagInline(ReadOnly, _TabularInline):
    model = TimerTag
    fields = ["key", "value"]


class DefinitionInline(ReadOnly, _TabularInline):
    model = Definition
    fields = ["number", "name", "action", "schedule", "created_at", "created_by"]
    ordering = ["-number"]


@admin.register(Timer)
class TimerAdmin(ReadOnlyAdmin):
    list_display = ["name", "action", "status", "owner", "next_run", "last_run", "runs", "failures"]
    list_filter = ["status", "action"]
    list_select_related = ["owner", "schedule"]
    search_fields = ["name", "id", "owner__username", "tag_rows__key", "tag_rows__value"]
    ordering = ["-created_at", "id"]
    inlines = [ScheduleInline, TagInline, DefinitionInline]
    exclude = ["definition"]
    actions = ["pause", "resume", "run_now"]

    @admin.display(description="next run (UTC)", ordering="schedule__next_run_at")
    def next_run(self, timer: Timer) -> Any:
        return timer.schedule.next_run_at

    @admin.display(description="last run (UTC)", ordering="schedule__last_run_at")
    def last_run(self, timer: Timer) -> Any:
        return timer.schedule.last_run_at

    @admin.display(ordering="schedule__run_count")
    def runs(self, timer: Timer) -> int:
        return timer.schedule.run_count

    @admin.display(ordering="schedule__failure_count")
    def failures(self, timer: Timer) -> int:
        return timer.schedule.failure_count

    @admin.action(description="Pause")
    def pause(self, request: HttpRequest, timers: models.QuerySet[Timer]) -> None:
        now = clock.now()
        self._each(request, timers, "paused", lambda timer: service.pause(timer, by=request.user, now=now))

    @admin.action(description="Resume")
    def resume(self, request: HttpRequest, timers: models.QuerySet[Timer]) -> None:
        now = clock.now()
        self._each(request, timers, "resumed", lambda timer: service.resume(timer, by=request.user, now=now))

    @admin.action(description="Run now")
    def run_now(self, request: HttpRequest, timers: models.QuerySet[Timer]) -> None:
        now = clock.now()
        self._each(request, timers, "started", lambda timer: service.run_now(timer, by=request.user, now=now))

    def _each(
        self, request: HttpRequest, timers: models.QuerySet[Timer], done: str, deed: Callable[[Timer], Any]
    ) -> None:
        """Do it to each timer and say how many it worked for, and why not for the others."""
        worked = 0
        for timer in timers:
            try:
                deed(timer)
                worked += 1
            except TimersError as error:
                self.message_user(request, f"{timer.name}: {error.message}", messages.ERROR)
        if worked:
            self.message_user(request, f"{worked} timers {done}." if worked > 1 else f"One timer {done}.")


@admin.register(Execution)
class ExecutionAdmin(ReadOnlyAdmin):
    list_display = ["scheduled_for", "timer", "status", "trigger", "attempt", "failure_reason", "started_at"]
    list_filter = ["status", "trigger"]
    list_select_related = ["timer"]
    search_fields = ["id", "timer__name"]
    ordering = ["-scheduled_for", "-id"]


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ["requested_at", "label", "source", "destination", "status", "files_transferred", "faults", "owner"]
    list_filter = ["status"]
    list_select_related = ["source", "destination", "owner"]
    search_fields = ["id", "label"]
    ordering = ["-requested_at", "-id"]


@admin.register(Collection)
class CollectionAdmin(ReadOnlyAdmin):
    list_display = ["display_name", "kind", "owner", "created_at", "deleted_at"]
    list_filter = ["kind"]
    list_select_related = ["owner"]
    search_fields = ["display_name", "id"]
    exclude = ["secrets"]


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["at", "verb", "actor", "owner", "timer_id", "text"]
    list_select_related = ["actor", "owner"]
    search_fields = ["timer_id", "object_id", "text"]
    ordering = ["-id"]


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "subject", "channel", "owner", "status", "attempts", "sent_at", "error_message"]
    list_filter = ["status", "channel", "type"]
    list_select_related = ["owner"]
    search_fields = ["id", "object_id", "subject"]
    exclude = ["target"]  # a URL may be a secret
    ordering = ["-created_at", "-id"]


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    list_display = ["name", "prefix", "owner", "kind", "created_at", "expires_at", "last_used_at", "revoked_at"]
    list_filter = ["kind"]
    list_select_related = ["owner"]
    search_fields = ["name", "prefix", "owner__username"]
    exclude = ["digest"]


@admin.register(ClientKey)
class ClientKeyAdmin(ReadOnlyAdmin):
    list_display = ["name", "client_id", "owner", "created_at", "last_used_at", "revoked_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "client_id", "owner__username"]
    exclude = ["digest"]


@admin.register(Process)
class ProcessAdmin(ReadOnlyAdmin):
    list_display = ["role", "name", "started_at", "seen_at"]
    list_filter = ["role"]
    ordering = ["-seen_at"]


@admin.register(TransferEvent)
class TransferEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "transfer", "code", "is_fault", "path", "text"]
    list_filter = ["is_fault"]
    list_select_related = ["transfer"]
    search_fields = ["path", "text"]
    ordering = ["-id"]


class StepInline(ReadOnly, _TabularInline):
    model = WorkflowStep
    fields = ["seq", "reference", "type", "status", "retries", "worker", "started_at", "finished_at", "reason"]
    ordering = ["seq"]


@admin.register(WorkflowRun)
class WorkflowRunAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "name", "version", "status", "correlation_id", "owner", "finished_at"]
    list_filter = ["status"]
    list_select_related = ["owner"]
    search_fields = ["id", "name", "correlation_id"]
    ordering = ["-created_at", "-id"]
    inlines = [StepInline]


@admin.register(WorkflowDefinition)
class WorkflowDefinitionAdmin(ReadOnlyAdmin):
    list_display = ["name", "version", "owner", "updated_at"]
    list_select_related = ["owner"]
    search_fields = ["name"]
    ordering = ["name", "-version"]


@admin.register(TaskDefinition)
class TaskDefinitionAdmin(ReadOnlyAdmin):
    list_display = ["name", "owner", "updated_at"]
    list_select_related = ["owner"]
    search_fields = ["name"]
    ordering = ["name"]
