"""Streams: in order, bounded, and gone on with after they broke, without a document lost or answered twice. No network.

What stands in for the network here sends a request whole before it reads, as a proxy does; tests/test_duplex.py has
real sockets.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

import dateline_client
from dateline_client import Annotation, Document, Failure, Result, Retry
from dateline_client._flight import LineCutter
from support import Service, annotate, answered_lines, lines_answer, problem

DOCUMENTS = [Document(f"KYIV {number}", f"d{number}") for number in range(10)]


def sent_ids(request: httpx.Request) -> list[str]:
    return [json.loads(line)["id"] for line in request.content.splitlines()]


def ids(results: list[Result]) -> list[object]:
    return [result.id for result in results]


async def gathered(service: Service, documents: object, retry: Retry | None = None) -> list[Result]:
    async with service.async_client(retry=retry) as asking:
        return [result async for result in asking.stream(documents)]  # type: ignore[arg-type]


def both(service: Service, documents: list[Document], *, later: bool, retry: Retry | None = None) -> list[Result]:
    """The results by the client of either kind."""
    if not later:
        return list(service.client(retry=retry).stream(iter(documents)))

    async def coming() -> AsyncIterator[Document]:
        for document in documents:
            yield document

    return asyncio.run(gathered(service, coming(), retry))


either = pytest.mark.parametrize("later", [False, True], ids=["sync", "asyncio"])


@either
def test_results_come_in_order(later: bool) -> None:
    service = Service()
    results = both(service, DOCUMENTS, later=later)
    assert ids(results) == [document.id for document in DOCUMENTS]
    assert [result.index for result in results] == list(range(10))
    assert [result.unwrap().model for result in results] == ["m"] * 10
    assert len(service.requests) == 1
    assert service.requests[0].headers["Content-Type"] == "application/x-ndjson"


def test_options_go_into_the_query() -> None:
    service = Service()
    asking = service.client()
    list(asking.stream(["KYIV"], min_score=0.5, labels=["PLACE", "UNIT"], model="m"))
    query = dict(service.requests[0].url.params)
    assert query == {"offsets": "codepoint", "min_score": "0.5", "labels": "PLACE,UNIT", "model": "m"}
    with pytest.raises(ValueError, match="comma"):
        asking.stream(["KYIV"], labels=["A,B"])
    with pytest.raises(TypeError, match="one text"):
        asking.stream("KYIV")


@either
def test_a_stream_of_nothing_asks_nobody(later: bool) -> None:
    service = Service()
    assert both(service, [], later=later) == []
    assert service.requests == []


@either
def test_a_failed_document_is_a_result_and_the_others_get_through(later: bool) -> None:
    documents = [Document("KYIV", 1), Document("bad", 2), Document("LVIV", 3)]
    results = both(Service(), documents, later=later)
    assert [type(result) for result in results] == [Annotation, Failure, Annotation]
    assert (results[1].index, results[1].id) == (1, 2)
    with pytest.raises(dateline_client.DocumentFailed, match="it failed"):
        results[1].unwrap()


def broken_after(answered: int, error: Exception | None) -> Service:
    """A service whose first connection answers so many documents and then breaks, and whose second one holds."""

    def breaks(request: httpx.Request) -> httpx.Response:
        return lines_answer(answered_lines(request)[:answered], broken=error)

    return Service(breaks, annotate)


@either
@pytest.mark.parametrize("answered", [0, 1, 9])
@pytest.mark.parametrize("error", [httpx.ReadError("reset"), httpx.ReadTimeout("silent"), None])
def test_it_goes_on_with_what_was_not_answered(
    answered: int, error: Exception | None, later: bool, pauses: list[float]
) -> None:
    service = broken_after(answered, error)
    results = both(service, DOCUMENTS, later=later)
    assert ids(results) == [document.id for document in DOCUMENTS]
    assert [result.index for result in results] == list(range(10))
    assert sent_ids(service.requests[1]) == [document.id for document in DOCUMENTS[answered:]]
    assert len(pauses) == 1


@either
def test_half_a_line_is_no_answer(later: bool, pauses: list[float]) -> None:
    def cut(request: httpx.Request) -> httpx.Response:
        first, second, *_ = answered_lines(request)
        return lines_answer([first, second[:-5]])

    service = Service(cut, annotate)
    assert ids(both(service, DOCUMENTS, later=later)) == [document.id for document in DOCUMENTS]
    assert sent_ids(service.requests[1])[0] == "d1"
    assert len(pauses) == 1


@either
@pytest.mark.parametrize(("status", "code"), [(503, "draining"), (503, "overloaded"), (408, "timeout")])
def test_what_passes_is_no_fault_of_the_document(status: int, code: str, later: bool, pauses: list[float]) -> None:
    def drains(request: httpx.Request) -> httpx.Response:
        line = {"line": 3, "error": json.loads(problem(status, code).content)}
        return lines_answer([*answered_lines(request)[:2], json.dumps(line).encode() + b"\n"])

    service = Service(drains, annotate)
    results = both(service, DOCUMENTS, later=later)
    assert all(result.ok for result in results)
    assert ids(results) == [document.id for document in DOCUMENTS]
    assert sent_ids(service.requests[1])[0] == "d2"
    assert len(pauses) == 1


@either
def test_it_gives_up_when_nothing_gets_answered(later: bool, pauses: list[float]) -> None:
    service = Service(httpx.ConnectError("refused"))
    with pytest.raises(dateline_client.ConnectionFailed):
        both(service, DOCUMENTS, later=later, retry=Retry(attempts=3))
    assert (len(service.requests), len(pauses)) == (3, 2)


@either
def test_attempts_count_from_the_last_answer(later: bool, pauses: list[float]) -> None:
    def one(request: httpx.Request) -> httpx.Response:
        return lines_answer(answered_lines(request)[:1], broken=httpx.ReadError("reset"))

    service = Service(one)
    results = both(service, DOCUMENTS, later=later, retry=Retry(attempts=2))
    assert ids(results) == [document.id for document in DOCUMENTS]
    assert len(service.requests) == 10
    # The last one breaks behind the last answer, when there is nothing left to go on with but the caller's end.
    assert len(pauses) == 10


@either
def test_a_refused_stream_waits_as_it_is_told(later: bool, pauses: list[float]) -> None:
    service = Service(problem(429, "rate_limited", retry_after=4), annotate)
    assert len(both(service, DOCUMENTS, later=later)) == 10
    assert len(pauses) == 1
    assert pauses[0] >= 4
    refused = Service(problem(401, "unauthorized"))
    with pytest.raises(dateline_client.Unauthorized):
        both(refused, DOCUMENTS, later=later)
    assert len(refused.requests) == 1


@either
@pytest.mark.parametrize("error", [ValueError("no more"), httpx.ReadError("of the caller's own"), OSError("disk")])
def test_an_error_of_the_caller_s_iterator_is_the_caller_s(error: Exception, later: bool, pauses: list[float]) -> None:
    service = Service()

    def documents() -> Iterator[Document]:
        yield DOCUMENTS[0]
        raise error

    async def coming() -> AsyncIterator[Document]:
        yield DOCUMENTS[0]
        raise error

    with pytest.raises(type(error)) as raised:
        asyncio.run(gathered(service, coming())) if later else list(service.client().stream(documents()))
    assert raised.value is error
    assert pauses == []


def test_what_is_no_document_is_told() -> None:
    with pytest.raises(TypeError, match="not int"):
        list(Service().client().stream(["KYIV", 7]))  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([b"<html>\n"], "is not JSON"),
        ([b'{"id":"other","mentions":[]}\n'], "the answer is for 'other'"),
        ([b'{"id":"d0"}\n'], "`mentions` .* missing"),
        ([b'{"id":"d0","mentions":[]}\n'] * 2, "more lines than were sent"),
    ],
)
def test_an_answer_that_is_not_as_promised_is_an_error(lines: list[bytes], says: str) -> None:
    with pytest.raises(dateline_client.UnexpectedAnswer, match=says):
        list(Service(lambda _: lines_answer(lines)).client().stream(DOCUMENTS[:1]))


def test_another_program_at_this_address_is_noticed() -> None:
    with pytest.raises(dateline_client.UnexpectedAnswer, match="not JSON lines"):
        list(Service(httpx.Response(200, html="<h1>Welcome</h1>")).client().stream(["KYIV"]))


def test_where_answers_come_last_documents_go_in_portions() -> None:
    service = Service()
    taken = 0

    def documents() -> Iterator[str]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield "KYIV " * 1000

    stream = service.client().stream(documents())
    next(stream)
    assert taken < 10
    assert len(list(stream)) == 99
    assert len(service.requests) == 15
    assert all(len(request.content) < 64 << 10 for request in service.requests)


def test_lines_end_at_line_feeds_and_nowhere_else() -> None:
    lines = ['{"a":"\u2028\u2029\x85\x0b\x0c"}'.encode(), b'{"b":1}\r', b'{"c":2}']
    body = b"\n\n".join(lines) + b"\n"
    for cut in range(len(body) + 1):
        cutter = LineCutter()
        assert [*cutter.push(body[:cut]), *cutter.push(body[cut:])] == lines
        assert not cutter.rest
        list(cutter.push(b"{"))
        assert cutter.rest
