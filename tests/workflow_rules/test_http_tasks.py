"""HTTP tasks in the words of the webhook action."""

from __future__ import annotations

from typing import Any

import pytest

from timers.errors import Invalid
from timers.workflow_rules.http_tasks import webhook_body


def test_a_request_is_put_in_the_words_of_a_webhook() -> None:
    request = {"uri": "https://a.example", "headers": {"X-A": ["a", 1], "X-B": None}, "accept": "text/plain", "body": 5}

    assert webhook_body({"http_request": request}) == {
        "url": "https://a.example",
        "method": "GET",
        "headers": {"X-A": "a, 1", "Accept": "text/plain"},
        "json": 5,
    }


@pytest.mark.parametrize("headers", [[1], "x", 5])
def test_headers_that_are_no_object_are_refused(headers: Any) -> None:
    with pytest.raises(Invalid) as error:
        webhook_body({"http_request": {"uri": "https://a.example", "headers": headers}})
    assert list(error.value.fields) == ["http_request.headers"]
