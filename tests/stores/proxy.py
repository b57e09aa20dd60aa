"""A proxy before an S3 server that counts what is asked of it and, when told to, is as bad as the real world.

It passes headers on as they are, so that the client's signature still fits: the client signs for the proxy's own host and
port. A connection serves one request.
"""

import http.client
import os
import random
import socket
import struct
import threading
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

# What stores say that do not know conditional requests.
NOT_IMPLEMENTED = (
    b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>NotImplemented</Code><Message>A header you provided implies "
    b"functionality that is not implemented.</Message><Header>If-None-Match</Header></Error>"
)
INTERNAL = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>InternalError</Code><Message>Try again.</Message></Error>"
SLOW_DOWN = (
    b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message>"
    b"</Error>"
)
# Headers of one connection, and those that are written anew.
OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Request:
    """What is asked: a method and a key with its bucket before it, as in bucket/folder/file."""

    method: str
    key: str
    conditional: bool

    def is_output(self):
        """Whether an output is to be created."""
        return self.method == "PUT" and self.key.rsplit("/", 1)[-1].startswith("part-")


class Flaky:
    """Spoils a share of all requests, each in one of five ways: the connection is reset before the server hears of it,
    or when it has answered; the answer breaks off half-way; the server says 500, or 503."""

    WAYS = ("reset before", "reset after", "cut off", "500", "503")

    def __init__(self, share, seed):
        self.share = share
        self.random = random.Random(seed)
        self.done = Counter()

    def way(self):
        if self.random.random() >= self.share:
            return None
        way = self.random.choice(self.WAYS)
        self.done[way] += 1
        return way


class Proxy(ThreadingHTTPServer):
    """Listens on a free port. What it does besides passing on is set while it runs, and forgotten by `well`."""

    daemon_threads = True
    # A flaky connection makes many new ones at once.
    request_queue_size = 64

    def __init__(self, upstream):
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.lock = threading.Lock()
        # moto looks whether a name is free and then takes it; S3 does it in one step.
        self.one_at_a_time = threading.Lock()
        self.well()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def well(self):
        """Passes everything on from now on, and counts from zero."""
        with self.lock:
            # Requests, and those that the server carried out, by method and key.
            self.asked, self.carried_out = Counter(), Counter()
            # Whether it is a server that does not know If-None-Match on a PUT.
            self.refuses_conditions = False
            self.flaky = None
            # Whether the answer to this request is never given: the server does it, and the client has to give up.
            self.holds = lambda request: False
            # Called before a request goes to the server, and when it has been answered there.
            self.before = self.after = lambda request: None

    def fault(self, request):
        """What is to go wrong with a request."""
        with self.lock:
            self.asked[request.method, request.key] += 1
            if request.conditional and self.refuses_conditions:
                return "501"
            if self.holds(request):
                return "held"
            return self.flaky and self.flaky.way()

    def answered(self, request, status):
        with self.lock:
            if status < 300:
                self.carried_out[request.method, request.key] += 1
        self.after(request)

    def outputs_put(self):
        """How often each output was put, as far as the server carried it out."""
        return {key: n for (method, key), n in self.carried_out.items() if Request(method, key, False).is_output()}

    def all_asked(self):
        return sum(self.asked.values())

    def handle_error(self, request, client_address):
        """A client that was killed is no news."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        key = unquote(urlsplit(self.path).path).strip("/")
        request = Request(self.command, key, self.command == "PUT" and "If-None-Match" in self.headers)
        self.close_connection = True
        fault = self.server.fault(request)
        if fault == "reset before":
            return self.reset()
        if fault in ("500", "501", "503"):
            answer = {"500": INTERNAL, "501": NOT_IMPLEMENTED, "503": SLOW_DOWN}[fault]
            return self.answer(int(fault), [("Content-Type", "application/xml")], answer, len(answer))
        self.server.before(request)
        with self.server.one_at_a_time if request.conditional else nullcontext():
            status, headers, answer, length = self.ask(body)
        self.server.answered(request, status)
        if fault == "held":
            # Nothing comes from the client any more, so this ends when it gives up.
            self.connection.recv(1)
        # Of an answer without a body there is no half.
        if fault in ("reset after", "held") or (fault == "cut off" and not answer):
            return self.reset()
        half = len(answer) // 2 if fault == "cut off" else len(answer)
        return self.answer(status, headers, answer[:half], length)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815

    def ask(self, body):
        """The server's status, headers, body, and the length that it says its answer has."""
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=60)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() != "connection":
                upstream.putheader(name, value)
        upstream.putheader("Connection", "close")
        upstream.endheaders(body)
        answer = upstream.getresponse()
        content = answer.read()
        said = answer.getheader("Content-Length")
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in OF_THE_CONNECTION]
        upstream.close()
        return answer.status, headers, content, len(content) if said is None else int(said)

    def answer(self, status, headers, body, length):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def reset(self):
        """Ends the connection, with what was not sent yet, so that the client is told of a reset and not of an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, *_):
        """Quiet."""
