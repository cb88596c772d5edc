"""The part of the form for webhooks, and the test delivery that it offers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms

from timers.errors import Invalid
from timers.web.timers.action_forms.base import MONO, ActionForm
from timers.web.timers.documents import read_json

METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


class WebhookForm(ActionForm):
    """One HTTP request: where to, how, with what, and which answers are good."""

    template: ClassVar[str] = "timers/_part_webhook.html"
    places: Mapping[str, str] = {"json": "content", "text": "content"}

    url = forms.CharField(
        label="URL",
        required=False,
        help_text="http or https, a public address",
        widget=forms.TextInput(attrs={**MONO, "inputmode": "url"}),
    )
    method = forms.ChoiceField(label="Method", required=False, choices=[(method, method) for method in METHODS])
    headers = forms.CharField(
        label="Headers",
        required=False,
        help_text="One a line, as Accept: text/plain. Secret ones are kept encrypted and shown as ***.",
        widget=forms.Textarea(attrs={**MONO, "rows": 3}),
    )
    content_kind = forms.ChoiceField(label="Body type", required=False, choices=[("json", "JSON"), ("text", "text")])
    content = forms.CharField(
        label="Body", required=False, strip=False, widget=forms.Textarea(attrs={**MONO, "rows": 4})
    )
    expect = forms.CharField(
        label="Expected status",
        required=False,
        help_text="What counts as success: codes or classes, like 200, 204 or 2xx. Empty: 2xx.",
        widget=forms.TextInput(attrs=MONO),
    )

    def body(self) -> dict[str, Any]:
        data = self.cleaned_data
        body: dict[str, Any] = {"url": data["url"], "method": data["method"] or "POST"}
        if headers := _headers(data["headers"]):
            body["headers"] = headers
        if data["content"].strip():
            as_json = data["content_kind"] != "text"
            body["json" if as_json else "text"] = read_json(data["content"], "json") if as_json else data["content"]
        if data["expect"].strip():
            body["expect"] = {"status": _statuses(data["expect"])}
        return body

    @classmethod
    def initial_of(cls, body: Mapping[str, Any]) -> dict[str, Any]:
        text = body.get("text")
        as_json = json.dumps(body["json"], indent=2, ensure_ascii=False) if "json" in body else ""
        return {
            "url": body.get("url"),
            "method": body.get("method"),
            "headers": "\n".join(f"{name}: {value}" for name, value in (body.get("headers") or {}).items()),
            "content_kind": "json" if text is None else "text",
            "content": as_json if text is None else text,
            "expect": _status_words((body.get("expect") or {}).get("status")),
        }


def _headers(text: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon:
            raise Invalid({"headers": f"Write {line[:40]!r} as a name, a colon and a value."})
        if name.strip() in headers:
            raise Invalid({"headers": f"{name.strip()[:40]} is given twice."})
        headers[name.strip()] = value.strip()
    return headers


def _statuses(text: str) -> Any:
    """Return what is written as the API takes it: numbers as numbers, one alone without a list."""
    words = text.replace(",", " ").split()
    statuses = [int(word) if word.isdecimal() else word.lower() for word in words]
    return statuses[0] if len(statuses) == 1 else statuses


def _status_words(status: Any) -> str:
    return ", ".join(map(str, status)) if isinstance(status, list) else "" if status is None else str(status)
