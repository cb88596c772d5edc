"""What the views of the Transfer service share: its errors, its scope, and how things are found."""

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


class TransferDoor(GlobusView):
    """A view of the Transfer service."""

    invalid = HTTPStatus.BAD_REQUEST
    shape = staticmethod(errors.of_transfer)
    opens = staticmethod(lambda scope: scope == scopes.TRANSFER)


def endpoint(request: Request, endpoint_id: object) -> Collection:
    """Return the collection of that id that the caller may know of."""
    found = collections.find(request.user, endpoint_id)
    if found is None:
        raise ProblemRaised(404, "EndpointNotFound", f"No such endpoint '{str(endpoint_id)[:100]}'.")
    return found


def task(request: Request, task_id: str) -> Transfer:
    """Return the transfer of that id that the caller may know of."""
    known = Transfer.objects.visible_to(request.user).select_related("owner", "source", "destination")
    key = validation.uuid(task_id)
    found = known.filter(pk=key).first() if key is not None else None
    if found is None:
        raise ProblemRaised(404, "ClientError.NotFound", f"No such task '{task_id[:100]}'.")
    return found


def result(request: Request, kind: str, code: str, message: str, **more: Any) -> dict[str, Any]:
    """Return the document by which a deed is confirmed."""
    return {
        "DATA_TYPE": kind,
        "code": code,
        "message": message,
        "request_id": errors.request_id(),
        "resource": errors.resource(request.path),
        **more,
    }


def account_of(user: Any) -> str:
    """Return the name of an account, as it stands before the names of endpoints."""
    return f"u_{identities.id_of(user).hex}"
