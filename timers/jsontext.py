"""Reading JSON that callers send. Whether a database can keep what it says is a question for `storable`."""

from __future__ import annotations

import json
from typing import NoReturn

from timers.errors import Invalid
from timers.storable import MAX_DEPTH


def read(raw: bytes) -> object:
    """Return what a text holds; raises Invalid, about the text as a whole."""
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except RecursionError:
        raise Invalid({"": f"The body is nested more than {MAX_DEPTH} levels deep."}) from None
    except ValueError as error:
        raise Invalid({"": f"The body cannot be read as JSON: {_reason(error)}."}) from error


def _reason(error: ValueError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
