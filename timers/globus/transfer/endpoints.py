"""Views of collections as endpoints: one endpoint, and the search."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from rest_framework.request import Request
from rest_framework.response import Response

from timers import validation
from timers.globus.base import number
from timers.globus.transfer.base import TransferServiceView, account_of, get_endpoint, result_document
from timers.models import Collection
from timers.services.people import identities

MAX_ENDPOINTS = 100
_OWN_SCOPES = ("my-endpoints", "my-gcp-endpoints", "administered-by-me")
_EMPTY_SCOPES = ("shared-with-me", "shared-by-me")


class EndpointDetail(TransferServiceView):
    """GET /endpoint/{id}"""

    def get(self, request: Request, endpoint_id: str) -> Response:
        return Response(write_endpoint(get_endpoint(request, endpoint_id)))


class EndpointActivation(TransferServiceView):
    """POST /endpoint/{id}/autoactivate: always answers that the endpoint is active."""

    def post(self, request: Request, endpoint_id: str) -> Response:
        collection = get_endpoint(request, endpoint_id)
        document = result_document(
            request, "activation_result", "AlreadyActivated", "This endpoint needs no activation."
        )
        return Response({**document, "endpoint": str(collection.pk), "expires_in": -1, "expire_time": None, "DATA": []})


class EndpointSearch(TransferServiceView):
    """GET /endpoint_search"""

    def get(self, request: Request) -> Response:
        query = request.query_params
        limit = number(query, "limit", default=MAX_ENDPOINTS, minimum=1, maximum=MAX_ENDPOINTS)
        offset = number(query, "offset", default=0, minimum=0, maximum=1_000_000)
        matches = list(_matching(request).order_by("display_name", "pk")[offset : offset + limit + 1])
        return Response(
            {
                "DATA_TYPE": "endpoint_list",
                "DATA": [write_endpoint(collection) for collection in matches[:limit]],
                "has_next_page": len(matches) > limit,
                "limit": limit,
                "offset": offset,
            }
        )


def _matching(request: Request) -> Any:
    query = request.query_params
    rows = Collection.objects.visible_to(request.user).select_related("owner")
    for word in query.get("filter_fulltext", "").split():
        condition = (
            Q(display_name__icontains=word) | Q(description__icontains=word) | Q(owner__username__icontains=word)
        )
        key = validation.uuid(word)
        rows = rows.filter(condition if key is None else condition | Q(pk=key))
    scope = query.get("filter_scope", "all")
    if scope in _OWN_SCOPES:
        rows = rows.filter(owner=request.user)
    if (
        scope in _EMPTY_SCOPES
        or query.get("filter_host_endpoint")
        or query.get("filter_non_functional") in ("1", "true")
    ):
        rows = rows.none()
    if query.get("filter_owner_id"):
        ids = [user.pk for user in identities.find(request.user, ids=[query["filter_owner_id"]])]
        rows = rows.filter(owner__in=ids)
    kinds = [kind for text in query.getlist("filter_entity_type") for kind in text.split(",") if kind]
    return rows.filter(entity_type__in=kinds) if kinds else rows


def write_endpoint(collection: Collection) -> dict[str, Any]:
    """Return the endpoint document of a collection."""
    account = account_of(collection.owner)
    return {
        "DATA_TYPE": "endpoint",
        "id": str(collection.pk),
        "display_name": collection.display_name,
        "entity_type": collection.entity_type,
        "high_assurance": collection.high_assurance,
        "owner_id": str(identities.id_of(collection.owner)),
        "owner_string": collection.owner.get_username(),
        "username": account,
        "canonical_name": f"{account}#{collection.pk}",
        "description": collection.description or None,
        "organization": None,
        "department": None,
        "keywords": None,
        "info_link": None,
        "contact_email": None,
        "public": False,
        "activated": True,
        "expires_in": -1,
        "gcs_version": "5.4.70" if collection.entity_type.startswith("GCSv5") else None,
        "host_endpoint": None,
        "host_endpoint_id": None,
        "default_directory": collection.default_directory,
        "non_functional": False,
        "is_globus_connect": collection.entity_type.startswith("GCP"),
        "gcp_connected": True if collection.entity_type.startswith("GCP") else None,
        "gcp_paused": False if collection.entity_type.startswith("GCP") else None,
        "subscription_id": None,
        "acl_available": False,
        "acl_editable": False,
        "force_verify": False,
        "force_encryption": False,
        "disable_verify": False,
        "s3_url": None,
        "DATA": [],
    }
