"""Collections: created, listed, read, changed, deleted, and what a folder of one holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock
from timers.api import examples, filters, query_parameters
from timers.api.base import ApiView, body, find, repeatable
from timers.api.schema import FIELDS, LIMIT, MARKER, described, query
from timers.api.serializers.collections import (
    CollectionChanges,
    CollectionPage,
    CollectionSerializer,
    CollectionTestSerializer,
    ListingSerializer,
    NewCollection,
)
from timers.models import Collection
from timers.services import idempotency
from timers.services.collections import checks
from timers.services.collections import commands as collections
from timers.services.collections.checks import CollectionHealth


def collection_of(request: Request, collection_id: str) -> Collection:
    """Return the collection of that id that the caller may know of."""
    return find(Collection.objects.visible_to(request.user).select_related("owner"), collection_id)


def answer(collection: Collection) -> Any:
    """Return the document of a collection."""
    return CollectionSerializer(collection).data


class CollectionList(ApiView):
    @described(
        "list_collections",
        "List collections",
        tag="collections",
        answer=CollectionPage,
        example=examples.COLLECTION_PAGE,
        parameters=[LIMIT, MARKER, FIELDS],
        description="Newest first.",
    )
    def get(self, request: Request) -> Response:
        params = request.query_params
        only = query_parameters.words(params, "fields", CollectionSerializer.names()) or None
        page = query_parameters.page(
            params, Collection.objects.visible_to(request.user).select_related("owner"), filters.COLLECTION_ORDER
        )
        shown = CollectionSerializer(page.rows, many=True, only=only).data
        return Response({"collections": shown, "marker": page.next_marker})

    @described(
        "create_collection",
        "Create a collection",
        tag="collections",
        status=201,
        request=NewCollection,
        sends=examples.NEW_COLLECTION,
        answer=CollectionSerializer,
        example=examples.COLLECTION,
        description="Only administrators may create local ones, inside TIMERS_LOCAL_ROOTS.",
    )
    @repeatable
    def post(self, request: Request) -> Response:
        fields = NewCollection.read(body(request))
        collection = collections.create(owner=request.user, by=request.user, fields=fields, now=clock.now())
        return Response(answer(collection), status=201)


class CollectionDetail(ApiView):
    @described(
        "get_collection",
        "Read a collection",
        tag="collections",
        answer=CollectionSerializer,
        example=examples.COLLECTION,
    )
    def get(self, request: Request, collection_id: str) -> Response:
        return Response(answer(collection_of(request, collection_id)))

    @described(
        "update_collection",
        "Change a collection",
        tag="collections",
        request=CollectionChanges,
        sends={"display_name": "Archive of 2026"},
        answer=CollectionSerializer,
        example=examples.COLLECTION,
        description="`storage` is replaced as a whole; a secret sent as *** stays as it is, unless the host changes.",
    )
    def patch(self, request: Request, collection_id: str) -> Response:
        collection = collection_of(request, collection_id)
        changes = NewCollection.read(body(request))
        collections.update(collection, changes=changes, by=request.user, now=clock.now())
        return Response(answer(collection_of(request, collection_id)))

    @described(
        "delete_collection",
        "Delete a collection",
        tag="collections",
        answer=CollectionSerializer,
        example=examples.COLLECTION,
        description="Its files and finished transfers are left alone.",
    )
    def delete(self, request: Request, collection_id: str) -> Response:
        collection = collection_of(request, collection_id)
        return Response(answer(collections.delete(collection, by=request.user, now=clock.now())))


class CollectionFolder(ApiView):
    @described(
        "list_directory",
        "List a folder of a collection",
        tag="collections",
        answer=ListingSerializer,
        example=examples.LISTING,
        parameters=[
            query("path", "The folder; the default directory if left out."),
            query("limit", "How many entries at most.", type={"type": "integer", "minimum": 1, "maximum": 100000}),
        ],
        description="By name.",
        outside=True,
    )
    def get(self, request: Request, collection_id: str) -> Response:
        collection = collection_of(request, collection_id)
        most = collections.MAX_LISTED
        limit = query_parameters.limit(request.query_params, usual=most, most=most)
        listing = collections.list_directory(collection, request.query_params.get("path"), limit=limit)
        return Response(ListingSerializer(listing).data)


Test = Callable[["CollectionTest", Request, str], HttpResponseBase]


def measured(post: Test) -> Test:
    """Try the collection out before: a POST that can be repeated holds a transaction, and this takes seconds."""

    @wraps(post)
    def method(self: CollectionTest, request: Request, collection_id: str) -> HttpResponseBase:
        self.tried = None if _was_answered(request) else _try_out(request, collection_id)
        return post(self, request, collection_id)

    return method


def _try_out(request: Request, collection_id: str) -> tuple[Collection, CollectionHealth]:
    collection = collection_of(request, collection_id)
    return collection, checks.measure(collection, now=clock.now())


class CollectionTest(ApiView):
    tried: tuple[Collection, CollectionHealth] | None

    @described(
        "test_collection",
        "Test a collection",
        tag="collections",
        answer=CollectionTestSerializer,
        example=examples.COLLECTION_TEST,
        description=(
            "Lists the default directory, writes a hidden file of at most 4 MiB there, reads it back and deletes it. "
            "Takes some seconds. What cannot be reached is no error: `read` and `write` say so, `error` says why."
        ),
    )
    @measured
    @repeatable
    def post(self, request: Request, collection_id: str) -> Response:
        collection, health = self.tried or _try_out(request, collection_id)
        checks.record(collection, health, by=request.user, now=health.checked_at)
        document = CollectionTestSerializer(health).data
        return Response({name: value for name, value in document.items() if name != "error" or value is not None})


def _was_answered(request: Request) -> bool:
    key, path = request.headers.get("Idempotency-Key"), request.path.rstrip("/")
    return key is not None and idempotency.has_answer(owner=request.user, path=path, key=key, now=clock.now())
