"""Fields of our own: instants as numbers, and JSON that is encrypted at rest."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django import forms
from django.conf import settings
from django.db import models
from django.db.models.expressions import Combinable

from timers import clock


class InstantField(models.BigIntegerField):
    """An instant, stored as whole microseconds since 1970 UTC; aware UTC `datetime` in Python.

    A number has the same arithmetic in both databases, so the claim advances a schedule inside SQL, exactly.
    To read one by hand: `to_timestamp(x / 1e6)` in PostgreSQL, `datetime(x / 1e6, 'unixepoch')` in SQLite.
    """

    description = "Instant (microseconds since 1970 UTC)"

    # what type checkers are told: the class that this one inherits from holds numbers
    _pyi_private_set_type: datetime | Combinable  # type: ignore[assignment]
    _pyi_private_get_type: datetime  # type: ignore[assignment]
    _pyi_lookup_exact_type: datetime  # type: ignore[assignment]

    def from_db_value(self, value: int | None, *_: Any) -> datetime | None:
        return None if value is None else clock.from_us(value)

    def to_python(self, value: Any) -> datetime | None:
        return clock.from_us(value) if isinstance(value, int) else value

    def get_prep_value(self, value: Any) -> int | None:
        return clock.to_us(value) if isinstance(value, datetime) else value

    def value_to_string(self, obj: models.Model) -> str:
        value: Any = self.value_from_object(obj)
        return "" if value is None else str(value.isoformat())

    def formfield(self, **kwargs: Any) -> forms.Field | None:
        return models.Field.formfield(self, **{"form_class": forms.DateTimeField, **kwargs})


@lru_cache(maxsize=4)
def _cipher(secret_key: str, fallbacks: tuple[str, ...]) -> MultiFernet:
    def key(text: str) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"timers.fields:" + text.encode()).digest()))

    return MultiFernet([key(text) for text in (secret_key, *fallbacks)])


def cipher() -> MultiFernet:
    """Return the cipher of this site; the first key encrypts, SECRET_KEY_FALLBACKS still decrypt."""
    return _cipher(settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS))


class EncryptedJSONField(models.TextField):
    """A JSON object, encrypted with the site's secret key; an empty one is stored as empty text."""

    _pyi_private_set_type: Mapping[str, Any] | Combinable  # type: ignore[assignment]
    _pyi_private_get_type: dict[str, Any]  # type: ignore[assignment]

    def from_db_value(self, value: str | None, *_: Any) -> dict[str, Any]:
        if not value:
            return {}
        try:
            return json.loads(cipher().decrypt(value.encode()))
        except InvalidToken as error:
            raise ValueError(
                "A stored secret cannot be read: TIMERS_SECRET_KEY is not the one it was made with."
            ) from error

    def get_prep_value(self, value: Mapping[str, Any] | None) -> str:
        return cipher().encrypt(json.dumps(value).encode()).decode() if value else ""
