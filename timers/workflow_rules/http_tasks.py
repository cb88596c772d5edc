"""An HTTP task in the words of the webhook action, and its answer in those of a workflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from timers import validation
from timers.errors import Invalid

DEFAULT_SECONDS = 30.0
MAX_TIMEOUT_SECONDS = 600.0
_KEYS = ("connectionTimeOut", "readTimeOut")


def webhook_body(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the webhook action that an HTTP task asks for; raises Invalid naming the field."""
    request = inputs.get("http_request")
    if not isinstance(request, Mapping):
        raise Invalid({"http_request": "An HTTP task needs an http_request object."})
    body: dict[str, Any] = {"url": request.get("uri"), "method": request.get("method") or "GET"}
    given = validation.mapping(request.get("headers"), "http_request.headers")
    headers = {str(name): _header(value) for name, value in given.items() if value is not None}
    present = {name.lower() for name in headers}
    for key, header in (("accept", "Accept"), ("contentType", "Content-Type")):
        if request.get(key) and header.lower() not in present and (key == "accept" or request.get("body") is not None):
            headers[header] = str(request[key])
    if headers:
        body["headers"] = headers
    content = request.get("body")
    if isinstance(content, str):
        body["text"] = content
    elif content is not None:
        body["json"] = content
    return body


def _header(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def seconds(inputs: Mapping[str, Any]) -> float:
    """Return how long the request may take altogether; its two times are given in milliseconds."""
    request = inputs.get("http_request")
    given = [request[key] for key in _KEYS if request.get(key)] if isinstance(request, Mapping) else []
    if not given or not all(isinstance(each, int | float) and each > 0 for each in given):
        return DEFAULT_SECONDS
    return min(MAX_TIMEOUT_SECONDS, max(sum(given) / 1000, 0.1))


def output(result: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what the task gives to those after it: the answer, its body parsed when it is JSON."""
    if not result:
        return {}
    status = result["status_code"]
    return {
        "response": {
            "statusCode": status,
            "headers": dict(result["headers"]),
            "body": _parsed(result["text"]),
            "reasonPhrase": HTTPStatus(status).phrase if status in list(HTTPStatus) else "",
        }
    }


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text or None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
