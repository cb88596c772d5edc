"""Who may do what: each rule once."""

from __future__ import annotations

from typing import Any

from timers.code_timers import Allow


def may_name_function(user: Any, allow: str) -> bool:
    """Return whether a user may run a registered function, which runs with the rights of the service itself."""
    if allow == Allow.ALL:
        return True
    return bool(user.is_superuser or (allow == Allow.STAFF and user.is_staff))
