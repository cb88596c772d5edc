"""Buckets of S3 and of stores that speak like it."""

from timers.storages.s3.storage import S3Storage

__all__ = ["S3Storage"]
