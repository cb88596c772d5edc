"""The base of the Transfer service's views: error format, scope, and lookup of collections and tasks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from rest_framework.request import Request

from timers import scopes, validation
from timers.globus import errors
from timers.globus.base import GlobusView
from timers.http_api.errors import ProblemRaised
from timers.models import Collection, Transfer
from timers.services.collections import commands as collections
from timers.services.people import identities


class TransferServiceView(GlobusView):
    """A view of the Transfer service."""

    invalid = HTTPStatus.BAD_REQUEST
    shape = staticmethod(errors.of_transfer)
    accepts_scope = staticmethod(lambda scope: scope == scopes.TRANSFER)


def get_endpoint(request: Request, endpoint_id: object) -> Collection:
    """Return the collection of this id that is visible to the caller; raises ProblemRaised (404)."""
    collection = collections.find(request.user, endpoint_id)
    if collection is None:
        raise ProblemRaised(404, "EndpointNotFound", f"No such endpoint '{str(endpoint_id)[:100]}'.")
    return collection


def get_task(request: Request, task_id: str) -> Transfer:
    """Return the transfer of this id that is visible to the caller; raises ProblemRaised (404)."""
    known = Transfer.objects.visible_to(request.user).select_related("owner", "source", "destination")
    key = validation.uuid(task_id)
    transfer = known.filter(pk=key).first() if key is not None else None
    if transfer is None:
        raise ProblemRaised(404, "ClientError.NotFound", f"No such task '{task_id[:100]}'.")
    return transfer


def result_document(request: Request, kind: str, code: str, message: str, **more: Any) -> dict[str, Any]:
    """Return the document that confirms an operation."""
    return {
        "DATA_TYPE": kind,
        "code": code,
        "message": message,
        "request_id": errors.request_id(),
        "resource": errors.resource(request.path),
        **more,
    }


def account_of(user: Any) -> str:
    """Return the account name of a user, the first part of canonical endpoint names."""
    return f"u_{identities.id_of(user).hex}"
