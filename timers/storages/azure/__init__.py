"""The storage `azure`: containers of Azure Blob Storage."""

from timers.storages.azure.storage import AzureStorage

__all__ = ["AzureStorage"]
