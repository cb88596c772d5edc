"""Django admin, read-mostly: to search and look; its few buttons call the services that everybody calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.apps import apps
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.utils.functional import cached_property

from timers import clock
from timers.actions.base import ACTIONS
from timers.errors import TimersError
from timers.lifecycle import ExecutionStatus, TimerStatus, TransferStatus, Trigger, WorkflowStatus
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
from timers.services.executions import commands as execution_service
from timers.services.people import tokens as access
from timers.services.timers import commands as service
from timers.services.transfers import commands as transfer_service
from timers.services.workflows import runs as workflow_runs

if TYPE_CHECKING:  # the classes are generic for the type checker alone
    _ModelAdmin = admin.ModelAdmin[Any]
    _StackedInline = admin.StackedInline[Any, Any]
    _TabularInline = admin.TabularInline[Any, Any]
else:
    _ModelAdmin, _StackedInline, _TabularInline = admin.ModelAdmin, admin.StackedInline, admin.TabularInline

MAX_COUNTED_ROWS = 10_000
MAX_NAMED_TIMERS = 200
"""So many timers of a name are looked up before their executions are."""

for _model in apps.get_app_config("django_q").get_models():
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)  # its queue holds mere wake-ups, and its own scheduler is off


class BoundedPaginator(Paginator):
    """Counts no further than people leaf: tables of millions of rows open as fast as small ones."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return rows.order_by()[:MAX_COUNTED_ROWS].count() if isinstance(rows, models.QuerySet) else len(rows)


def among(column: str, words: Iterable[str]) -> type[admin.SimpleListFilter]:
    """Return a filter that knows the words of a column, so that it need not look for them in every row."""

    class Among(admin.SimpleListFilter):
        title = parameter_name = column

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return [(str(word), str(word)) for word in words]

        def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
            return queryset.filter(**{column: self.value()}) if self.value() else queryset

    return Among


class ReadOnly:
    """Nothing is added, changed or deleted past the services."""

    list_per_page = 50
    list_max_show_all = 0
    show_facets = admin.ShowFacets.NEVER  # each count would read the whole table
    show_full_result_count = False  # the tables grow to millions of rows

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, _ModelAdmin):
    """A model to look at."""

    paginator = BoundedPaginator

    def each(
        self, request: HttpRequest, rows: models.QuerySet[Any], noun: str, done: str, deed: Callable[[Any], Any]
    ) -> None:
        """Do it to each row and say how many it worked for, and why not for the others."""
        worked = 0
        for row in rows:
            try:
                deed(row)
                worked += 1
            except TimersError as error:
                self.message_user(request, f"{row}: {error.message}", messages.ERROR)
        if worked:
            self.message_user(request, f"{worked} {noun}s {done}." if worked > 1 else f"One {noun} {done}.")


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
    list_filter = [among("status", TimerStatus), among("action", ACTIONS), ("owner", admin.RelatedOnlyFieldListFilter)]
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
        self.each(request, timers, "timer", "paused", lambda timer: service.pause(timer, by=request.user, now=now))

    @admin.action(description="Resume")
    def resume(self, request: HttpRequest, timers: models.QuerySet[Timer]) -> None:
        now = clock.now()
        self.each(request, timers, "timer", "resumed", lambda timer: service.resume(timer, by=request.user, now=now))

    @admin.action(description="Run now")
    def run_now(self, request: HttpRequest, timers: models.QuerySet[Timer]) -> None:
        now = clock.now()
        self.each(request, timers, "timer", "started", lambda timer: service.run_now(timer, by=request.user, now=now))


@admin.register(Execution)
class ExecutionAdmin(ReadOnlyAdmin):
    list_display = ["scheduled_for", "timer", "status", "trigger", "attempt", "failure_reason", "started_at"]
    list_filter = [among("status", ExecutionStatus), among("trigger", Trigger)]
    list_select_related = ["timer"]
    search_fields = ["id", "timer__name"]
    ordering = ["-scheduled_for", "-id"]
    actions = ["cancel", "rerun"]

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """Find by id, or by the name of the timer: timers are looked up first, as they are few."""
        words = search_term.strip()
        if not words:
            return queryset, False
        try:
            number = UUID(words)
        except ValueError:
            timers = Timer.objects.filter(name__icontains=words).values_list("pk", flat=True)[:MAX_NAMED_TIMERS]
            return queryset.filter(timer__in=list(timers)), False
        return queryset.filter(Q(pk=number) | Q(timer=number)), False

    @admin.action(description="Cancel")
    def cancel(self, request: HttpRequest, rows: models.QuerySet[Execution]) -> None:
        now, by = clock.now(), request.user
        self.each(request, rows, "execution", "cancelled", lambda row: execution_service.cancel(row, by=by, now=now))

    @admin.action(description="Run again")
    def rerun(self, request: HttpRequest, rows: models.QuerySet[Execution]) -> None:
        now, by = clock.now(), request.user
        self.each(request, rows, "execution", "run again", lambda row: execution_service.rerun(row, by=by, now=now))


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ["requested_at", "label", "source", "destination", "status", "files_transferred", "faults", "owner"]
    list_filter = [among("status", TransferStatus)]
    list_select_related = ["source", "destination", "owner"]
    search_fields = ["id", "label"]
    ordering = ["-requested_at", "-id"]
    actions = ["cancel"]

    @admin.action(description="Cancel")
    def cancel(self, request: HttpRequest, rows: models.QuerySet[Transfer]) -> None:
        now, by = clock.now(), request.user
        self.each(request, rows, "transfer", "cancelled", lambda row: transfer_service.cancel(row, by=by, now=now))


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
    actions = ["revoke"]

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, tokens: models.QuerySet[Token]) -> None:
        now, by = clock.now(), request.user
        self.each(request, tokens, "token", "revoked", lambda token: access.revoke_token(token, by=by, now=now))


@admin.register(ClientKey)
class ClientKeyAdmin(ReadOnlyAdmin):
    list_display = ["name", "client_id", "owner", "created_at", "last_used_at", "revoked_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "client_id", "owner__username"]
    exclude = ["digest"]
    actions = ["revoke"]

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, keys: models.QuerySet[ClientKey]) -> None:
        now, by = clock.now(), request.user
        self.each(request, keys, "client key", "revoked", lambda key: access.revoke_key(key, by=by, now=now))


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
    list_filter = [among("status", WorkflowStatus)]
    list_select_related = ["owner"]
    search_fields = ["id", "name", "correlation_id"]
    ordering = ["-created_at", "-id"]
    inlines = [StepInline]
    actions = ["terminate"]

    @admin.action(description="Terminate")
    def terminate(self, request: HttpRequest, rows: models.QuerySet[WorkflowRun]) -> None:
        now, by = clock.now(), request.user
        self.each(request, rows, "workflow run", "terminated", lambda run: workflow_runs.terminate(run, by=by, now=now))


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
