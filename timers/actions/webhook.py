"""The action `webhook`: one signed HTTP request to a foreign address."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, ClassVar

import timers
from timers import clock, outgoing, signing
from timers.actions.base import MASK, Action, Context, Outcome
from timers.errors import ExternalError, Invalid
from timers.targets import TargetRefused, origin, parse_url
from timers.workflow_rules.definitions import TaskType

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
FIELDS = ("url", "method", "headers", "json", "text", "expect")
MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_HEADERS = 50
MAX_HEADER_LENGTH = 8 * 1024
MAX_RETRY_AFTER_SECONDS = 24 * 3600.0
KEPT_HEADERS = ("content-type", "content-length", "date", "server", "location", "retry-after", "x-request-id")
USER_AGENT = f"Timers/{getattr(timers, '__version__', '0.1')}"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_FRAMING = ("host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade")
_RESERVED_HEADERS = ("expect", "idempotency-key", "x-timer-id", "x-scheduled-for", "x-attempt", "traceparent")
_REFUSED_HEADERS = frozenset((*_FRAMING, *_RESERVED_HEADERS))
_REFUSED_PREFIXES = ("proxy-", "webhook-", "x-forwarded-")
_SECRET_NAME = re.compile(r"authorization|cookie|.*(key|token|secret|password).*", re.IGNORECASE)
_RETRYABLE = frozenset({408, 425, 429})
_MIN_MASKED_LENGTH = 6  # shorter values occur by chance, and masking them would make the answer unreadable


class WebhookAction(Action):
    """Sends exactly the configured body; the status decides whether the request succeeded."""

    kind: ClassVar[str] = "webhook"
    label: ClassVar[str] = "Webhook"
    icon: ClassVar[str] = "webhook"
    form: ClassVar[str] = "timers.web.timers.action_forms.webhook.WebhookForm"
    signs_deliveries: ClassVar[bool] = True
    watches_deadline: ClassVar[bool] = True
    input_fields: ClassVar[tuple[str, ...]] = ("json", "text")
    task_type: ClassVar[str] = TaskType.HTTP
    in_globus: ClassVar[bool] = True

    @classmethod
    def clean(cls, body: Mapping[str, Any], *, owner: Any) -> dict[str, Any]:
        _refuse_unknown(body, FIELDS)
        cleaned: dict[str, Any] = {"url": _clean_url(body.get("url")), "method": _clean_method(body.get("method"))}
        if body.get("headers") is not None and (headers := _clean_headers(body["headers"])):
            cleaned["headers"] = headers
        cleaned.update(_clean_content(body))
        if body.get("expect") is not None:
            cleaned["expect"] = _clean_expect(body["expect"])
        return cleaned

    def run(self, context: Context) -> Outcome:
        parameters = context.parameters
        content = _content(parameters)
        started = clock.now()
        headers = {**_headers(parameters, content), **_delivery_headers(context, content or b"", started)}
        mask = _masker(parameters.get("headers", {}))
        details: dict[str, Any] = {"request": _shown_request(parameters, headers, content)}
        try:
            answer = outgoing.call(
                parameters["method"],
                parameters["url"],
                headers=headers,
                body=content,
                timeout=self._timeout_seconds(context, started),
                keep_bytes=outgoing.MAX_BYTES if context.is_step else outgoing.KEEP_BYTES,
                cancelled=context.cancelled,
            )
        except ExternalError as error:
            return _without_answer(error, details, mask)
        details["answer"] = shown_answer = _shown_answer(answer, mask)
        if context.is_step:  # later steps read the whole answer, unmasked
            shown_answer = {**shown_answer, "headers": dict(answer.headers), "text": answer.text}
        result = {name: shown_answer[name] for name in ("status_code", "headers", "text", "truncated")}
        return _outcome(parameters, answer, result=result, details=details, now=clock.now())

    @classmethod
    def split_secrets(cls, body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        headers = dict(body.get("headers") or {})
        secret_headers = {name: value for name, value in headers.items() if is_secret(name)}
        if not secret_headers:
            return dict(body), {}
        masked = {**headers, **dict.fromkeys(secret_headers, MASK)}
        return {**body, "headers": masked}, {f"headers.{name}": value for name, value in secret_headers.items()}

    @classmethod
    def join_secrets(cls, body: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
        known = {path.lower(): secret for path, secret in secrets.items()}
        headers = body.get("headers")
        if not headers:
            return dict(body)
        joined = {
            name: known.get(f"headers.{name}".lower(), value) if value == MASK else value
            for name, value in headers.items()
        }
        return {**body, "headers": joined}

    @classmethod
    def recipient(cls, body: Mapping[str, Any]) -> str:
        return origin(str(body.get("url", "")))

    @classmethod
    def summary(cls, body: Mapping[str, Any]) -> str:
        method = str(body.get("method") or "POST").upper()
        try:
            target = parse_url(str(body.get("url", "")))
        except TargetRefused:
            return method
        return f"{method} {target.authority}{target.path if target.path != '/' else ''}"

    def _timeout_seconds(self, context: Context, now: datetime) -> float:
        if context.deadline is None:
            return self.defaults.timeout_seconds or 30.0
        return (context.deadline - now).total_seconds()


def is_secret(name: str) -> bool:
    """Return whether a header's value is secret, judging by its name."""
    return _SECRET_NAME.fullmatch(name) is not None


