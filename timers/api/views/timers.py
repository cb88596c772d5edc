"""Timers: created, listed, read, changed, deleted; their tags and signing secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from timers import clock, validation
from timers.api import examples, filters, query_parameters
from timers.api.base import ApiView, body, find, repeatable
from timers.api.errors import document as error_document
from timers.api.schema import FIELDS, LIMIT, MARKER, described, query
from timers.api.serializers.timers import (
    BulkAnswer,
    BulkRequest,
    NewTimer,
    NewTimerRequest,
    SecretAnswer,
    TagsDocument,
    TimerAnswer,
    TimerChanges,
    TimerPage,
    TimerSerializer,
    TimerWithResultsSerializer,
)
from timers.errors import Invalid, TimersError
from timers.models import Execution, Timer
from timers.models.timers import TimerQuerySet
from timers.services.timers import batches, signing_secrets
from timers.services.timers import commands as timers

MAX_BULK_TIMERS = 1_000
RESULTS_SHOWN = 10


def rows() -> TimerQuerySet:
    """Return timers with all that their documents need."""
    return Timer.objects.select_related("owner", "definition", "schedule").prefetch_related("tag_rows")


def answer(timer_id: UUID) -> dict[str, Any]:
    """Return the document of a timer as it is now, with its last results."""
    results = Execution.objects.filter(timer_id=timer_id, started_at__isnull=False)
    newest = results.order_by("-scheduled_for", "-serial")[:RESULTS_SHOWN]
    return {"timer": TimerWithResultsSerializer(rows().get(pk=timer_id), context={"results": newest}).data}


def timer_of(request: Request, timer_id: str) -> Timer:
    """Return the timer of that id that the caller may know of."""
    return find(Timer.objects.visible_to(request.user), timer_id)


class TimerList(ApiView):
    @described(
        "list_timers",
        "List timers",
        tag="timers",
        answer=TimerPage,
        example=examples.TIMER_PAGE,
        parameters=[
            LIMIT,
            MARKER,
            FIELDS,
            query("status", "A comma list of active, paused, ended; deleted timers are gone from lists."),
            query("action", "A comma list of timer types."),
            query("tag", "key or key:value; repeated, all must be there.", many=True),
            query("q", "Text that name or description contain."),
            query("order", "created_at, name or next_run; a minus sign turns it round.", enum=examples.TIMER_ORDERS),
        ],
    )
    def get(self, request: Request) -> Response:
        params = request.query_params
        only = query_parameters.words(params, "fields", TimerSerializer.names()) or None
        page = query_parameters.page(
            params,
            filters.timers(rows().visible_to(request.user), params),
            query_parameters.order(params, filters.TIMER_ORDERS),
        )
        return Response({"timers": TimerSerializer(page.rows, many=True, only=only).data, "marker": page.next_marker})

    @described(
        "create_timer",
        "Create a timer",
        tag="timers",
        status=201,
        request=NewTimerRequest,
        sends=examples.NEW_TIMER,
        answer=TimerAnswer,
        example=examples.TIMER_ANSWER,
    )
    @repeatable
    def post(self, request: Request) -> Response:
        with transaction.atomic():
            timer = _create(body(request), owner=request.user, now=clock.now())
            made = answer(timer.pk)
        return Response(made, status=201)


class TimerBulk(ApiView):
    @described(
        "create_timers",
        "Create up to 1,000 timers",
        tag="timers",
        request=BulkRequest,
        sends={"timers": [examples.NEW_TIMER["timer"]]},
        answer=BulkAnswer,
        example=examples.BULK_ANSWER,
        description="Each one succeeds or fails by itself; the results are in the order of the request.",
    )
    @repeatable
    def post(self, request: Request) -> Response:
        documents = _documents(BulkRequest.read(body(request)))
        now = clock.now()
        made = list(batches.run_each(partial(_create, fields, owner=request.user, now=now) for fields in documents))
        return Response({"results": _results(made)})


class TimerDetail(ApiView):
    @described(
        "get_timer",
        "Read a timer",
        tag="timers",
        answer=TimerAnswer,
        example=examples.TIMER_ANSWER,
        description="The timer with its last 10 executions that ran; also after it was deleted.",
    )
    def get(self, request: Request, timer_id: str) -> Response:
        return Response(answer(timer_of(request, timer_id).pk))

    @described(
        "update_timer",
        "Change a timer",
        tag="timers",
        request=TimerChanges,
        sends={"name": "Nightly copy", "policies": {"max_attempts": 5}},
        answer=TimerAnswer,
        example=examples.TIMER_ANSWER,
        description="Any of the fields that a timer is made of, bare or inside `timer`. Policies are merged by key, "
        "the rest is replaced. Changes count from now on.",
    )
    def patch(self, request: Request, timer_id: str) -> Response:
        timer = timer_of(request, timer_id)
        changes = _inside(body(request))
        timers.update(timer, changes=_checked_changes(changes), by=request.user, now=clock.now())
        return Response(answer(timer.pk))

    @described(
        "delete_timer",
        "Delete a timer",
        tag="timers",
        answer=TimerAnswer,
        example=examples.DELETED_TIMER,
        description="It is gone from lists and never runs again; its history stays readable by id. "
        "What runs goes on, what waits is cancelled.",
    )
    def delete(self, request: Request, timer_id: str) -> Response:
        timer = timer_of(request, timer_id)
        timers.delete(timer, by=request.user, now=clock.now())
        return Response(answer(timer.pk))


class TimerTags(ApiView):
    @described("get_tags", "Read a timer's tags", tag="timers", answer=TagsDocument, example={"tags": examples.TAGS})
    def get(self, request: Request, timer_id: str) -> Response:
        return Response({"tags": timers.tags_of(timer_of(request, timer_id))})

    @described(
        "set_tags",
        "Replace a timer's tags",
        tag="timers",
        request=TagsDocument,
        sends={"tags": examples.TAGS},
        answer=TagsDocument,
        example={"tags": examples.TAGS},
    )
    def put(self, request: Request, timer_id: str) -> Response:
        timer = timer_of(request, timer_id)
        tags = validation.required_mapping(TagsDocument.read(body(request)), "tags")
        timers.set_tags(timer, tags=tags, by=request.user, now=clock.now())
        return Response({"tags": timers.tags_of(timer_of(request, timer_id))})


class TimerSigningSecret(ApiView):
    @described(
        "rotate_signing_secret",
        "Make a new signing secret",
        tag="timers",
        answer=SecretAnswer,
        example={"signing_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwZ2w1x0VY3fI="},
        description="The key that signs webhook deliveries (Standard Webhooks), shown this once. "
        "Deliveries are signed with the one before, too, for 24 hours.",
    )
    @repeatable
    def post(self, request: Request, timer_id: str) -> Response:
        timer = timer_of(request, timer_id)
        return Response({"signing_secret": signing_secrets.rotate(timer, by=request.user, now=clock.now())})


# Reading what is sent


def _inside(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a timer, which stand bare or inside `timer`; raises Invalid for unknown ones."""
    if not isinstance(document, Mapping):
        raise Invalid({"timer": "This must be an object."})
    if "timer" in document:
        document = validation.required_mapping(NewTimerRequest.read(document), "timer")
    validation.text(document.get("timer_type"), "timer_type")
    return NewTimer.read(document)


