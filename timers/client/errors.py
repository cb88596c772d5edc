"""Errors of the client.

TimersAPIError                  the server answered with an error
    TimersConnectionError       no answer; `http_status` is 0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class TimersAPIError(Exception):
    """The server refused. `code` is a stable word, `message` a sentence, `fields` the messages by field."""

    def __init__(
        self,
        http_status: int,
        code: str,
        message: str,
        fields: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(http_status, code, message, fields)
        self.http_status = http_status
        self.code = code
        self.message = message
        self.fields: dict[str, Sequence[str]] = dict(fields or {})

    def __str__(self) -> str:
        parts = [f"{self.message} ({self.http_status} {self.code})" if self.http_status else self.message]
        lines = (f"{name}: {' '.join(texts)}" for name, texts in self.fields.items())
        return "\n  ".join([*parts, *(line for line in lines if line not in self.message)])


class TimersConnectionError(TimersAPIError):
    """The server was not reached or the connection broke. `code`: `connection_error`, `timed_out`, `tls_error`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(0, code, message)

    def __reduce__(self) -> tuple[type[TimersConnectionError], tuple[str, str]]:
        return type(self), (self.code, self.message)
