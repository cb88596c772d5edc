"""Idempotent requests: the answer is stored in the transaction of its effects and returned to repeated requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from timers.errors import Conflict, Invalid
from timers.models import IdempotentAnswer
from timers.models.fields import cipher

RETENTION = timedelta(hours=24)
MAX_KEY_LENGTH = 255


@dataclass(frozen=True)
class StoredAnswer:
    """An answer: HTTP status and exact text of the document. `repeated`: an earlier request stored it."""

    status: int
    text: str
    repeated: bool = False


def once(
    *, owner: Any, path: str, key: str, body: object, now: datetime, work: Callable[[], StoredAnswer]
) -> StoredAnswer:
    """Return the answer of `work`, or its answer within the last day for the same owner, path and key.

    Effects and answer are committed together, so a crash leaves both or neither. A repeated request waits in the
    database while the first one runs. An error of `work` stores nothing, so a repeat tries again. Raises Conflict
    when the body differs from the first one, Invalid when the key is malformed or key or path are too long.
    """
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
        raise Invalid({"Idempotency-Key": f"Give a key of 1 to {MAX_KEY_LENGTH} visible ASCII characters."})
    if len(path) > MAX_KEY_LENGTH:
        raise Invalid({"Idempotency-Key": "This path is too long to be repeated safely."})
    with transaction.atomic():
        kept = _get_or_create(owner=owner, path=path, key=key, body_digest=_digest(body), now=now)
        if kept.status is not None:
            return _read(kept, body)
        answer = work()
        _store(kept, answer)
    return answer


def has_answer(*, owner: Any, path: str, key: str, now: datetime) -> bool:
    """Return whether `once` would return a stored answer, so that the caller can skip preparations."""
    rows = IdempotentAnswer.objects.filter(owner=owner, path=path, key=key, status__isnull=False)
    return rows.filter(created_at__gt=now - RETENTION).exists()


def _get_or_create(*, owner: Any, path: str, key: str, body_digest: str, now: datetime) -> IdempotentAnswer:
    """Return the row of the key: the stored one, or a new one to be filled."""
    rows = IdempotentAnswer.objects.filter(owner=owner, path=path, key=key)
    rows.filter(created_at__lte=now - RETENTION).delete()
    try:
        with transaction.atomic():
            return IdempotentAnswer.objects.create(
                owner=owner, path=path, key=key, body_digest=body_digest, created_at=now
            )
    except IntegrityError:  # PostgreSQL waited here until the first request was done
        return rows.get()


def _read(kept: IdempotentAnswer, body: object) -> StoredAnswer:
    if kept.body_digest != _digest(body):
        raise Conflict("This Idempotency-Key was used with another body.", code="idempotency_key_reused")
    return StoredAnswer(kept.status or 200, cipher().decrypt(str(kept.answer).encode()).decode(), repeated=True)


def _store(kept: IdempotentAnswer, answer: StoredAnswer) -> None:
    """Store the answer in the row. The text is encrypted, because an answer may contain a new secret."""
    kept.status = answer.status
    kept.answer = cipher().encrypt(answer.text.encode()).decode()
    kept.save(update_fields=["status", "answer"])


def _digest(body: object) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
