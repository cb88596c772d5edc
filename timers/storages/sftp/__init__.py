"""The storage `sftp`: folders of SFTP servers."""

from timers.storages.sftp.storage import SftpStorage

__all__ = ["SftpStorage"]
