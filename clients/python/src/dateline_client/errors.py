"""Everything that this package raises. All of it is a `DatelineError`; what the service said is a `ProblemError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dateline_client.models import Failure
    from dateline_client.problem import Problem

__all__ = [
    "ConnectionFailed",
    "DatelineError",
    "DeadlineExceeded",
    "DocumentFailed",
    "InvalidRequest",
    "NotFound",
    "OffsetMismatch",
    "ProblemError",
    "RateLimited",
    "ServiceFailed",
    "ServiceTimeout",
    "ServiceUnavailable",
    "TimedOut",
    "TooLarge",
    "Unauthorized",
    "UnexpectedAnswer",
]


class DatelineError(Exception):
    """Anything that this package raises."""


class ConnectionFailed(DatelineError):
    """The service could not be reached, or the connection broke, as often as it was tried."""


class TimedOut(DatelineError, TimeoutError):
    """The service was silent for longer than the client's timeout."""


class DeadlineExceeded(TimedOut):
    """The call's deadline passed. What went wrong last, if anything did, is its `__cause__`."""


class UnexpectedAnswer(DatelineError):
    """The answer is not what the service promises: another program may be at this address."""


class OffsetMismatch(DatelineError):
    """A mention is not the slice of the text that its offsets say: something on the way changes texts."""


class DocumentFailed(DatelineError):
    """A document could not be annotated; `failure` says which and why. Those beside it are not concerned."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
        named = "" if self.failure.id is None else f" ({self.failure.id!r})"
        return f"document {self.failure.index}{named}: {self.failure.code}: {self.failure.detail}"


class ProblemError(DatelineError):
    """The service refused the request. `problem` says why; `retry_after` is when to come again, in seconds."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(problem, retry_after)
        self.problem = problem
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.problem)


class InvalidRequest(ProblemError):
    """400, 405, 415, 422: what was sent is wrong, and would be again."""


class Unauthorized(ProblemError):
    """401, 403: no API key, or one that is not let in."""


class NotFound(ProblemError):
    """404: nothing is there. Is the address right?"""


class TooLarge(ProblemError):
    """413: more bytes or documents than the service takes at once. A stream has no limit as a whole."""


class RateLimited(ProblemError):
    """429: more requests than this caller may make."""


class ServiceFailed(ProblemError):
    """500 and other 5xx: the service failed. Its operator finds the reason by `problem.request_id`."""


class ServiceUnavailable(ProblemError):
    """502, 503: too much waits, the model is not ready, or the service is about to end."""


class ServiceTimeout(ProblemError):
    """408, 504: the service waited too long for the request, or the answer took longer than its operator allows."""


BY_STATUS: dict[int, type[ProblemError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    405: InvalidRequest,
    408: ServiceTimeout,
    413: TooLarge,
    415: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
    500: ServiceFailed,
    502: ServiceUnavailable,
    503: ServiceUnavailable,
    504: ServiceTimeout,
}
"""Which error a status is. Those that are not named are `ServiceFailed` from 500 on, else `ProblemError`."""


def of_problem(problem: Problem, retry_after: float | None = None) -> ProblemError:
    """The error that `problem` is."""
    other = ServiceFailed if problem.status >= 500 else ProblemError
    return BY_STATUS.get(problem.status, other)(problem, retry_after)
