"""Finds the people, places, military units and weapons in news text, by asking a Dateline service.

    from dateline_client import Dateline

    with Dateline("http://127.0.0.1:8080") as dateline:
        for mention in dateline.annotate("🚀 Drones hit the Antonivsky Bridge.").mentions:
            print(mention.label, mention.text, mention.score)

`AsyncDateline` is the same for asyncio, `dateline_client.frames` is for pandas and Polars, and spaCy finds the
component `dateline` by itself.
"""

from dateline_client._version import __version__
from dateline_client.aio import AsyncDateline
from dateline_client.client import Dateline
from dateline_client.errors import (
    ConnectionFailed,
    DatelineError,
    DeadlineExceeded,
    DocumentFailed,
    InvalidRequest,
    NotFound,
    OffsetMismatch,
    ProblemError,
    RateLimited,
    ServiceFailed,
    ServiceTimeout,
    ServiceUnavailable,
    TimedOut,
    TooLarge,
    Unauthorized,
    UnexpectedAnswer,
)
from dateline_client.models import (
    Annotation,
    Device,
    Document,
    DocumentId,
    Entity,
    Failure,
    Health,
    Mention,
    Model,
    OffsetUnit,
    Result,
)
from dateline_client.problem import Problem
from dateline_client.retry import Retry

__all__ = [
    "Annotation",
    "AsyncDateline",
    "ConnectionFailed",
    "Dateline",
    "DatelineError",
    "DeadlineExceeded",
    "Device",
    "Document",
    "DocumentFailed",
    "DocumentId",
    "Entity",
    "Failure",
    "Health",
    "InvalidRequest",
    "Mention",
    "Model",
    "NotFound",
    "OffsetMismatch",
    "OffsetUnit",
    "Problem",
    "ProblemError",
    "RateLimited",
    "Result",
    "Retry",
    "ServiceFailed",
    "ServiceTimeout",
    "ServiceUnavailable",
    "TimedOut",
    "TooLarge",
    "Unauthorized",
    "UnexpectedAnswer",
    "__version__",
]
