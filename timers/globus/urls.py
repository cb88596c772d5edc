"""The paths of Globus Timers, Transfer, Flows and Auth, below /globus/.

Each path works with and without a slash at the end: a redirect would turn a POST into a GET.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import path, re_path

from timers.globus import errors, flows
from timers.globus.auth import discovery, identities, pages, tokens
from timers.globus.base import UnknownGlobusPath
from timers.globus.timers import views as timers
from timers.globus.transfer import endpoints, operations, submissions, tasks

_OF_TRANSFER = "v0.10/"
_OPERATION = f"{_OF_TRANSFER}operation/endpoint/<str:endpoint_id>/"
_TASK = f"{_OF_TRANSFER}task/<str:task_id>"

ROUTES: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("v2/timer", timers.TimerCreation.as_view()),
    ("jobs", timers.JobCollection.as_view()),
    ("jobs/<str:timer_id>", timers.JobDetail.as_view()),
    ("jobs/<str:timer_id>/pause", timers.JobPause.as_view()),
    ("jobs/<str:timer_id>/resume", timers.JobResume.as_view()),
    ("flows", flows.FlowList.as_view()),
    ("flows/<str:flow_id>", flows.FlowDetail.as_view()),
    (f"{_OF_TRANSFER}endpoint/<str:endpoint_id>", endpoints.EndpointDetail.as_view()),
    (f"{_OF_TRANSFER}endpoint/<str:endpoint_id>/autoactivate", endpoints.EndpointActivation.as_view()),
    (f"{_OF_TRANSFER}endpoint_search", endpoints.EndpointSearch.as_view()),
    (f"{_OF_TRANSFER}submission_id", submissions.SubmissionId.as_view()),
    (f"{_OF_TRANSFER}transfer", submissions.SubmissionView.as_view()),
    (f"{_OF_TRANSFER}delete", submissions.Deletion.as_view()),
    (f"{_OF_TRANSFER}task_list", tasks.TaskList.as_view()),
    (_TASK, tasks.TransferTask.as_view()),
    (f"{_TASK}/cancel", tasks.TaskCancel.as_view()),
    (f"{_TASK}/pause_info", tasks.TaskPauseInfo.as_view()),
    (f"{_TASK}/event_list", tasks.TaskEvents.as_view()),
    (f"{_TASK}/successful_transfers", tasks.TaskSuccessfulTransfers.as_view()),
    (f"{_TASK}/skipped_errors", tasks.TaskSkippedErrors.as_view()),
    (f"{_OPERATION}ls", operations.FolderListing.as_view()),
    (f"{_OPERATION}stat", operations.Stat.as_view()),
    (f"{_OPERATION}mkdir", operations.MakeDirectory.as_view()),
    (f"{_OPERATION}rename", operations.Rename.as_view()),
    ("v2/oauth2/authorize", pages.authorize),
    ("v2/web/auth-code", pages.auth_code),
    ("v2/oauth2/token", tokens.TokenEndpoint.as_view()),
    ("v2/oauth2/token/revoke", tokens.TokenRevocation.as_view()),
    ("v2/oauth2/token/validate", tokens.TokenValidation.as_view()),
    ("v2/oauth2/token/introspect", tokens.TokenIntrospection.as_view()),
    ("v2/oauth2/userinfo", identities.UserInfo.as_view()),
    ("v2/api/identities", identities.IdentityList.as_view()),
    ("v2/api/identities/<str:identity_id>", identities.IdentityDetail.as_view()),
    ("v2/api/identities/<str:identity_id>/consents", identities.ConsentList.as_view()),
    ("v2/api/clients", identities.ClientRegistration.as_view()),
    ("v2/api/clients/<str:client_id>", identities.ClientDetail.as_view()),
    (".well-known/openid-configuration", discovery.OpenIDConfiguration.as_view()),
    ("jwk.json", discovery.PublicKeys.as_view()),
)

urlpatterns = [
    *(path(route + end, view) for route, view in ROUTES for end in ("", "/")),
    re_path(r"^v0\.10/", UnknownGlobusPath.as_view(shape=errors.of_transfer)),
    re_path(r"^v2/(oauth2|api|web)/", UnknownGlobusPath.as_view(shape=errors.of_auth)),
    re_path("", UnknownGlobusPath.as_view()),
]
