"""The storage `webdav`: folders of Nextcloud, of network drives and of other WebDAV servers."""

from timers.storages.webdav.storage import WebDavStorage

__all__ = ["WebDavStorage"]
