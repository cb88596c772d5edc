"""The facts that are stored. Rules about changing them live in services."""

from timers.models.channels import Notice
from timers.models.events import Event
from timers.models.executions import Attempt, Execution
from timers.models.limits import LimitCounter
from timers.models.oauth import Consent, RegisteredApp, SigningKey
from timers.models.pause_all import SchedulingPause
from timers.models.people import CalendarFeed, ClientKey, IdempotentAnswer, Preference, Token
from timers.models.processes import Process
from timers.models.schedules import Schedule
from timers.models.timers import Definition, SigningSecret, Timer, TimerOrigin, TimerTag
from timers.models.transfers import Collection, Transfer, TransferEvent, TransferFile, TransferItem
from timers.models.work_items import WorkItem
from timers.models.workflows import TaskDefinition, WorkflowDefinition, WorkflowRun, WorkflowStep

__all__ = [
    "Attempt",
    "CalendarFeed",
    "ClientKey",
    "Collection",
    "Consent",
    "Definition",
    "Event",
    "Execution",
    "IdempotentAnswer",
    "LimitCounter",
    "Notice",
    "Preference",
    "Process",
    "RegisteredApp",
    "Schedule",
    "SchedulingPause",
    "SigningKey",
    "SigningSecret",
    "TaskDefinition",
    "Timer",
    "TimerOrigin",
    "TimerTag",
    "Token",
    "Transfer",
    "TransferEvent",
    "TransferFile",
    "TransferItem",
    "WorkItem",
    "WorkflowDefinition",
    "WorkflowRun",
    "WorkflowStep",
]