def _create(document: Mapping[str, Any], *, owner: Any, now: datetime) -> Timer:
    fields: Mapping[str, Any] = {"timer_type": None, "name": None, "schedule": None, "body": None, **_inside(document)}
    return timers.create(
        owner=owner,
        action=fields["timer_type"],
        name=fields["name"],
        schedule=fields["schedule"],
        body=fields["body"],
        policies=fields.get("policies"),
        tags=fields.get("tags"),
        description=fields.get("description") or "",
        paused=validation.flag(fields.get("paused"), "paused"),
        by=owner,
        now=now,
    )


def _checked_changes(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the changes; raises Invalid for null, which would leave open whether to reset or to keep."""
    empty = [name for name, value in changes.items() if value is None]
    if empty:
        raise Invalid(dict.fromkeys(empty, "This must not be null; leave it out to keep what is there."))
    validation.flag(changes.get("paused"), "paused")
    return changes


def _documents(document: Mapping[str, Any]) -> list[Any]:
    documents = document.get("timers")
    if not isinstance(documents, list):
        raise Invalid({"timers": "Give a list of timers."})
    if len(documents) > MAX_BULK_TIMERS:
        raise Invalid({"timers": f"At most {MAX_BULK_TIMERS:,} timers at once; these are {len(documents):,}."})
    return documents


def _results(made: Sequence[Timer | TimersError]) -> list[dict[str, Any]]:
    """Return the document of each timer or error, in order."""
    fresh = rows().in_bulk([each.pk for each in made if isinstance(each, Timer)])
    write = TimerSerializer().to_representation
    return [{"timer": write(fresh[each.pk])} if isinstance(each, Timer) else error_document(each) for each in made]
