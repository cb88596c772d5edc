"""Doing a request once: its answer is kept with its effects, in one transaction, for whoever repeats it."""

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

KEPT_FOR = timedelta(hours=24)
MAX_KEY_LENGTH = 255


@dataclass(frozen=True)
class StoredAnswer:
    """What was answered: the HTTP status and the exact text of the document; `repeated` when it was kept."""

    status: int
    text: str
    repeated: bool = False


def once(
    *, owner: Any, path: str, key: str, body: object, now: datetime, work: Callable[[], StoredAnswer]
) -> StoredAnswer:
    """Return what `work` answers, or what it answered within the last day to the same owner, path and key.

    Effects and answer are committed together, so a crash leaves both or neither. Somebody who repeats while the first
    is still at it waits in the database. An error of `work` leaves nothing, so a repeat tries again. Raises Conflict
    when the body differs from the first one, Invalid when the key is too long.
    """
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
        raise Invalid({"Idempotency-Key": f"Give a key of 1 to {MAX_KEY_LENGTH} visible ASCII characters."})
    if len(path) > MAX_KEY_LENGTH:
        raise Invalid({"Idempotency-Key": "This path is too long to be repeated safely."})
    with transaction.atomic():
        kept = _take(owner=owner, path=path, key=key, body_digest=_digest(body), now=now)
        if kept.status is not None:
            return _read(kept, body)
        answer = work()
        _keep(kept, answer)
    return answer


def is_kept(*, owner: Any, path: str, key: str, now: datetime) -> bool:
    """Return whether `once` will answer from what is kept, so that what comes before it need not be done again."""
    rows = IdempotentAnswer.objects.filter(owner=owner, path=path, key=key, status__isnull=False)
    return rows.filter(created_at__gt=now - KEPT_FOR).exists()


def _take(*, owner: Any, path: str, key: str, body_digest: str, now: datetime) -> IdempotentAnswer:
    """Return the row of this key: the one kept from before, or a new one that is ours to fill."""
    rows = IdempotentAnswer.objects.filter(owner=owner, path=path, key=key)
    rows.filter(created_at__lte=now - KEPT_FOR).delete()
    try:
        with transaction.atomic():
            return IdempotentAnswer.objects.create(
                owner=owner, path=path, key=key, body_digest=body_digest, created_at=now
            )
    except IntegrityError:  # PostgreSQL waited here until the first one was done
        return rows.get()


def _read(kept: IdempotentAnswer, body: object) -> StoredAnswer:
    if kept.body_digest != _digest(body):
        raise Conflict("This Idempotency-Key was used with another body.", code="idempotency_key_reused")
    return StoredAnswer(kept.status or 200, cipher().decrypt(str(kept.answer).encode()).decode(), repeated=True)


def _keep(kept: IdempotentAnswer, answer: StoredAnswer) -> None:
    """Fill the row. The text is encrypted, for an answer may show a new secret."""
    kept.status = answer.status
    kept.answer = cipher().encrypt(answer.text.encode()).decode()
    kept.save(update_fields=["status", "answer"])


def _digest(body: object) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
