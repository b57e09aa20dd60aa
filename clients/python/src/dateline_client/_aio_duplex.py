"""The transport of `AsyncDateline.stream`: one task sends while the caller reads. It needs asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

import h11
import httpx

from dateline_client._h11 import LEAVE_SECONDS, READ_BYTES, Exchange, address


class AsyncDuplexTransport(httpx.AsyncBaseTransport):
    """Answers come while the request is sent. Each request has a connection of its own."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        """`context` is for HTTPS."""
        self._context = context

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Begins to send `request`, and reads the answer up to its body."""
        reader, writer = await self._connect(request)
        connection = _Connection(request, reader, writer)
        try:
            head = await connection.head()
        except BaseException:
            await connection.aclose()
            raise
        return httpx.Response(
            status_code=head.status_code,
            headers=head.headers.raw_items(),
            stream=connection,
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": head.reason},
        )

    async def _connect(self, request: httpx.Request) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = address(request)
        connect = request.extensions["timeout"]["connect"]
        try:
            return await asyncio.wait_for(asyncio.open_connection(host, port, ssl=self._context), connect)
        # In Python 3.10 the two are different, and the network has the first.
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise httpx.ConnectTimeout(f"no connection to {host}:{port} within {connect} s", request=request) from error
        except OSError as error:
            raise httpx.ConnectError(f"{host}:{port}: {error}", request=request) from error


class _Connection(httpx.AsyncByteStream):
    """A connection with its request and answer; as a stream, the body of the answer."""

    def __init__(self, request: httpx.Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = request.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("the body of the request is not asynchronous")
        self._body = stream
        self._request = request
        self._timeouts: dict[str, float | None] = request.extensions["timeout"]
        self._reader = reader
        self._writer = writer
        self._exchange = Exchange(request)
        self._leave = asyncio.Event()
        self._upload = asyncio.create_task(self._send())

    async def head(self) -> h11.Response:
        """The head of the answer."""
        while True:
            event = await self._next_event()
            if isinstance(event, h11.InformationalResponse) and event.status_code == 100:
                self._leave.set()
            if isinstance(event, h11.Response):
                if event.status_code != 200:
                    self._upload.cancel()
                self._leave.set()
                return event

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return

    async def aclose(self) -> None:
        """Ends the connection, finished or not."""
        self._upload.cancel()
        # Not `close`, which would go on with what waits to be sent.
        self._writer.transport.abort()
        await asyncio.wait([self._upload])
        if not self._upload.cancelled():
            # How the sending ended was looked at before; asyncio wants it looked at in any case.
            self._upload.exception()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _next_event(self) -> h11.Event:
        while (event := self._exchange.event()) is None:
            self._exchange.receive(await self._read())
        return event

    async def _read(self) -> bytes:
        """What comes next; what went wrong with the sending, if that is nothing of the network's."""
        reading = asyncio.ensure_future(self._reader.read(READ_BYTES))
        limit = self._timeouts["read"]
        try:
            while not reading.done():
                sending = [] if self._upload.done() else [self._upload]
                done, _ = await asyncio.wait([reading, *sending], timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    raise httpx.ReadTimeout(f"nothing came for {limit} s", request=self._request)
                self._sending_failed()
            return reading.result()
        except OSError as error:
            raise httpx.ReadError(str(error), request=self._request) from error
        finally:
            reading.cancel()

    def _sending_failed(self) -> None:
        if self._upload.done() and not self._upload.cancelled():
            error = self._upload.exception()
            # What the service said before it hung up tells more than that it did.
            if error is not None and not isinstance(error, OSError):
                raise error

    async def _send(self) -> None:
        self._writer.write(self._exchange.head())
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._leave.wait(), LEAVE_SECONDS)
        async for chunk in self._body:
            if chunk:
                self._writer.write(self._exchange.data(chunk))
                await self._writer.drain()
        self._writer.write(self._exchange.end())
        await self._writer.drain()
