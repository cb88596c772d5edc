"""Addresses of the browser interface, grouped by noun."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, path
from django.views.generic import RedirectView

from timers.web import command_palette
from timers.web.collections import views as collections
from timers.web.executions import activity, calendar
from timers.web.executions import views as executions
from timers.web.people import tokens
from timers.web.people import views as account
from timers.web.system import demo, health, metrics, scheduling
from timers.web.timers import actions as timers
from timers.web.timers import bulk, edit, versions
from timers.web.timers import detail as timer_page
from timers.web.timers import listing as dashboard
from timers.web.transfers import views as transfers
from timers.web.workflows import views as workflows

timer_urls = [
    path("", dashboard.timers_list, name="timers"),
    path("timers/bulk/", bulk.bulk, name="timers-bulk"),
    path("timers/new/", edit.new, name="timer-new"),
    path("timers/new/preview/", edit.preview, name="timer-preview"),
    path("timers/new/files/", edit.files, name="timer-files"),
    path("timers/new/inputs/", edit.inputs, name="timer-inputs"),
    path("timers/new/test/", edit.test, name="timer-test"),
    path("timers/new/dry-run/", edit.dry_run, name="timer-dry-run"),
    path("timers/<uuid:timer_id>/", timer_page.detail, name="timer"),
    path("timers/<uuid:timer_id>/versions/", versions.versions, name="timer-versions"),
    path("timers/<uuid:timer_id>/versions/<int:number>/restore/", versions.restore, name="timer-restore"),
    path("timers/<uuid:timer_id>/edit/", edit.edit, name="timer-edit"),
    path("timers/<uuid:timer_id>/delete/", timers.delete, name="timer-delete"),
    path("timers/<uuid:timer_id>/pause/", timers.pause, name="timer-pause"),
    path("timers/<uuid:timer_id>/resume/", timers.resume, name="timer-resume"),
    path("timers/<uuid:timer_id>/run/", timers.run_now, name="timer-run"),
]
execution_urls = [
    path("activity/", activity.activity, name="activity"),
    path("activity/export.csv", activity.export, {"kind": "csv"}, name="activity-csv"),
    path("activity/export.json", activity.export, {"kind": "json"}, name="activity-json"),
    path("activity/calendar/", activity.make_calendar, name="calendar-new"),
    path("activity/calendar/revoke/", activity.revoke_calendar, name="calendar-revoke"),
    path("calendar/<slug:secret>.ics", calendar.calendar, name="calendar"),
    path("executions/rerun/", bulk.rerun, name="executions-rerun"),
    path("executions/<uuid:execution_id>/", executions.detail, name="execution"),
    path("executions/<uuid:execution_id>/log.txt", executions.log, name="execution-log"),
    path("executions/<uuid:execution_id>/cancel/", executions.cancel, name="execution-cancel"),
    path("executions/<uuid:execution_id>/rerun/", executions.rerun, name="execution-rerun"),
]
transfer_urls = [
    path("transfers/", transfers.transfers_list, name="transfers"),
    path("transfers/<uuid:transfer_id>/", transfers.detail, name="transfer"),
    path("transfers/<uuid:transfer_id>/cancel/", transfers.cancel, name="transfer-cancel"),
    path("transfers/<uuid:transfer_id>/pause/", transfers.pause, name="transfer-pause"),
    path("transfers/<uuid:transfer_id>/resume/", transfers.resume, name="transfer-resume"),
    path("transfers/<uuid:transfer_id>/rerun/", transfers.rerun, name="transfer-rerun"),
    path("transfers/<uuid:transfer_id>/start/", transfers.start, name="transfer-start"),
    path("collections/", collections.collections_list, name="collections"),
    path("collections/new/", collections.new, name="collection-new"),
    path("collections/<uuid:collection_id>/", collections.browse, name="collection"),
    path("collections/<uuid:collection_id>/edit/", collections.edit, name="collection-edit"),
    path("collections/<uuid:collection_id>/delete/", collections.delete, name="collection-delete"),
    path("collections/<uuid:collection_id>/test/", collections.test, name="collection-test"),
    path("collections/<uuid:collection_id>/folder/", collections.make_folder, name="collection-folder"),
]
workflow_urls = [
    path("workflows/", workflows.workflows_list, name="workflows"),
    path("workflows/new/", workflows.new, name="workflow-new"),
    path("workflows/<int:definition_id>/", workflows.definition, name="workflow"),
    path("workflows/<int:definition_id>/start/", workflows.start, name="workflow-start"),
    path("workflows/<int:definition_id>/unregister/", workflows.unregister, name="workflow-unregister"),
    path("workflow-runs/<uuid:run_id>/", workflows.run, name="workflow-run"),
    path("workflow-runs/<uuid:run_id>/terminate/", workflows.terminate, name="workflow-run-terminate"),
    path("workflow-runs/<uuid:run_id>/rerun/", workflows.rerun, name="workflow-run-rerun"),
]
access_urls = [
    path("login/", account.log_in, name="login"),
    path("logout/", account.log_out, name="logout"),
    path("find/", command_palette.find, name="find"),
    path("account/", account.account, name="account"),
    path("account/theme/", account.theme, name="theme"),
    path("account/address/", account.address, name="account-address"),
    path("account/password/", account.password, name="account-password"),
    path("account/test/", account.send_test, name="account-test"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/new/", tokens.create_token, name="token-new"),
    path("tokens/<uuid:token_id>/revoke/", tokens.revoke_token, name="token-revoke"),
    path("tokens/apps/<uuid:client_id>/revoke/", tokens.revoke_app, name="app-revoke"),
    path("tokens/keys/new/", tokens.create_key, name="key-new"),
    path("tokens/keys/<uuid:client_id>/renew/", tokens.renew_key, name="key-renew"),
    path("tokens/keys/<uuid:client_id>/revoke/", tokens.revoke_key, name="key-revoke"),
]
service_urls = [
    path("scheduling/", scheduling.scheduling, name="scheduling"),
    path("scheduling/pause/", scheduling.pause, name="scheduling-pause"),
    path("scheduling/resume/", scheduling.resume, name="scheduling-resume"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("demo/load/", demo.load, name="demo-load"),
    path("demo/echo", demo.echo, name="demo-echo"),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}timers/icon.svg", permanent=True)),
]

urlpatterns: list[URLPattern] = [
    *timer_urls,
    *execution_urls,
    *transfer_urls,
    *workflow_urls,
    *access_urls,
    *service_urls,
]
