"""The storage `s3`: buckets of Amazon S3 and of compatible stores."""

from timers.storages.s3.storage import S3Storage

__all__ = ["S3Storage"]
