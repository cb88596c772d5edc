"""System checks of settings on which correct scheduling depends."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from timers import kinds


@register()
def check_time_zone_is_utc(**_: Any) -> list[CheckMessage]:
    if settings.TIME_ZONE == "UTC" and settings.USE_TZ:
        return []
    return [Error("TIME_ZONE must be UTC and USE_TZ true: instants are stored and compared in UTC.", id="timers.E001")]


@register()
def check_django_q_only_carries_messages(**_: Any) -> list[CheckMessage]:
    cluster: dict[str, Any] = settings.Q_CLUSTER
    if cluster.get("scheduler") is False and cluster.get("save_limit") == -1 and cluster["retry"] > cluster["timeout"]:
        return []
    return [
        Error(
            "Q_CLUSTER needs scheduler False, save_limit -1 and retry above timeout: django-q only carries wake-ups.",
            id="timers.E002",
        )
    ]


@register()
def added_kinds_can_be_used(**_: Any) -> list[CheckMessage]:
    return [Error(problem, id="timers.E003") for problem in kinds.problems()]
