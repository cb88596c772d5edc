"""The administration: Django's, but an address or form that no page of it offers is a bad request, not a fault."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, TypeVar, cast

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.core.exceptions import BadRequest, FieldDoesNotExist, ValidationError
from django.db import DataError
from django.http import HttpRequest

UNREADABLE = (ValueError, OverflowError, ValidationError, FieldDoesNotExist, DataError)
"""What Django's administration raises for ids and names of fields that somebody made up."""


View = TypeVar("View", bound=Callable[..., Any])


class Administration(AdminSite):
    site_header = "Timers administration"
    site_title = "Timers"
    site_url = "/"

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Return the view as Django guards it, which raises BadRequest for what cannot be read."""
        guarded = super().admin_view(view, cacheable)

        def careful(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                return guarded(request, *args, **kwargs)
            except UNREADABLE as error:
                raise BadRequest("What was sent cannot be read.") from error

        return cast("View", update_wrapper(careful, guarded))


class AdministrationConfig(AdminConfig):
    default_site = "timersite.administration.Administration"
