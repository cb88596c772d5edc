"""The paths of the native REST API, below /api/v1/. Each is served with and without a slash at its end."""

from __future__ import annotations

from django.urls import path, re_path

from timers.api.base import UnknownPath
from timers.api.routes import ROUTES, described_patterns, patterns
from timers.api.views import reference

urlpatterns = [
    *described_patterns,
    *patterns(ROUTES, end="/"),
    *(path("schema" + end, reference.Schema.as_view(), name="api-schema") for end in ("", "/")),
    *(path("docs" + end, reference.page, name="api-docs") for end in ("", "/")),
    re_path("", UnknownPath.as_view()),
]
