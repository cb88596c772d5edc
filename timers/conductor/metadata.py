"""Views of the definitions of workflows and tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock
from timers.conductor.base import ConductorView, empty_response, read_array, read_object
from timers.conductor.documents import ms
from timers.errors import Invalid
from timers.http_api import queries
from timers.models import TaskDefinition, WorkflowDefinition
from timers.services.workflows import definitions as service
from timers.workflow_rules.definitions import read_version


def write_workflow(row: WorkflowDefinition) -> dict[str, Any]:
    """Return a workflow definition as it was registered, with defaults for the fields that clients expect."""
    defaults = {"inputParameters": [], "outputParameters": {}, "schemaVersion": 2, "timeoutSeconds": 0}
    times = {"createTime": ms(row.created_at), "updateTime": ms(row.updated_at)}
    return {**defaults, **row.document, **times}


def write_task(row: TaskDefinition) -> dict[str, Any]:
    """Return a task definition as it was registered, with its times."""
    return {**row.document, "createTime": ms(row.created_at), "updateTime": ms(row.updated_at)}


def _documents(request: Request) -> list[Mapping[str, Any]]:
    documents = read_array(request)
    if not documents:
        raise Invalid({"": "There is no definition in the body."})
    return documents


class WorkflowDefinitionList(ConductorView):
    def get(self, request: Request) -> Response:
        """List all versions of the caller's workflow definitions."""
        rows = WorkflowDefinition.objects.filter(owner=request.user).order_by("name", "version")
        return Response([write_workflow(row) for row in rows])

    def post(self, request: Request) -> HttpResponse:
        """Register one definition. An existing one is only replaced if `overwrite` is true."""
        overwrite = queries.flag(request.query_params, "overwrite")
        user = request.user
        service.register(owner=user, document=read_object(request), overwrite=overwrite, now=clock.now(), by=user)
        return empty_response()

    def put(self, request: Request) -> Response:
        """Register definitions; existing ones are replaced unless `overwrite` is false."""
        documents = _documents(request)
        overwrite = queries.flag(request.query_params, "overwrite", default=True)
        service.register_all(owner=request.user, documents=documents, overwrite=overwrite, now=clock.now())
        names = [document["name"] for document in documents]
        return Response({"bulkErrorResults": {}, "bulkSuccessfulResults": names})


class WorkflowDefinitionDetail(ConductorView):
    def get(self, request: Request, name: str) -> Response:
        """Return a definition: of the named version, or else the newest."""
        return Response(write_workflow(service.find(request.user, name, _version(request.query_params.get("version")))))


class WorkflowVersionDetail(ConductorView):
    def delete(self, request: Request, name: str, version: int) -> HttpResponse:
        """Unregister one version. Its runs continue."""
        definition = service.find(request.user, name, read_version(version, "version"))
        service.unregister(definition, by=request.user, now=clock.now())
        return empty_response()


def _version(value: str | None) -> int | None:
    if value in (None, "", "null", "None"):
        return None
    return read_version(int(value) if value.isascii() and value.isdigit() else value, "version")


class TaskDefinitionList(ConductorView):
    def get(self, request: Request) -> Response:
        """List the caller's task definitions."""
        rows = TaskDefinition.objects.filter(owner=request.user).order_by("name")
        return Response([write_task(row) for row in rows])

    def post(self, request: Request) -> HttpResponse:
        """Define tasks, all or none. Existing definitions are replaced."""
        service.define_tasks(owner=request.user, documents=_documents(request), now=clock.now())
        return empty_response()

    put = post


class TaskDefinitionDetail(ConductorView):
    def get(self, request: Request, name: str) -> Response:
        return Response(write_task(service.find_task(request.user, name)))

    def delete(self, request: Request, name: str) -> HttpResponse:
        service.remove_task(service.find_task(request.user, name))
        return empty_response()
