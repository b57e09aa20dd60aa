"""The client for asyncio: `AsyncDateline`. `Dateline` is the same for programs that wait for their answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Collection, Iterable
from types import TracebackType
from typing import TypeVar

import httpx

from dateline_client import _wire
from dateline_client._aio_duplex import AsyncDuplexTransport
from dateline_client._aio_source import Source
from dateline_client._flight import Flight, Interrupted, LineCutter, SourceFailed
from dateline_client._settings import DEFAULT_TIMEOUT, Options, Settings
from dateline_client.errors import DeadlineExceeded
from dateline_client.models import Annotation, Document, DocumentId, Health, Model, OffsetUnit, Result
from dateline_client.retry import NEVER, Attempts, Retry

__all__ = ["AsyncDateline"]

T = TypeVar("T")


class AsyncDateline:
    """A client of a Dateline service, for asyncio.

    It keeps connections open, so use one for many requests, and close it or use it in `async with`.
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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Makes a client; nothing is sent yet. The arguments are those of `Dateline`."""
        self._settings = Settings.of(base_url, api_key)
        self._retry = retry or Retry()
        self._deadline = deadline
        self._check = check_offsets
        timeout = timeout if isinstance(timeout, httpx.Timeout) else httpx.Timeout(timeout, connect=min(timeout, 5.0))
        self._timeout = timeout
        headers = self._settings.headers
        self._http = httpx.AsyncClient(headers=headers, timeout=timeout, verify=verify, transport=transport)
        # A proxy and a transport of the caller's send a request whole before they read the answer.
        self._duplex = transport is None and not self._settings.behind_proxy()
        self._streams = self._http
        if self._duplex:
            secure = self._settings.base_url.scheme == "https"
            context = httpx.create_ssl_context(verify=verify) if secure else None
            self._streams = httpx.AsyncClient(
                headers=headers, timeout=timeout, transport=AsyncDuplexTransport(context), trust_env=False
            )

    def __repr__(self) -> str:
        return f"AsyncDateline({str(self._settings.base_url)!r}, api_key={'…' if self._settings.has_key else None})"

    async def __aenter__(self) -> AsyncDateline:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()
        await self._streams.aclose()

    async def annotate(
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
        """Finds the names in one text; see `Dateline.annotate`."""
        options = Options.of(offsets, min_score, labels, model)
        document = Document(text, id)
        body = _wire.one_body(document, options)
        annotation = await self._ask(
            "POST", _wire.ANNOTATE, lambda response: _wire.read_one(response, document), body, deadline
        )
        return annotation.check() if self._check else annotation

    async def annotate_batch(
        self,
        documents: Iterable[str | Document],
        *,
        offsets: OffsetUnit = "codepoint",
        min_score: float | None = None,
        labels: Collection[str] | None = None,
        model: str | None = None,
        deadline: float | None = None,
    ) -> list[Result]:
        """Finds the names in many texts, by one request; see `Dateline.annotate_batch`."""
        options = Options.of(offsets, min_score, labels, model)
        wanted = _wire.documents_of(documents)
        if not wanted:
            return []
        body = _wire.many_body(wanted, options)
        results = await self._ask(
            "POST", _wire.ANNOTATE, lambda response: _wire.read_many(response, wanted), body, deadline
        )
        return [self._checked(result) for result in results]

    def stream(
        self,
        documents: Iterable[str | Document] | AsyncIterable[str | Document],
        *,
        offsets: OffsetUnit = "codepoint",
        min_score: float | None = None,
        labels: Collection[str] | None = None,
        model: str | None = None,
    ) -> AsyncIterator[Result]:
        """Finds the names in any number of texts; results come while documents are still being sent.

        See `Dateline.stream`. Here an answer does not wait for the next document: documents may come as slowly as they
        come. If you leave the loop early, close the iterator (`contextlib.aclosing`), as with every asynchronous one.
        """
        if isinstance(documents, str):
            raise TypeError("documents is one text; give a list of texts, or call annotate")
        options = Options.of(offsets, min_score, labels, model)
        return self._stream(Source(documents), options, options.query())

    async def models(self, *, deadline: float | None = None) -> tuple[Model, ...]:
        """The models of the service, the default one first."""
        return await self._ask("GET", _wire.MODELS, _wire.read_models, None, deadline)

    async def health(self, *, deadline: float | None = None) -> Health:
        """A service that can annotate now; see `Dateline.health`."""
        return await self._ask("GET", _wire.READY, _wire.read_health, None, deadline, NEVER)

    async def _ask(
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
            left = attempts.left()
            try:
                request = self._http.request(method, url, content=body, headers=headers)
                return read(await asyncio.wait_for(request, left))
            # httpx has timeouts of its own, so this one is the deadline's.
            except asyncio.TimeoutError as error:
                raise DeadlineExceeded("the deadline of this call has passed") from error
            except Exception as error:
                pause = attempts.after(error)
            await sleep(pause)

    async def _stream(self, source: Source, options: Options, query: dict[str, str]) -> AsyncIterator[Result]:
        flight = Flight(options, duplex=self._duplex)
        attempts = Attempts(self._retry, None, after_silence=True)
        try:
            # An open connection without a document would only wait to be closed.
            while flight or await source.take(flight):
                exchange = self._exchange(flight, source, query)
                try:
                    async for result in exchange:
                        attempts.progress()
                        yield self._checked(result)
                    continue
                except SourceFailed as failed:
                    raise failed.error from failed.error.__cause__
                except Interrupted as interrupted:
                    pause = attempts.after(interrupted.error, passing=True)
                except Exception as error:
                    pause = attempts.after(error)
                finally:
                    await exchange.aclose()
                await sleep(pause)
        except SourceFailed as failed:
            raise failed.error from failed.error.__cause__
        finally:
            await source.close()

    async def _exchange(self, flight: Flight, source: Source, query: dict[str, str]) -> AsyncGenerator[Result, None]:
        """The results of one connection."""
        flight.begin()
        room = asyncio.Event()
        url, body = self._settings.url(_wire.ANNOTATE), _upload(flight, source, room)
        async with self._streams.stream("POST", url, params=query, content=body, headers=_wire.LINES) as response:
            if response.status_code != 200:
                await response.aread()
                _wire.raise_for_problem(response)
            flight.opened(response)
            cutter = LineCutter()
            async for piece in response.aiter_bytes():
                for line in cutter.push(piece):
                    result = flight.answer(line)
                    room.set()
                    yield result
            flight.ended(cutter)

    def _checked(self, result: Result) -> Result:
        return result.check() if self._check and result.ok else result


async def _upload(flight: Flight, source: Source, room: asyncio.Event) -> AsyncIterator[bytes]:
    """The body of a stream: what is not answered yet, then more, as soon as there is `room`."""
    while True:
        while (line := flight.next_line()) is not None:
            yield line
        if not flight.full:
            if not await source.take(flight):
                return
        elif flight.duplex:
            room.clear()
            await room.wait()
        else:
            return


sleep = asyncio.sleep
"""How the client waits. Tests wait otherwise."""
