"""Start of the app."""

from django.apps import AppConfig


class TimersConfig(AppConfig):
    name = "timers"
    verbose_name = "Timers"

    def ready(self) -> None:
        from timers import checks  # noqa: F401  registers the system checks
