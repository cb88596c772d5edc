"""Views of flows: the list, and one by its id, which clients read before they create a timer for it."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from timers import formatting, scopes, validation
from timers.errors import NotFound
from timers.globus import errors
from timers.globus.base import GlobusView
from timers.services.globus import flows
from timers.services.globus.flows import Flow
from timers.services.people import identities


class FlowsView(GlobusView):
    """A view of the Flows service."""

    shape = staticmethod(errors.of_timers)
    accepts_scope = staticmethod(lambda scope: scope.startswith(scopes.FLOWS_PREFIX))


class FlowList(FlowsView):
    """GET /flows: the caller's workflows"""

    def get(self, request: Request) -> Response:
        documents = [write_flow(flow) for flow in flows.of_workflows(request.user)]
        return Response({"flows": documents, "limit": len(documents), "has_next_page": False, "marker": None})


class FlowDetail(FlowsView):
    """GET /flows/{id}"""

    def get(self, request: Request, flow_id: str) -> Response:
        key = validation.uuid(flow_id)
        flow = flows.find(request.user, key) if key is not None else None
        if flow is None:
            raise NotFound(f"There is no flow {flow_id[:40]}.")
        return Response(write_flow(flow))


def write_flow(flow: Flow) -> dict[str, Any]:
    """Return the document of a flow."""
    owner = f"urn:globus:auth:identity:{identities.id_of(flow.owner)}"
    return {
        "id": str(flow.id),
        "title": flow.title,
        "subtitle": "",
        "description": flow.description,
        "definition": {},
        "input_schema": {},
        "keywords": [],
        "flow_owner": owner,
        "flow_viewers": [],
        "flow_starters": [],
        "flow_administrators": [],
        "run_managers": [],
        "run_monitors": [],
        "user_role": "flow_owner",
        "globus_auth_scope": scopes.flow_user(flow.id),
        "subscription_id": None,
        "created_at": formatting.iso(flow.created_at),
        "updated_at": formatting.iso(flow.updated_at),
    }
