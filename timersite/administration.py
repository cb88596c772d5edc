"""Django's administration, which answers a malformed URL or form with status 400 instead of 500."""

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
"""Exceptions of Django's administration for invalid ids and field names."""


View = TypeVar("View", bound=Callable[..., Any])


class Administration(AdminSite):
    site_header = "Timers administration"
    site_title = "Timers"
    site_url = "/"

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Return Django's wrapped view, which raises BadRequest for a malformed URL or form."""
        wrapped = super().admin_view(view, cacheable)

        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                return wrapped(request, *args, **kwargs)
            except UNREADABLE as error:
                raise BadRequest("The request cannot be read.") from error

        return cast("View", update_wrapper(checked, wrapped))


class AdministrationConfig(AdminConfig):
    default_site = "timersite.administration.Administration"
