"""One HTTP/1.1 exchange in which the answer is read while the request is sent, as bytes in and bytes out.

httpx sends a request whole before it reads. A stream of documents is longer than what the service takes in unread, so
it goes through here: h11, which httpx itself is made of, does the protocol, and the transports beside this do the I/O.

The request asks for leave to send (`Expect: 100-continue`), so that a service that refuses it, for want of a key or of
room, says so before any document was sent.
"""

from __future__ import annotations

import h11
import httpx

LEAVE_SECONDS = 1.0
"""How long the service may take to give leave. What stands in between may not know of it; then we just send."""
READ_BYTES = 64 << 10


class Exchange:
    """The protocol's side of an exchange."""

    def __init__(self, request: httpx.Request) -> None:
        self._connection = h11.Connection(h11.CLIENT)
        self._request = request

    def head(self) -> bytes:
        """The head of the request."""
        headers = [*self._request.headers.raw, (b"Expect", b"100-continue")]
        method, target = self._request.method.encode("ascii"), self._request.url.raw_path
        return self._said(h11.Request(method=method, target=target, headers=headers))

    def data(self, chunk: bytes) -> bytes:
        """A piece of the request's body."""
        return self._said(h11.Data(data=chunk))

    def end(self) -> bytes:
        """The end of the request's body."""
        return self._said(h11.EndOfMessage())

    def receive(self, data: bytes) -> None:
        """Takes in what came; nothing at all means that the other side ended the connection.

        Raises:
            httpx.RemoteProtocolError: if the answer had already ended.
        """
        try:
            self._connection.receive_data(data)
        except RuntimeError as error:
            raise httpx.RemoteProtocolError(str(error), request=self._request) from error

    def event(self) -> h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage | None:
        """What the answer says next; `None` if more has to come first.

        Raises:
            httpx.RemoteProtocolError: if it is broken, or broke off.
        """
        while True:
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                raise httpx.RemoteProtocolError(str(error), request=self._request) from error
            if event is h11.NEED_DATA:
                return None
            if isinstance(event, (h11.InformationalResponse, h11.Response, h11.Data, h11.EndOfMessage)):
                return event
            if isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                raise httpx.RemoteProtocolError("the service ended the connection", request=self._request)

    def _said(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> bytes:
        try:
            return self._connection.send(event) or b""
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error), request=self._request) from error


def address(request: httpx.Request) -> tuple[str, int]:
    """The host and port to connect to."""
    url = request.url
    return url.raw_host.decode("ascii").strip("[]"), url.port or (443 if url.scheme == "https" else 80)
