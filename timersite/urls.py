"""The URLs of the site: each interface below its prefix."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("timers.api.urls")),
    path("globus/", include("timers.globus.urls")),
    path("conductor/api/", include("timers.conductor.urls")),
    path("admin/", admin.site.urls),
    path("", include("timers.web.urls")),
]
