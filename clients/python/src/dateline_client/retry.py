"""When a request is sent again, how long to wait before, and when to give up.

Annotating changes nothing on the service, so every request may be repeated. It is repeated where that can help: when
too much waits (429, 503), when a proxy finds no service (502), and when a connection cannot be made or breaks.
"""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import httpx

from dateline_client.errors import (
    ConnectionFailed,
    DatelineError,
    DeadlineExceeded,
    ProblemError,
    RateLimited,
    ServiceUnavailable,
    TimedOut,
    UnexpectedAnswer,
)

__all__ = ["Retry"]


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a request is sent, and how long the pauses are.

    The pause doubles from `first_wait` to `longest_wait` and is shortened by up to half, at random, so that many
    clients do not come back at once. If the service says when to come again (`Retry-After`), the pause begins after
    that; if that is longer than `longest_wait`, the error is raised at once.
    """

    attempts: int = 5
    """How often a request is sent at most. In a stream: how often in a row without one more document answered."""
    first_wait: float = 0.5
    """The first pause, in seconds."""
    longest_wait: float = 30.0
    """The longest pause, in seconds."""

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first_wait < 0 or self.longest_wait < 0:
            raise ValueError(f"{self}: there is at least one attempt, and no pause is negative")

    def wait(self, failures: int, retry_after: float | None) -> float | None:
        """The pause after so many failures; `None` means to give up."""
        if failures >= self.attempts or (retry_after is not None and retry_after > self.longest_wait):
            return None
        ceiling = min(self.longest_wait, self.first_wait * 2.0 ** min(failures - 1, 60))
        pause = random.uniform(ceiling / 2, ceiling)  # noqa: S311 - it spreads callers and hides nothing
        return pause if retry_after is None else retry_after + pause


NEVER = Retry(attempts=1)
"""Sends everything once."""


class Attempts:
    """The attempts at one call."""

    def __init__(self, retry: Retry, deadline: float | None, *, after_silence: bool = False) -> None:
        """`deadline` is in seconds from now; `after_silence` says whether a timeout is a reason to try again."""
        self._retry = retry
        self._end = None if deadline is None else time.monotonic() + deadline
        self._after_silence = after_silence
        self._failures = 0

    def progress(self) -> None:
        """Something was answered: what failed before does not count any more."""
        self._failures = 0

    def left(self) -> float | None:
        """Seconds to the deadline, if there is one.

        Raises:
            DeadlineExceeded: if none are left.
        """
        if self._end is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded("the deadline of this call has passed")
        return left

    def timeout(self, timeout: httpx.Timeout) -> httpx.Timeout:
        """`timeout`, but nothing waits beyond the deadline."""
        left = self.left()
        if left is None:
            return timeout
        # Read as "the sooner of both", where `None` is never.
        connect, read, write, pool = (
            left if most is None else min(left, most)
            for most in (timeout.connect, timeout.read, timeout.write, timeout.pool)
        )
        return httpx.Timeout(connect=connect, read=read, write=write, pool=pool)

    def after(self, error: Exception, *, passing: bool = False) -> float:
        """How long to wait before the next attempt. `passing` says that it is known to be worth one.

        Raises:
            DatelineError: what `error` is to a caller, if there shall be no other attempt.
        """
        known = translated(error)
        self._failures += 1
        if self._end is not None and time.monotonic() >= self._end:
            raise DeadlineExceeded("the deadline of this call has passed") from known
        retry_after = known.retry_after if isinstance(known, ProblemError) else None
        pause = self._retry.wait(self._failures, retry_after) if passing or self._may_help(known, error) else None
        if pause is None:
            raise known from (error if known is not error else error.__cause__)
        if self._end is not None and time.monotonic() + pause >= self._end:
            raise DeadlineExceeded("the deadline of this call comes before the next attempt would") from known
        return pause

    def _may_help(self, known: DatelineError, error: Exception) -> bool:
        if isinstance(known, (RateLimited, ServiceUnavailable)):
            return True
        if isinstance(known, TimedOut):
            return self._after_silence or isinstance(error, httpx.ConnectTimeout)
        return isinstance(known, ConnectionFailed) and not _is_settled(error)


def translated(error: Exception) -> DatelineError:
    """What an error of the HTTP library is to a caller.

    Raises:
        Exception: `error` itself, if it is none of the library's.
    """
    if isinstance(error, DatelineError):
        return error
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"the service did not answer in time ({type(error).__name__}); is the timeout long enough?")
    if isinstance(error, httpx.TransportError):
        return ConnectionFailed(f"no connection to the service: {error or type(error).__name__}")
    if isinstance(error, httpx.DecodingError):
        return UnexpectedAnswer(f"the answer does not unpack: {error}")
    raise error


def _is_settled(error: BaseException) -> bool:
    """Whether a connection fails for a reason that stays, such as a certificate that is not trusted."""
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.ProxyError)):
        return True
    cause: BaseException | None = error
    seen: set[int] = set()
    # An error that tasks hand on may be in its own context.
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return False


def retry_after(value: str | None, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> float | None:
    """The seconds that a `Retry-After` header asks for, which has seconds or a date; `None` if it can not be read."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return max(0.0, (date - now()).total_seconds())
