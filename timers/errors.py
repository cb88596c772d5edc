"""Every error that the service raises on purpose.

TimersError
    Invalid          the input cannot work; names each field
        UnknownKind  a name that no registry entry has
    NotFound         there is no such thing, or none that the caller may know of
    Forbidden        the caller may see it but not do it
    Conflict         the state does not allow it
    TooMany          it was done too often; says when it may be done again
    ExternalError    something outside failed; says whether trying again helps
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class TimersError(Exception):
    """Base of all; `code` is stable and for programs, `message` is a sentence for people."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


REQUIRED = "This field is required."
"""Sentence about a required field that is missing."""


class Invalid(TimersError):
    """Input that cannot work. `fields` maps dotted paths ("schedule.interval_seconds") to sentences."""

    code = "invalid"

    def __init__(self, fields: Mapping[str, str | Iterable[str]], message: str | None = None) -> None:
        self.fields: dict[str, list[str]] = {
            name: [text] if isinstance(text, str) else list(text) for name, text in fields.items()
        }
        super().__init__(message or self._sentence())

    def _sentence(self) -> str:
        name, texts = next(iter(self.fields.items()), ("", ["The input cannot be used."]))
        return f"{name}: {texts[0]}" if name else texts[0]

    def under(self, prefix: str) -> Invalid:
        """Return the same error with every field moved below `prefix`."""
        return Invalid({f"{prefix}.{name}" if name else prefix: texts for name, texts in self.fields.items()})


class UnknownKind(Invalid):
    """A kind that is not in a registry; the sentence lists the known ones."""

    code = "unknown_kind"

    def __init__(self, field: str, kind: object, known: Iterable[str]) -> None:
        self.kind = kind
        super().__init__({field: f"Unknown {field} {kind!r}; known: {', '.join(sorted(known))}."})


class NotFound(TimersError):
    code = "not_found"


class Forbidden(TimersError):
    code = "forbidden"


class Conflict(TimersError):
    code = "conflict"


class TooMany(TimersError):
    """Something was done too often; `retry_after` is in seconds."""

    code = "too_many"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ExternalError(TimersError):
    """A fault of the outside world, seen while carrying out an action.

    `reason` is the stable word stored as `failure_reason`; `retry_after` is in seconds, when the other side named it.
    """

    code = "external_error"

    def __init__(
        self, message: str, *, retryable: bool, reason: str = "external_error", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.reason = reason
        self.retry_after = retry_after
