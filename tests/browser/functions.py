"""Functions that the service calls while its pages are looked at."""

from __future__ import annotations

import logging
import time

from timers import timer

logger = logging.getLogger(__name__)


@timer(name="reports.nightly", allow="all")
def nightly(pages: int = 1) -> dict[str, int]:
    """Write the report of the night, and return how many pages it has."""
    logger.info("Writing %d pages", pages)
    return {"pages": pages}


@timer(name="reports.slow", allow="all")
def slow(seconds: float = 3) -> dict[str, float]:
    """Take as long as is asked for."""
    time.sleep(seconds)
    return {"waited": seconds}


@timer(name="orders.import", allow="all")
def import_orders(orders: int = 3) -> None:
    """Import orders, and stumble over one."""
    logger.warning("Order 2 of %d has no currency, taken as EUR", orders)
    raise KeyError("total")