# Checking the parameters


def _refuse_unknown(body: Mapping[str, Any], known: tuple[str, ...], prefix: str = "") -> None:
    unknown = [name for name in body if name not in known]
    if unknown:
        raise Invalid({f"{prefix}{name}": f"Unknown field; known: {', '.join(known)}." for name in unknown})


def _clean_url(url: Any) -> str:
    if not isinstance(url, str) or not url.strip():
        raise Invalid({"url": "A URL is needed."})
    try:
        outgoing.check(url.strip())
    except TargetRefused as refusal:
        raise Invalid({"url": refusal.message}) from refusal
    return url.strip()


def _clean_method(method: Any) -> str:
    if method is None:
        return "POST"
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise Invalid({"method": f"The method must be one of {', '.join(METHODS)}."})
    return method.upper()


def _clean_headers(headers: Any) -> dict[str, str]:
    if not isinstance(headers, Mapping):
        raise Invalid({"headers": "Headers must be an object of names and texts."})
    if len(headers) > MAX_HEADERS:
        raise Invalid({"headers": f"At most {MAX_HEADERS} headers are possible."})
    faults: dict[str, str] = {}
    for name, value in headers.items():
        fault = _header_fault(name, value)
        if fault:
            faults[f"headers.{name}"] = fault
    lower_names = [str(name).lower() for name in headers]
    for name in headers:
        if lower_names.count(name.lower()) > 1:
            faults[f"headers.{name}"] = "This header is given twice."
    if faults:
        raise Invalid(faults)
    return {name: value.strip() for name, value in headers.items()}


def _header_fault(name: str, value: Any) -> str | None:
    lower = name.lower()
    if not _TOKEN.fullmatch(name):
        return "This is not a header name."
    if lower in _REFUSED_HEADERS or lower.startswith(_REFUSED_PREFIXES):
        return "This header is set by the sender and cannot be given."
    if not isinstance(value, str):
        return "A header's value must be text."
    if len(value) > MAX_HEADER_LENGTH:
        return f"A header's value is at most {MAX_HEADER_LENGTH:,} characters long."
    if not _VALUE.fullmatch(value):
        return "A header's value must be printable ASCII without line breaks."
    return None


def _clean_content(body: Mapping[str, Any]) -> dict[str, Any]:
    text = body.get("text")
    if text is None:
        cleaned = {"json": body["json"]} if "json" in body else {}
    elif body.get("json") is not None:
        raise Invalid({"text": "Give either json or text, not both."})
    elif not isinstance(text, str):
        raise Invalid({"text": "The text must be a string."})
    else:
        cleaned = {"text": text}
    _check_content(cleaned)
    return cleaned


def _check_content(cleaned: Mapping[str, Any]) -> None:
    name = next(iter(cleaned), "json")
    try:
        content = _content(cleaned) or b""
        nul = _contains_nul(cleaned.get(name))
    except (ValueError, TypeError, RecursionError) as error:
        raise Invalid({name: "This cannot be sent as JSON or as text in UTF-8."}) from error
    if nul:
        raise Invalid({name: "The character U+0000 cannot be stored."})
    if len(content) > MAX_BODY_BYTES:
        too_large = Invalid({name: f"The body is larger than {MAX_BODY_BYTES // 1024**2} MiB."})
        too_large.code = "too_large"
        raise too_large


def _contains_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, Mapping):
        return any(_contains_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list) and any(_contains_nul(item) for item in value)


def _clean_expect(expect: Any) -> dict[str, Any]:
    if not isinstance(expect, Mapping):
        raise Invalid({"expect": 'Expected an object such as {"status": 200}.'})
    _refuse_unknown(expect, ("status",), prefix="expect.")
    status = expect.get("status", "2xx")
    for value in status if isinstance(status, list) and status else [status]:
        if not _is_status(value):
            raise Invalid({"expect.status": 'Give a status (200), a class ("2xx") or a list of them.'})
    return {"status": status}


def _is_status(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"[1-5]xx", value) is not None
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599


# Sending


