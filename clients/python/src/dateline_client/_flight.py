"""The documents of one stream that are on their way: taken from the caller, sent perhaps, not answered yet.

Both clients use it, and neither the network nor the caller's iterator is its business. It is what makes a stream safe
to go on with after its connection broke: what was answered is gone from here, what was not is sent again. Its size is
bounded, so a stream needs no more memory the longer it gets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from dateline_client import _read, _wire
from dateline_client._settings import Options
from dateline_client.errors import ConnectionFailed, ProblemError, UnexpectedAnswer, of_problem
from dateline_client.models import Document, OffsetUnit, Result

MOST_DOCUMENTS = 1024
"""Documents that are on their way at most. The service has its own bound, which is usually reached before."""
MOST_BYTES = 4 << 20
"""Bytes of lines that are on their way at most; one document may be larger."""
MOST_BYTES_AT_A_TIME = 32 << 10
"""The same where the answer is not read before the request is sent. The service takes in 64 KiB before it waits for its
answers to be read, so that nobody waits for the other for ever."""

# What these say of a line is not the document's fault but the moment's: the document shall be sent again.
PASSING = {"overloaded", "draining", "not_ready", "rate_limited", "timeout", "body_broken"}


@dataclass(frozen=True, slots=True)
class _Sent:
    index: int
    document: Document
    line: bytes


class SourceFailed(Exception):  # it never reaches a caller
    """The caller's iterator raised; so that this is never taken for a broken connection."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class Flight:
    """What is on its way."""

    def __init__(self, options: Options, *, duplex: bool) -> None:
        """`duplex` says whether answers are read while documents are sent."""
        self.duplex = duplex
        self._options = options
        self._waiting: deque[_Sent] = deque()
        self._sent = 0
        self._bytes = 0
        self._taken = 0
        self._most_bytes = MOST_BYTES if duplex else MOST_BYTES_AT_A_TIME
        self._model = ""
        self._unit: OffsetUnit = options.offsets

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether no more documents shall be taken before some are answered."""
        return len(self._waiting) >= MOST_DOCUMENTS or self._bytes >= self._most_bytes

    @property
    def ahead(self) -> bool:
        """Whether documents were sent that are not answered."""
        return self._sent > 0

    def begin(self) -> None:
        """A new connection: whatever is not answered has to be sent."""
        self._sent = 0

    def opened(self, response: httpx.Response) -> None:
        """The service has begun to answer."""
        self._model = response.headers.get("dateline-model", "")
        self._unit = _wire.unit(response.headers.get("dateline-offsets", self._options.offsets))
        kind = response.headers.get("Content-Type", "")
        if "ndjson" not in kind:
            raise UnexpectedAnswer(f"the answer to a stream is {kind!r}, not JSON lines: is this a Dateline service?")

    def take(self, document: str | Document) -> None:
        """One more of the caller's documents."""
        document = _wire.document_of(document)
        line = _wire.line(document)
        self._waiting.append(_Sent(self._taken, document, line))
        self._taken += 1
        self._bytes += len(line)

    def next_line(self) -> bytes | None:
        """The next line to send, if a document waits to be sent."""
        if self._sent == len(self._waiting):
            return None
        self._sent += 1
        return self._waiting[self._sent - 1].line

    def answer(self, line: bytes) -> Result:
        """What the next line of the answer says of the first document on its way.

        Raises:
            ProblemError: if it says that the stream cannot go on now.
            UnexpectedAnswer: if it is no answer to that document.
        """
        fields = _read.parse(line, "a line of the answer")
        problem = _wire.line_problem(fields)
        if problem is not None and problem.code in PASSING:
            raise Interrupted(of_problem(problem))
        if self._sent == 0:
            raise UnexpectedAnswer(f"the answer has more lines than were sent; the first of them is {line[:80]!r}")
        first = self._waiting[0]
        result: Result = (
            _wire.annotation(fields, first.document, first.index, self._model, self._unit)
            if problem is None
            else _wire.failure(_read.mapping(fields["error"], "the error of a line"), first.document, first.index)
        )
        self._waiting.popleft()
        self._sent -= 1
        self._bytes -= len(first.line)
        return result

    def ended(self, cutter: LineCutter) -> None:
        """The answer ended as it should end, if everything was answered.

        Raises:
            ConnectionFailed: if not.
        """
        if self.ahead or cutter.rest:
            raise Interrupted(
                ConnectionFailed(f"the answer ended {self._sent} documents before the end of what was sent")
            )


class Interrupted(Exception):  # it never reaches a caller
    """A stream has to be begun anew with what is not answered; `error` is what a caller gets if that does not help."""

    def __init__(self, error: ProblemError | ConnectionFailed) -> None:
        super().__init__(error)
        self.error = error


class LineCutter:
    """Cuts an answer into lines at line feeds, and nowhere else.

    What Python and HTTP libraries call lines also end at U+2028, U+0085 and others, which may stand in the middle of a
    JSON string.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    @property
    def rest(self) -> bool:
        """Whether a line has begun that did not end."""
        return any(self._pieces)

    def push(self, piece: bytes) -> Iterator[bytes]:
        """The lines that `piece` completes; empty ones are none."""
        *ends, begun = piece.split(b"\n")
        for end in ends:
            line = b"".join([*self._pieces, end])
            self._pieces = []
            if line.strip():
                yield line
        self._pieces.append(begun)
