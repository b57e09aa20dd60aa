"""A service of a few lines on a real socket, which can hang up, refuse and be slow as it is told."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ndateline-model: m\r\n"
    b"dateline-offsets: codepoint\r\ntransfer-encoding: chunked\r\n\r\n"
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Peer:
    """One connection, as the service sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._file = connection.makefile("rb")
        self.head = self._read_head()
        self._rest = b""

    def _read_head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._file.readline()
            if not line:
                raise ConnectionError("the client hung up")
            head += line
        return head

    def begin(self, *, leave: bool = True) -> None:
        """Gives leave to send, if it shall, and begins to answer."""
        self.connection.sendall((CONTINUE if leave else b"") + HEAD)

    def documents(self) -> Iterator[dict[str, Any]]:
        """The documents as they come."""
        while size := int(self._file.readline() or b"0", 16):
            *lines, self._rest = (self._rest + self._file.read(size)).split(b"\n")
            self._file.readline()
            for line in lines:
                yield json.loads(line)

    def answer(self, document: dict[str, Any], **more: object) -> None:
        """Finds nothing in a document."""
        line = json.dumps({"id": document.get("id"), "mentions": [], **more}).encode() + b"\n"
        self.connection.sendall(b"%x\r\n%s\r\n" % (len(line), line))

    def end(self) -> None:
        """Ends the answer."""
        self.connection.sendall(b"0\r\n\r\n")

    def reset(self) -> None:
        """Hangs up in the middle of it."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Hangs up."""
        self._file.close()
        self.connection.close()


Handler = Callable[[Peer], None]


def answer_all(peer: Peer) -> None:
    """What a service does that has nothing else in mind."""
    peer.begin()
    for document in peer.documents():
        peer.answer(document)
    peer.end()


@contextmanager
def listening(*handlers: Handler) -> Iterator[str]:
    """A service that treats its connections in turn as it is told, one after another; its address."""
    failed: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            try:
                for handler in handlers:
                    connection, _ = listener.accept()
                    peer = Peer(connection)
                    try:
                        handler(peer)
                    finally:
                        peer.close()
            except BaseException as error:  # it is raised where the test is
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        except BaseException:
            listener.shutdown(socket.SHUT_RDWR)
            raise
        finally:
            thread.join(timeout=30)
    assert not thread.is_alive(), "the pretended service waits for a connection or for more of a request"
    if failed:
        raise failed[0]
