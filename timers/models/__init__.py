"""The facts that are stored. Rules about changing them live in services."""

from timers.models.access import CalendarFeed, ClientKey, IdempotentAnswer, Preference, Token
from timers.models.channels import Notice
from timers.models.events import Event
from timers.models.executions import Attempt, Execution
from timers.models.processes import Process
from timers.models.schedules import Schedule
from timers.models.timers import Definition, SigningSecret, Timer, TimerTag
from timers.models.transfers import Collection, Transfer, TransferEvent, TransferFile, TransferItem
from timers.models.work import WorkItem

__all__ = [
    "Attempt",
    "CalendarFeed",
    "ClientKey",
    "Collection",
    "Definition",
    "Event",
    "Execution",
    "IdempotentAnswer",
    "Notice",
    "Preference",
    "Process",
    "Schedule",
    "SigningSecret",
    "Timer",
    "TimerTag",
    "Token",
    "Transfer",
    "TransferEvent",
    "TransferFile",
    "TransferItem",
    "WorkItem",
]
