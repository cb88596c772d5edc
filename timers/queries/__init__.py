"""Read models for pages and searches: each is a dataclass made from a fixed number of queries."""
