"""Start of the app."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig

from timers import kinds

CONNECTED = ("timers.checks", "timers.services.notifications.messages", "timers.services.workflows.steps")
"""Modules that register system checks and receivers; they need the models, so they are imported when those are."""


class TimersConfig(AppConfig):
    name = "timers"
    verbose_name = "Timers"

    def ready(self) -> None:
        kinds.register_added()
        for module in CONNECTED:
            import_module(module)
