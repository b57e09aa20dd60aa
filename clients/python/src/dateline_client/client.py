"""The client for programs that wait for their answers: `Dateline`. `AsyncDateline` is the same for asyncio."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import closing
from types import TracebackType
from typing import TypeVar

import httpx

from dateline_client import _wire
from dateline_client._duplex import DuplexTransport
from dateline_client._flight import Flight, Interrupted, LineCutter, SourceFailed
from dateline_client._settings import DEFAULT_TIMEOUT, Options, Settings
from dateline_client.models import Annotation, Document, DocumentId, Health, Model, OffsetUnit, Result
from dateline_client.retry import NEVER, Attempts, Retry

__all__ = ["Dateline"]

T = TypeVar("T")


class Dateline:
    """A client of a Dateline service.

    It keeps connections open, so use one for many requests, and close it or use it in `with`. Threads may share it.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float | httpx.Timeout = DEFAULT_TIMEOUT,
        deadline: float | None = None,
        retry: Retry | None = None,
        check_offsets: bool = True,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Makes a client; nothing is sent yet.

        Args:
            base_url: where the service is; else `DATELINE_URL`, else http://127.0.0.1:8080.
            api_key: the key, if the service wants one; else `DATELINE_API_KEY`.
            timeout: seconds that the service may be silent, or an `httpx.Timeout`; 300, and 5 to connect.
            deadline: seconds that a call may take with all its attempts, unless the call says otherwise. Not for
                streams, which may take any time.
            retry: when to try again; see `Retry`.
            check_offsets: whether to make sure that each mention is the slice of the text that its offsets say.
            verify: whether the service's certificate has to be trusted, or the context that says by whom.
            transport: what to send requests with instead of the network. Streams are sent in small portions then.
        """
        self._settings = Settings.of(base_url, api_key)
        self._retry = retry or Retry()
        self._deadline = deadline
        self._check = check_offsets
        timeout = timeout if isinstance(timeout, httpx.Timeout) else httpx.Timeout(timeout, connect=min(timeout, 5.0))
        self._timeout = timeout
        headers = self._settings.headers
        self._http = httpx.Client(headers=headers, timeout=timeout, verify=verify, transport=transport)
        # A proxy and a transport of the caller's send a request whole before they read the answer.
        self._duplex = transport is None and not self._settings.behind_proxy()
        self._streams = self._http
        if self._duplex:
            secure = self._settings.base_url.scheme == "https"
            context = httpx.create_ssl_context(verify=verify) if secure else None
            self._streams = httpx.Client(
                headers=headers, timeout=timeout, transport=DuplexTransport(context), trust_env=False
            )

    def __repr__(self) -> str:
        return f"Dateline({str(self._settings.base_url)!r}, api_key={'…' if self._settings.has_key else None})"

    def __enter__(self) -> Dateline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()
        self._streams.close()

    def annotate(
        self,
        text: str,
        *,
        id: DocumentId = None,  # noqa: A002 - what everybody else calls it
        offsets: OffsetUnit = "codepoint",
        min_score: float | None = None,
        labels: Collection[str] | None = None,
        model: str | None = None,
        deadline: float | None = None,
    ) -> Annotation:
        """Finds the names in one text.

        Args:
            text: the text, of any length.
            id: whatever you call it.
            offsets: how `start` and `end` are counted; Python counts code points.
            min_score: leaves out mentions that are less certain, from 0 to 1.
            labels: leaves out mentions of other labels.
            model: a name of `models()`; else the service's default.
            deadline: seconds that this call may take with all its attempts.

        Raises:
            DatelineError: if the service cannot be asked, or refuses.
        """
        options = Options.of(offsets, min_score, labels, model)
        document = Document(text, id)
        body = _wire.one_body(document, options)
        annotation = self._ask(
            "POST", _wire.ANNOTATE, lambda response: _wire.read_one(response, document), body, deadline
        )
        return annotation.check() if self._check else annotation

    def annotate_batch(
        self,
        documents: Iterable[str | Document],
        *,
        offsets: OffsetUnit = "codepoint",
        min_score: float | None = None,
        labels: Collection[str] | None = None,
        model: str | None = None,
        deadline: float | None = None,
    ) -> list[Result]:
        """Finds the names in many texts, by one request.

        The options are those of `annotate`. The service takes 10,000 documents or 32 MiB at once; `stream` has no
        limit.

        Returns:
            A result for each document, in their order: an `Annotation`, or a `Failure` if it could not be annotated.

        Raises:
            DatelineError: if the service cannot be asked, or refuses the request as a whole.
        """
        options = Options.of(offsets, min_score, labels, model)
        wanted = _wire.documents_of(documents)
        if not wanted:
            return []
        body = _wire.many_body(wanted, options)
        results = self._ask("POST", _wire.ANNOTATE, lambda response: _wire.read_many(response, wanted), body, deadline)
        return [self._checked(result) for result in results]

    def stream(
        self,
        documents: Iterable[str | Document],
        *,
        offsets: OffsetUnit = "codepoint",
        min_score: float | None = None,
        labels: Collection[str] | None = None,
        model: str | None = None,
    ) -> Iterator[Result]:
        """Finds the names in any number of texts; results come while documents are still being sent.

        The options are those of `annotate`. Documents are taken from `documents` as the service reads them, and at most
        1,024 of them, or 4 MiB, are on their way at once. If the connection breaks, a new one goes on with those that
        were not answered.

        Yields:
            A result for each document, in their order: an `Annotation`, or a `Failure` if it could not be annotated.

        Raises:
            DatelineError: if the service refuses the stream, or cannot be reached as often as `Retry` says. What was
                yielded before stays valid.
        """
        if isinstance(documents, str):
            raise TypeError("documents is one text; give a list of texts, or call annotate")
        options = Options.of(offsets, min_score, labels, model)
        return self._stream(iter(documents), options, options.query())

    def models(self, *, deadline: float | None = None) -> tuple[Model, ...]:
        """The models of the service, the default one first."""
        return self._ask("GET", _wire.MODELS, _wire.read_models, None, deadline)

    def health(self, *, deadline: float | None = None) -> Health:
        """A service that can annotate now. It is asked once and needs no key.

        Raises:
            ServiceUnavailable: if it cannot annotate, or not yet.
            DatelineError: if it cannot be reached.
        """
        return self._ask("GET", _wire.READY, _wire.read_health, None, deadline, NEVER)

    def _ask(
        self,
        method: str,
        path: str,
        read: Callable[[httpx.Response], T],
        body: bytes | None,
        deadline: float | None,
        retry: Retry | None = None,
    ) -> T:
        attempts = Attempts(retry or self._retry, self._deadline if deadline is None else deadline)
        url, headers = self._settings.url(path), _wire.JSON if body is not None else {}
        while True:
            timeout = attempts.timeout(self._timeout)
            try:
                return read(self._http.request(method, url, content=body, headers=headers, timeout=timeout))
            except Exception as error:
                pause = attempts.after(error)
            sleep(pause)

    def _stream(self, documents: Iterator[str | Document], options: Options, query: dict[str, str]) -> Iterator[Result]:
        flight = Flight(options, duplex=self._duplex)
        attempts = Attempts(self._retry, None, after_silence=True)
        # An open connection without a document would only wait to be closed.
        while flight or _take(flight, documents):
            try:
                with closing(self._exchange(flight, documents, query)) as exchange:
                    for result in exchange:
                        attempts.progress()
                        yield self._checked(result)
                continue
            except SourceFailed as failed:
                raise failed.error from failed.error.__cause__
            except Interrupted as interrupted:
                pause = attempts.after(interrupted.error, passing=True)
            except Exception as error:
                pause = attempts.after(error)
            sleep(pause)

    def _exchange(
        self, flight: Flight, documents: Iterator[str | Document], query: dict[str, str]
    ) -> Generator[Result, None, None]:
        """The results of one connection."""
        flight.begin()
        url, body = self._settings.url(_wire.ANNOTATE), _upload(flight, documents)
        with self._streams.stream("POST", url, params=query, content=body, headers=_wire.LINES) as response:
            if response.status_code != 200:
                response.read()
                _wire.raise_for_problem(response)
            flight.opened(response)
            cutter = LineCutter()
            for piece in response.iter_bytes():
                for line in cutter.push(piece):
                    yield flight.answer(line)
            flight.ended(cutter)

    def _checked(self, result: Result) -> Result:
        return result.check() if self._check and result.ok else result


def _take(flight: Flight, documents: Iterator[str | Document]) -> bool:
    """Whether there was one more document to take."""
    for document in documents:
        flight.take(document)
        return True
    return False


def _upload(flight: Flight, documents: Iterator[str | Document]) -> Iterator[bytes]:
    """The body of a stream: what is not answered yet, then more. An empty piece waits for an answer."""
    while True:
        while (line := flight.next_line()) is not None:
            yield line
        if not flight.full:
            try:
                if not _take(flight, documents):
                    return
            except Exception as error:
                raise SourceFailed(error) from error
        elif flight.duplex:
            yield b""
        else:
            return


sleep = time.sleep
"""How the client waits. Tests wait otherwise."""
