"""Definitions of workflows and of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock
from timers.conductor.base import ConductorView, body, done, listed
from timers.conductor.documents import ms
from timers.errors import Invalid
from timers.http_api import queries
from timers.models import TaskDefinition, WorkflowDefinition
from timers.services.workflows import definitions as service
from timers.workflow_rules.definitions import read_version


def write_workflow(row: WorkflowDefinition) -> dict[str, Any]:
    """Return a definition as it was registered, with what clients expect in any."""
    usual = {"inputParameters": [], "outputParameters": {}, "schemaVersion": 2, "timeoutSeconds": 0}
    times = {"createTime": ms(row.created_at), "updateTime": ms(row.updated_at)}
    return {**usual, **row.document, **times}


def write_task(row: TaskDefinition) -> dict[str, Any]:
    """Return the definition of a task as it was registered."""
    return {**row.document, "createTime": ms(row.created_at), "updateTime": ms(row.updated_at)}


def _documents(request: Request) -> list[Mapping[str, Any]]:
    found = listed(request)
    if not found:
        raise Invalid({"": "There is no definition in the body."})
    return found


class WorkflowDefinitionList(ConductorView):
    def get(self, request: Request) -> Response:
        """List the caller's definitions, every version of each."""
        rows = WorkflowDefinition.objects.filter(owner=request.user).order_by("name", "version")
        return Response([write_workflow(each) for each in rows])

    def post(self, request: Request) -> HttpResponse:
        """Register one definition; one that exists is kept unless `overwrite` says otherwise."""
        overwrite = queries.flag(request.query_params, "overwrite")
        user = request.user
        service.register(owner=user, document=body(request), overwrite=overwrite, now=clock.now(), by=user)
        return done()

    def put(self, request: Request) -> Response:
        """Register definitions, in place of those that exist."""
        documents = _documents(request)
        overwrite = queries.flag(request.query_params, "overwrite", default=True)
        service.register_all(owner=request.user, documents=documents, overwrite=overwrite, now=clock.now())
        names = [each["name"] for each in documents]
        return Response({"bulkErrorResults": {}, "bulkSuccessfulResults": names})


class WorkflowDefinitionDetail(ConductorView):
    def get(self, request: Request, name: str) -> Response:
        """Return a definition, of the newest version where none is named."""
        return Response(write_workflow(service.find(request.user, name, _version(request.query_params.get("version")))))


class WorkflowVersion(ConductorView):
    def delete(self, request: Request, name: str, version: int) -> HttpResponse:
        """Take out one version; its runs go on."""
        found = service.find(request.user, name, read_version(version, "version"))
        service.unregister(found, by=request.user, now=clock.now())
        return done()


def _version(value: str | None) -> int | None:
    if value in (None, "", "null", "None"):
        return None
    return read_version(int(value) if value.isascii() and value.isdigit() else value, "version")


class Tasks(ConductorView):
    def get(self, request: Request) -> Response:
        """List the caller's definitions of tasks."""
        rows = TaskDefinition.objects.filter(owner=request.user).order_by("name")
        return Response([write_task(each) for each in rows])

    def post(self, request: Request) -> HttpResponse:
        """Define tasks, all or none, in place of those that exist."""
        service.define_tasks(owner=request.user, documents=_documents(request), now=clock.now())
        return done()

    put = post


class TaskDefinitionDetail(ConductorView):
    def get(self, request: Request, name: str) -> Response:
        return Response(write_task(service.find_task(request.user, name)))

    def delete(self, request: Request, name: str) -> HttpResponse:
        service.remove_task(service.find_task(request.user, name))
        return done()
