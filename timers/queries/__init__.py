"""Read models for pages and searches: each is a dataclass made from a fixed number of queries."""

from timers.queries.timers.last_runs import Bar

__all__ = ["Bar"]
