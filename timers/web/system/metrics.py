"""Numbers for Prometheus, for administrators and for the monitoring's own token."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from timers import clock
from timers.queries import metrics as queries
from timers.services.people import tokens


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer the numbers as text; 401 to those who do not say who they are, 403 to those who are no administrators."""
    refused = _refused(request)
    if refused:
        return HttpResponse(f"{refused[1]}\n", status=refused[0], content_type="text/plain", headers=refused[2])
    registry = CollectorRegistry()
    registry.register(_ReadOnce(queries.read_metrics(clock.now())))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _refused(request: HttpRequest) -> tuple[int, str, dict[str, str]] | None:
    """Return status, sentence and headers of a refusal, None for those who may look."""
    scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return _refused_token(value.strip())
    if not request.user.is_authenticated:
        return 401, "Log in as an administrator, or send a Bearer token.", {"WWW-Authenticate": "Bearer"}
    return None if request.user.is_staff else (403, "Only administrators may see the metrics.", {})


def _refused_token(value: str) -> tuple[int, str, dict[str, str]] | None:
    wanted = settings.TIMERS_METRICS_TOKEN
    if wanted and hmac.compare_digest(wanted.encode(), value.encode("utf-8", "surrogatepass")):
        return None
    token = tokens.authenticate_token(value, now=clock.now())
    if token is None:
        return 401, "The token is unknown, has expired or was revoked.", {"WWW-Authenticate": "Bearer"}
    may = token.owner.is_staff and tokens.allows(token, tokens.API_SCOPE)
    return None if may else (403, "Only administrators may see the metrics.", {})


class _ReadOnce(Collector):
    """Offers numbers that were read once."""

    def __init__(self, numbers: queries.Metrics) -> None:
        self.numbers = numbers

    def collect(self) -> Iterable[Metric]:
        numbers = self.numbers
        executions = CounterMetricFamily(
            "timers_executions", "Executions that ended, by result and action.", labels=["status", "action"]
        )
        for (status, action), count in sorted(numbers.finished.items()):
            executions.add_metric([status, action], count)
        yield executions
        yield self._lateness(numbers.lateness)
        yield GaugeMetricFamily(
            "timers_due", "Timers whose instant has come and that wait for a dispatcher.", numbers.due
        )
        yield GaugeMetricFamily(
            "timers_oldest_due_seconds", "For how long the oldest due timer has been waiting.", numbers.oldest_due
        )
        for status, help_text in (
            ("running", "Executions that run now."),
            ("pending", "Executions that wait for a worker or their instant."),
            ("retrying", "Executions that wait for their next attempt."),
        ):
            yield GaugeMetricFamily(f"timers_{status}", help_text, numbers.unfinished[status])
        yield _labelled("timers_timers", "Timers, by status.", "status", numbers.timers)
        yield _labelled("timers_transfers", "Transfers that go on, by status.", "status", numbers.transfers)
        yield _labelled(
            "timers_process_silence_seconds",
            "Since the last sign of life of each kind of process.",
            "role",
            numbers.silence,
        )

    def _lateness(self, lateness: queries.Lateness) -> Metric:
        family = HistogramMetricFamily(
            "timers_dispatch_lateness_seconds",
            "From planned to started, of the occurrences planned in the present hour; starts anew each hour.",
        )
        bounds = [str(bound) for bound in queries.LATENESS_BUCKETS]
        buckets = [*zip(bounds, lateness.counts, strict=True), ("+Inf", lateness.total)]
        family.add_metric([], buckets, sum_value=lateness.seconds)
        return family


def _labelled(name: str, words: str, label: str, values: dict[str, int] | dict[str, float]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=[label])
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family