def _content(parameters: Mapping[str, Any]) -> bytes | None:
    """Return the bytes to send, or None when there are none."""
    if "text" in parameters:
        return str(parameters["text"]).encode()
    if "json" in parameters:
        return json.dumps(parameters["json"], ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return None


def _headers(parameters: Mapping[str, Any], content: bytes | None) -> dict[str, str]:
    """Return the configured headers with the default ones."""
    configured: Mapping[str, str] = parameters.get("headers", {})
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*"}
    if content is not None:
        headers["Content-Type"] = "application/json" if "json" in parameters else "text/plain; charset=utf-8"
    configured_names = {name.lower() for name in configured}
    defaults = {name: value for name, value in headers.items() if name.lower() not in configured_names}
    return {**defaults, **configured}


def _delivery_headers(context: Context, content: bytes, now: datetime) -> dict[str, str]:
    """Return the headers that identify this delivery and prove its origin."""
    delivery = str(context.execution_id)
    return {
        **signing.headers(delivery, content, at=now, secrets=context.signing_secrets),
        "Idempotency-Key": delivery,
        **({"X-Timer-Id": str(context.timer_id)} if context.timer_id else {}),
        "X-Scheduled-For": context.scheduled_for.isoformat(),
        "X-Attempt": str(context.attempt),
        "traceparent": f"00-{context.execution_id.hex}-{secrets.token_hex(8)}-01",
    }


# Outcome


def _without_answer(error: ExternalError, details: dict[str, Any], mask: Callable[[str], str]) -> Outcome:
    if error.reason == "cancelled":
        return Outcome.cancelled()
    return Outcome.failed(
        mask(error.message),
        reason=error.reason,
        retryable=error.retryable,
        retry_after=error.retry_after,
        details=details,
    )


def _outcome(
    parameters: Mapping[str, Any],
    answer: outgoing.Answer,
    *,
    result: dict[str, Any],
    details: dict[str, Any],
    now: datetime,
) -> Outcome:
    expected = parameters.get("expect", {}).get("status", "2xx")
    if _matches(answer.status, expected):
        return Outcome.completed(result, details=details)
    retryable = _is_retryable(answer.status)
    return Outcome.failed(
        f"{_host(parameters)} answered {_status_text(answer.status)}{_explanation(answer.status, parameters)}.",
        reason=_reason(answer.status, parameters),
        retryable=retryable,
        retry_after=_retry_after(answer.headers.get("retry-after"), now) if retryable else None,
        pause_timer="The target says that it is gone (410)." if answer.status == 410 else None,
        result=result,
        details=details,
    )


def _matches(status: int, expected: Any) -> bool:
    if isinstance(expected, list):
        return any(_matches(status, value) for value in expected)
    return f"{status // 100}xx" == expected if isinstance(expected, str) else status == expected


def _is_retryable(status: int) -> bool:
    return status in _RETRYABLE or status >= 500


def _reason(status: int, parameters: Mapping[str, Any]) -> str:
    if _is_retryable(status) or status == 410:
        return "http_status"
    if "expect" in parameters:
        return "expectation_failed"
    return "http_status" if status >= 400 else "unexpected_status"


def _retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that the server asks to wait, at most a day; None without a readable value."""
    value = (value or "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:12]), MAX_RETRY_AFTER_SECONDS)
    try:
        instant = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return min(max(0.0, (instant - now).total_seconds()), MAX_RETRY_AFTER_SECONDS)


# Details for people


def _host(parameters: Mapping[str, Any]) -> str:
    return parse_url(parameters["url"]).authority


def _status_text(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)


def _explanation(status: int, parameters: Mapping[str, Any]) -> str:
    if "expect" in parameters:
        expected = parameters["expect"]["status"]
        return f", expected {' or '.join(map(str, expected)) if isinstance(expected, list) else expected}"
    return "; redirects are not followed" if 300 <= status < 400 else ""


def _shown_request(parameters: Mapping[str, Any], headers: Mapping[str, str], content: bytes | None) -> dict[str, Any]:
    body = (content or b"")[: outgoing.KEEP_BYTES]
    secret_names = {name for name in parameters.get("headers", {}) if is_secret(name)}
    return {
        "method": parameters["method"],
        "url": parameters["url"],
        "headers": {name: MASK if name in secret_names else value for name, value in headers.items()},
        "body": body.decode(errors="ignore"),
        "truncated": len(content or b"") > outgoing.KEEP_BYTES,
    }


def _shown_answer(answer: outgoing.Answer, mask: Callable[[str], str]) -> dict[str, Any]:
    return {
        "status_code": answer.status,
        "headers": {name: mask(answer.headers[name]) for name in KEPT_HEADERS if name in answer.headers},
        "text": mask(answer.text),
        "truncated": answer.truncated,
        "elapsed_seconds": answer.elapsed,
        "address": answer.address,
    }


def _masker(headers: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that masks secret header values where the answer repeats them."""
    values = [value for name, value in headers.items() if is_secret(name)]
    fragments = [fragment for value in values for fragment in (value, value.partition(" ")[2])]
    masked_texts = {fragment for fragment in fragments if len(fragment) >= _MIN_MASKED_LENGTH}
    if not masked_texts:
        return lambda text: text
    pattern = re.compile("|".join(re.escape(fragment) for fragment in sorted(masked_texts, key=len, reverse=True)))
    return lambda text: pattern.sub(MASK, text)
