"""The transport of `Dateline.stream`: sends and reads in turn on one connection, whichever is possible, in one thread.

One thread, because the caller's iterator is asked for documents in the thread that it belongs to, and because the
caller's pace holds back both directions: while nobody asks for results nothing is sent, and nothing is read either.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Protocol

import h11
import httpx

from dateline_client._h11 import LEAVE_SECONDS, READ_BYTES, Exchange, address


class Chunks(Protocol):
    """The pieces of a body. An empty one says that there is none before more of the answer was read."""

    def __next__(self) -> bytes: ...


class DuplexTransport(httpx.BaseTransport):
    """Answers come while the request is sent. Each request has a connection of its own."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        """`context` is for HTTPS."""
        self._context = context

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends `request` as far as the service reads it, and reads the answer up to its body."""
        connection = _Connection(request, self._connect(request))
        try:
            head = connection.head()
        except BaseException:
            connection.close()
            raise
        return httpx.Response(
            status_code=head.status_code,
            headers=head.headers.raw_items(),
            stream=connection,
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": head.reason},
        )

    def _connect(self, request: httpx.Request) -> socket.socket:
        host, port = address(request)
        connect = request.extensions["timeout"]["connect"]
        try:
            plain = socket.create_connection((host, port), timeout=connect)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secured = plain if self._context is None else self._context.wrap_socket(plain, server_hostname=host)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"no connection to {host}:{port} within {connect} s", request=request) from error
        except OSError as error:
            raise httpx.ConnectError(f"{host}:{port}: {error}", request=request) from error
        secured.setblocking(False)
        return secured


class _Connection(httpx.SyncByteStream):
    """A connection with its request and answer; as a stream, the body of the answer."""

    def __init__(self, request: httpx.Request, connected: socket.socket) -> None:
        stream = request.stream
        if not isinstance(stream, httpx.SyncByteStream):
            raise TypeError("the body of the request is asynchronous")
        self._chunks: Chunks = iter(stream)
        self._request = request
        self._timeouts: dict[str, float | None] = request.extensions["timeout"]
        self._socket = connected
        self._selector = selectors.DefaultSelector()
        self._exchange = Exchange(request)
        self._out = memoryview(self._exchange.head())
        self._uploading = True
        # Until leave is given, or was waited for long enough.
        self._hold_until: float | None = time.monotonic() + LEAVE_SECONDS
        self._tls_must_read = False

    def head(self) -> h11.Response:
        """The head of the answer."""
        while True:
            event = self._next_event()
            if isinstance(event, h11.InformationalResponse) and event.status_code == 100:
                self._hold_until = None
            if isinstance(event, h11.Response):
                self._hold_until = None
                if event.status_code != 200:
                    self._stop_sending()
                return event

    def __iter__(self) -> Iterator[bytes]:
        while True:
            event = self._next_event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return

    def close(self) -> None:
        """Ends the connection, finished or not."""
        self._selector.close()
        self._socket.close()

    def _next_event(self) -> h11.Event:
        while (event := self._exchange.event()) is None:
            self._read_something()
        return event

    def _read_something(self) -> None:
        """Sends what can be sent until something was read. What was read comes first, so that it never waits for the
        caller's iterator.
        """
        while True:
            received = self._receive()
            if received is not None:
                self._exchange.receive(received)
                return
            if self._out and not self._tls_must_read:
                if self._send():
                    continue
            elif self._uploading and self._hold_until is None:
                chunk = next(self._chunks, None)
                if chunk is None:
                    self._uploading = False
                    self._out = memoryview(self._exchange.end())
                    continue
                if chunk:
                    self._out = memoryview(self._exchange.data(chunk))
                    continue
            self._wait()

    def _receive(self) -> bytes | None:
        """What is there; nothing at the end; `None` if nothing is there yet."""
        try:
            received = self._socket.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except ssl.SSLEOFError:
            return b""
        except OSError as error:
            raise httpx.ReadError(str(error), request=self._request) from error
        self._tls_must_read = False
        return received

    def _send(self) -> bool:
        """Whether something was sent."""
        try:
            self._out = self._out[self._socket.send(self._out) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            return False
        except ssl.SSLWantReadError:
            self._tls_must_read = True
            return False
        except OSError:
            # What the service said before it hung up tells more than that it did.
            self._stop_sending()
        return True

    def _stop_sending(self) -> None:
        self._uploading, self._out = False, memoryview(b"")

    def _wait(self) -> None:
        """Waits until the socket can be read, or written if there is something to write."""
        writes = bool(self._out) and not self._tls_must_read
        mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if writes else 0)
        if self._socket in self._selector.get_map():
            self._selector.modify(self._socket, mask)
        else:
            self._selector.register(self._socket, mask)
        held = None if self._hold_until is None else self._hold_until - time.monotonic()
        limit = self._timeouts["write" if writes else "read"]
        if self._selector.select(limit if held is None else max(0.0, held)):
            return
        if held is not None:
            self._hold_until = None
            return
        kind = httpx.WriteTimeout if writes else httpx.ReadTimeout
        raise kind(f"nothing happened on the connection for {limit} s", request=self._request)
