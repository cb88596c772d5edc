"""Servers that speak SFTP."""

from timers.storages.sftp.storage import SftpStorage

__all__ = ["SftpStorage"]
