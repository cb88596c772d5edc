"""The shapes of all documents: how they are written, and how the OpenAPI document describes them."""

from timers.api.serializers.collections import (
    CollectionChanges,
    CollectionPage,
    CollectionSerializer,
    ListingSerializer,
    NewCollection,
)
from timers.api.serializers.errors import ErrorAnswer, ErrorBody
from timers.api.serializers.executions import ExecutionAnswer, ExecutionPage, ExecutionSerializer
from timers.api.serializers.schedules import NextAnswer, PreviewAnswer, PreviewRequest
from timers.api.serializers.timers import (
    BulkAnswer,
    BulkRequest,
    JobRequest,
    NewTimer,
    NewTimerRequest,
    PauseRequest,
    ResumeRequest,
    SecretAnswer,
    TagsDocument,
    TimerAnswer,
    TimerChanges,
    TimerPage,
    TimerSerializer,
    TimerWithResultsSerializer,
)
from timers.api.serializers.transfers import (
    EventPage,
    FilePage,
    FileSerializer,
    TransferEventSerializer,
    TransferPage,
    TransferRequest,
    TransferSerializer,
)

__all__ = [
    "BulkAnswer",
    "BulkRequest",
    "CollectionChanges",
    "CollectionPage",
    "CollectionSerializer",
    "ErrorAnswer",
    "ErrorBody",
    "EventPage",
    "ExecutionAnswer",
    "ExecutionPage",
    "ExecutionSerializer",
    "FilePage",
    "FileSerializer",
    "JobRequest",
    "ListingSerializer",
    "NewCollection",
    "NewTimer",
    "NewTimerRequest",
    "NextAnswer",
    "PauseRequest",
    "PreviewAnswer",
    "PreviewRequest",
    "ResumeRequest",
    "SecretAnswer",
    "TagsDocument",
    "TimerAnswer",
    "TimerChanges",
    "TimerPage",
    "TimerSerializer",
    "TimerWithResultsSerializer",
    "TransferEventSerializer",
    "TransferPage",
    "TransferRequest",
    "TransferSerializer",
]
