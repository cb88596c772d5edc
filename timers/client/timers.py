"""The client for timers and their executions, one method for each endpoint."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Self
from uuid import UUID

from timers.client.base import BaseClient
from timers.client.payloads import MISSING, Instant, MissingType
from timers.client.transport import APIResponse, path_of
from timers.http import Transport

FINISHED: Final = frozenset({"completed", "failed", "cancelled", "skipped"})

Query = Mapping[str, Any]


class TimersClient(BaseClient):
    """Client that creates and controls timers and reads their executions.

    Answers behave like their document (`answer["timer"]["id"]`, `.get`), which is also their `data`. Every method
    raises TimersAPIError when the server refuses.
    """

    def __init__(
        self,
        base_url: str | None = None,
        token: str | None = None,
        *,
        transport: Transport | None = None,
        timeout: float = 30.0,
    ) -> None:
        super().__init__(base_url, token, transport=transport, timeout=timeout)
        self.data_access_collections: set[str] = set()

    # Timers

    def create_timer(self, timer: Mapping[str, Any]) -> APIResponse:
        """POST /api/v1/timers: create a timer; returns `{"timer": ...}`."""
        return self._create("/timers", timer if set(timer) == {"timer"} else {"timer": timer})

    def get_timer(self, timer_id: str | UUID, *, query_params: Query | None = None) -> APIResponse:
        """GET /api/v1/timers/{id}: return `{"timer": ...}` with its last results, also of a deleted timer."""
        return self._get(path_of("timers", timer_id), query_params)

    def list_timers(
        self,
        *,
        limit: int | None = None,
        marker: str | None = None,
        fields: str | Iterable[str] | None = None,
        query_params: Query | None = None,
    ) -> APIResponse:
        """GET /api/v1/timers: return one page, `{"timers": [...], "marker": ...}`. `query_params` takes filters."""
        return self._get("/timers", _page(query_params, limit=limit, marker=marker, fields=_comma_list(fields)))

    def iter_timers(
        self,
        *,
        page_size: int | None = None,
        fields: str | Iterable[str] | None = None,
        query_params: Query | None = None,
    ) -> Iterator[dict[str, Any]]:
        """GET /api/v1/timers, page after page: yield every timer."""
        return self._pages("/timers", "timers", _page(query_params, limit=page_size, fields=_comma_list(fields)))

    def update_timer(
        self, timer_id: str | UUID, data: Mapping[str, Any], *, query_params: Query | None = None
    ) -> APIResponse:
        """PATCH /api/v1/timers/{id}: change fields of a timer. Changes apply from now on."""
        return self._patch(path_of("timers", timer_id), data, query_params)

    def delete_timer(self, timer_id: str | UUID, *, query_params: Query | None = None) -> APIResponse:
        """DELETE /api/v1/timers/{id}: delete a timer. It never runs again; its history can still be read by id."""
        return self._delete(path_of("timers", timer_id), query_params)

    def pause_timer(
        self,
        timer_id: str | UUID,
        *,
        reason: str | MissingType = MISSING,
        until: Instant | MissingType = MISSING,
        query_params: Query | None = None,
    ) -> APIResponse:
        """POST /api/v1/timers/{id}/pause: stop scheduled executions until `until`, or until the timer is resumed."""
        return self._post(path_of("timers", timer_id, "pause"), _given(reason=reason, until=until), query_params)

    def resume_timer(
        self,
        timer_id: str | UUID,
        *,
        run_missed: bool | MissingType = MISSING,
        query_params: Query | None = None,
    ) -> APIResponse:
        """POST /api/v1/timers/{id}/resume: resume a timer. With `run_missed` its last missed occurrence runs now."""
        return self._post(path_of("timers", timer_id, "resume"), _given(run_missed=run_missed), query_params)

    def run_timer(self, timer_id: str | UUID) -> APIResponse:
        """POST /api/v1/timers/{id}/run: run a timer now, independent of its schedule; returns `{"execution": ...}`."""
        return self._create(path_of("timers", timer_id, "run"))

    def create_job(self, job: Mapping[str, Any]) -> APIResponse:
        """POST /api/v1/jobs: create a timer that calls a URL, from a TimerJob; returns `{"timer": ...}`."""
        return self._create("/jobs", job)

    def preview_schedule(
        self, schedule: Mapping[str, Any], *, limit: int = 10, after: Instant | MissingType = MISSING
    ) -> APIResponse:
        """POST /api/v1/schedules/preview: return the next instants of a schedule, its description and warnings."""
        return self._post("/schedules/preview", {"schedule": schedule, "limit": limit, "after": after})

    def add_app_transfer_data_access_scope(self, collection_ids: str | UUID | Iterable[str | UUID]) -> Self:
        """Remember the collections that timers will use; return this client. Nothing is sent.

        A token for this API covers all collections of its user, so no consent is needed.
        """
        ids = [collection_ids] if isinstance(collection_ids, str | UUID) else collection_ids
        self.data_access_collections.update(map(str, ids))
        return self

    # Executions

    def get_timer_executions(
        self,
        timer_id: str | UUID,
        *,
        limit: int | None = None,
        marker: str | None = None,
        query_params: Query | None = None,
    ) -> APIResponse:
        """GET /api/v1/timers/{id}/executions: return one page, `{"executions": [...], "marker": ...}`, newest first."""
        return self._get(path_of("timers", timer_id, "executions"), _page(query_params, limit=limit, marker=marker))

    def iter_executions(
        self, timer_id: str | UUID, *, page_size: int | None = None, query_params: Query | None = None
    ) -> Iterator[dict[str, Any]]:
        """GET /api/v1/timers/{id}/executions, page after page: yield every execution, newest first."""
        return self._pages(
            path_of("timers", timer_id, "executions"), "executions", _page(query_params, limit=page_size)
        )

    def get_execution(self, execution_id: str | UUID, *, query_params: Query | None = None) -> APIResponse:
        """GET /api/v1/executions/{id}: return the document of one execution."""
        return self._get(path_of("executions", execution_id), query_params)

    def cancel_execution(self, execution_id: str | UUID, *, query_params: Query | None = None) -> APIResponse:
        """POST /api/v1/executions/{id}/cancel: cancel an execution that has not finished."""
        return self._post(path_of("executions", execution_id, "cancel"), query=query_params)

    def wait_for_execution(self, execution_id: str | UUID, *, timeout: float = 60.0, poll: float = 0.5) -> APIResponse:
        """GET /api/v1/executions/{id} every `poll` seconds; return the execution once it has finished.

        Raises TimeoutError after `timeout` seconds.
        """
        ends = time.monotonic() + timeout
        while (execution := self.get_execution(execution_id))["status"] not in FINISHED:
            left = ends - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"Execution {execution_id} is {execution['status']} after {timeout:g} seconds.")
            time.sleep(min(poll, left))
        return execution


def _page(query: Query | None, **options: Any) -> dict[str, Any]:
    return {**(query or {}), **{name: value for name, value in options.items() if value is not None}}


def _comma_list(fields: str | Iterable[str] | None) -> str | None:
    return fields if fields is None or isinstance(fields, str) else ",".join(fields)


def _given(**fields: Any) -> dict[str, Any] | None:
    """Return the fields that were given, or None when there are none and no body is needed."""
    return {name: value for name, value in fields.items() if value is not MISSING} or None
