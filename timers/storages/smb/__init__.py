"""The storage `smb`: folders of Windows servers, Samba and network drives."""

from timers.storages.smb.storage import SmbStorage

__all__ = ["SmbStorage"]
