"""A service made of a function: what tests put in the place of the network."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator

import httpx

from dateline_client import AsyncDateline, Dateline, Retry

URL = "http://service.test"
EMOJI = "🚀🇺🇦 In Bakhmut 👩‍🚒 the 93rd Mechanized Brigade fired HIMARS at Donetsk. 🔥"

Answer = Callable[[httpx.Request], httpx.Response]


def mentions_of(text: str) -> list[dict[str, object]]:
    """What the pretended model finds: every word that is written in capitals."""
    return [
        {"start": found.start(), "end": found.end(), "label": "PLACE", "text": found[0], "score": 0.9}
        for found in re.finditer(r"[A-Z]{2,}", text)
    ]


def annotate(request: httpx.Request) -> httpx.Response:
    """Answers as the service does: one text, many, or lines. A text that is `bad` is an error."""
    if "ndjson" in request.headers["Content-Type"]:
        return lines_answer(answered_lines(request))
    body = json.loads(request.content)
    head = {"model": "m", "offsets": "codepoint"}
    if "documents" not in body:
        return httpx.Response(200, json={**head, **_answered(body)})
    good, errors = [], []
    for index, document in enumerate(body["documents"]):
        if document["text"] == "bad":
            errors.append({"index": index, "code": "model_failed", "detail": "it failed", **_id(document)})
        else:
            good.append(_answered(document))
    return httpx.Response(200, json={**head, "documents": good, "errors": errors})


def answered_lines(request: httpx.Request) -> list[bytes]:
    """The lines that answer those of a stream."""
    answers = []
    for number, line in enumerate(request.content.splitlines(), 1):
        document = json.loads(line)
        if document["text"] == "bad":
            problem = {"type": "urn:x", "title": "t", "status": 500, "code": "model_failed", "detail": "it failed"}
            answers.append({"line": number, "error": problem, **_id(document)})
        else:
            answers.append(_answered(document))
    return [json.dumps(answer, ensure_ascii=False).encode() + b"\n" for answer in answers]


def lines_answer(lines: list[bytes], *, broken: Exception | None = None) -> httpx.Response:
    """An answer of lines; if it is `broken`, that is raised behind them."""
    headers = {"Content-Type": "application/x-ndjson", "dateline-model": "m", "dateline-offsets": "codepoint"}
    return httpx.Response(200, headers=headers, stream=Pieces(lines, broken))


def problem(status: int, code: str, **more: object) -> httpx.Response:
    """A problem detail; `retry_after` goes into the header."""
    headers = {"Content-Type": "application/problem+json"}
    if "retry_after" in more:
        headers["Retry-After"] = str(more.pop("retry_after"))
    fields = {"type": f"urn:dateline:problem:{code}", "title": "T", "status": status, "code": code, "detail": "D"}
    return httpx.Response(status, headers=headers, content=json.dumps({**fields, **more}).encode())


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces, for both kinds of clients, that may break off."""

    def __init__(self, pieces: list[bytes], broken: Exception | None = None) -> None:
        self.pieces = pieces
        self.broken = broken

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.broken is not None:
            raise self.broken

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class Service:
    """Answers requests in turn as it is told, the last way for ever; keeps what it was asked."""

    def __init__(self, *answers: Answer | httpx.Response | Exception) -> None:
        self.answers = list(answers) or [annotate]
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            # The same answer may be given more than once.
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.read())
        return answer(request)

    def client(self, *, retry: Retry | None = None, deadline: float | None = None, api_key: str = "") -> Dateline:
        transport = httpx.MockTransport(self)
        return Dateline(URL, transport=transport, retry=retry, deadline=deadline, api_key=api_key)

    def async_client(self, *, retry: Retry | None = None, deadline: float | None = None) -> AsyncDateline:
        return AsyncDateline(URL, transport=httpx.MockTransport(self), retry=retry, deadline=deadline, api_key="")


def _answered(document: dict[str, str]) -> dict[str, object]:
    return {**_id(document), "mentions": mentions_of(document["text"])}


def _id(document: dict[str, str]) -> dict[str, object]:
    return {"id": document["id"]} if "id" in document else {}
