"""Shared parts of all Globus views: who is calling, what the token must open, reading bodies and queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import IO, Any, ClassVar
from uuid import UUID

from django.http import HttpRequest, QueryDict
from rest_framework.exceptions import APIException
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from timers import jsontext, storable
from timers.auth import BearerAuthentication
from timers.errors import Forbidden, Invalid, NotFound
from timers.globus import errors
from timers.models import Token

MAX_BODY_BYTES = 10 * 1024 * 1024


class Bearer(BearerAuthentication):
    """A token; what it must open depends on the service, so the interface looks at that itself."""

    scope = None


class TooLarge(APIException):
    """The body is larger than this service reads."""

    status_code = 413
    default_detail = "The body is larger than 10 MiB."


class JSONObject(BaseParser):
    """Reads a JSON object, whatever the content type says."""

    media_type = "*/*"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise TooLarge
        document = jsontext.read(raw) if raw.strip() else {}
        if not isinstance(document, dict):
            raise Invalid({"": "The body must be a JSON object."})
        storable.check(document)
        return document


class AlwaysJSON(DefaultContentNegotiation):
    """Answers JSON whatever the caller would accept."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class BaseView(APIView):
    """A view of one of the services."""

    parser_classes = [JSONObject]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AlwaysJSON
    authentication_classes = [Bearer]
    metadata_class = None
    schema = None
    invalid: ClassVar[int] = HTTPStatus.UNPROCESSABLE_ENTITY
    """The status by which this service refuses input that cannot work."""

    @staticmethod
    def shape(problem: errors.Problem, path: str) -> dict[str, Any]:
        """Return the document of a problem in the words of this service."""
        raise NotImplementedError

    @staticmethod
    def opens(scope: str) -> bool:
        """Return whether a scope opens this service."""
        return False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Find out who is calling and whether the token is for this service, then refuse what cannot be read."""
        super().initial(request, *args, **kwargs)
        token = token_of(request)
        if token is not None and token.scopes and not any(self.opens(scope) for scope in token.scopes):
            raise Forbidden("The token was made for another service.")
        check_query(request.query_params)
        if request.method in {"POST", "PUT", "PATCH"} and hasattr(self, request.method.lower()):
            try:
                request.data  # noqa: B018  reads the body: one that cannot be read is refused where it is not needed, too
            except Invalid as error:
                raise error.under("body") from None

    def get_exception_handler(self) -> Callable[..., Response]:
        return lambda error, context: errors.answer(error, context, self.shape, invalid=self.invalid)


class NothingHere(BaseView):
    """Answers for every path of a service that no other view has."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    shape = staticmethod(errors.of_timers)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("There is nothing at this path.")


def check_query(query: QueryDict) -> None:
    """Raise Invalid for text that no database can compare."""
    for name, values in query.lists():
        for text in (name, *values):
            if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
                raise Invalid({f"query.{name.strip(chr(0)) or 'name'}": "This text cannot be compared."})


def number(query: QueryDict, name: str, *, usual: int, least: int, most: int, cap: bool = True) -> int:
    """Return a whole number of a query; more than `most` is taken for `most` where `cap` says so.

    Raises Invalid naming query.<name>.
    """
    text = query.get(name, "")
    if not text:
        return usual
    if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 18:
        raise Invalid({f"query.{name}": "Give a whole number."})
    value = int(text)
    if value < least or (value > most and not cap):
        raise Invalid({f"query.{name}": f"Must lie between {least} and {most}."})
    return min(value, most)


def identifier(text: object) -> UUID | None:
    """Return the id in any spelling of a UUID, or None."""
    try:
        return UUID(str(text))
    except ValueError:
        return None


def token_of(request: Request) -> Token | None:
    """Return the token that the caller showed."""
    return request.auth if isinstance(request.auth, Token) else None


def base_url(request: HttpRequest | Request) -> str:
    """Return the address of this interface, as the caller knows it, with a slash at its end."""
    return request.build_absolute_uri("/globus/")
