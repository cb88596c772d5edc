"""Read models for pages and searches. Each is a dataclass built from a fixed number of database queries."""
