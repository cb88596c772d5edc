"""Conversion of an HTTP task to the webhook action, and of the webhook's answer to the task's output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from timers import validation
from timers.errors import Invalid

DEFAULT_TIMEOUT_SECONDS = 30.0
MAX_TIMEOUT_SECONDS = 600.0
_KEYS = ("connectionTimeOut", "readTimeOut")


def webhook_body(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the webhook action for an HTTP task; raises Invalid naming the field."""
    request = inputs.get("http_request")
    if not isinstance(request, Mapping):
        raise Invalid({"http_request": "An HTTP task needs an http_request object."})
    body: dict[str, Any] = {"url": request.get("uri"), "method": request.get("method") or "GET"}
    given_headers = validation.mapping(request.get("headers"), "http_request.headers")
    headers = {str(name): _header(value) for name, value in given_headers.items() if value is not None}
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
    """Return the time limit of the whole request in seconds. The inputs give two limits in milliseconds."""
    request = inputs.get("http_request")
    limits = [request[key] for key in _KEYS if request.get(key)] if isinstance(request, Mapping) else []
    if not limits or not all(isinstance(limit, int | float) and limit > 0 for limit in limits):
        return DEFAULT_TIMEOUT_SECONDS
    return min(MAX_TIMEOUT_SECONDS, max(sum(limits) / 1000, 0.1))


def output(result: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the output of the task: the answer, with its body parsed if it is JSON."""
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
    raise ValueError(f"{name} is not a JSON number")
