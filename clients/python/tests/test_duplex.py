"""Streams over real sockets: answers are read while documents are sent, and what breaks is begun anew."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

import dateline_client
from dateline_client import AsyncDateline, Dateline, Document, Result, Retry, _aio_duplex, _duplex, _flight, aio
from peer import Handler, Peer, answer_all, listening

either = pytest.mark.parametrize("later", [False, True], ids=["sync", "asyncio"])


def documents(count: int, text: str = "KYIV") -> list[Document]:
    return [Document(text, number) for number in range(count)]


class Taken:
    """Documents that count how many of them were taken."""

    def __init__(self, those: list[Document]) -> None:
        self.those = those
        self.count = 0

    def __iter__(self) -> Iterator[Document]:
        for document in self.those:
            self.count += 1
            yield document


def run(url: str, source: Taken, *, later: bool, retry: Retry | None = None, most_ahead: int = 10**9) -> list[Result]:
    """The results by the client of either kind; no more documents may ever be ahead of the answers."""
    results: list[Result] = []

    def got(result: Result) -> None:
        results.append(result)
        assert source.count - len(results) < most_ahead

    async def ask() -> None:
        async with AsyncDateline(url, retry=retry) as asking:
            async for result in asking.stream(source):
                got(result)

    if later:
        asyncio.run(ask())
    else:
        with Dateline(url, retry=retry) as asking:
            for result in asking.stream(source):
                got(result)
    return results


@either
def test_each_answer_comes_before_the_next_document_is_sent(later: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_flight, "MOST_DOCUMENTS", 1)
    with listening(answer_all) as url:
        results = run(url, Taken(documents(50)), later=later, most_ahead=1)
    assert [result.id for result in results] == list(range(50))


@either
def test_what_is_on_its_way_is_bounded_and_nobody_waits_for_ever(later: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_fours(peer: Peer) -> None:
        peer.begin()
        waiting = []
        for document in peer.documents():
            waiting.append(document)
            if len(waiting) == 4:
                for one in waiting:
                    peer.answer(one)
                waiting = []
        for one in waiting:
            peer.answer(one)
        peer.end()

    monkeypatch.setattr(_flight, "MOST_DOCUMENTS", 4)
    with listening(in_fours) as url:
        results = run(url, Taken(documents(42)), later=later, most_ahead=4)
    assert [result.id for result in results] == list(range(42))


@either
def test_both_directions_may_be_longer_than_the_sockets_hold(later: bool) -> None:
    def wordy(peer: Peer) -> None:
        peer.begin()
        for document in peer.documents():
            peer.answer(document, comment="x" * (1 << 18))
        peer.end()

    with listening(wordy) as url:
        results = run(url, Taken(documents(64, "KYIV " * (1 << 16))), later=later)
    assert [result.id for result in results] == list(range(64))


def refuse(peer: Peer) -> None:
    body = b'{"status":401,"code":"unauthorized","detail":"who are you?"}'
    head = b"HTTP/1.1 401 Unauthorized\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n\r\n"
    peer.connection.sendall(head % len(body) + body)


@either
def test_a_service_that_refuses_gets_no_documents(later: bool) -> None:
    source = Taken(documents(50))

    def look(peer: Peer) -> None:
        assert b"expect: 100-continue" in peer.head.lower()
        refuse(peer)
        assert peer.connection.recv(1) == b""

    with listening(look) as url, pytest.raises(dateline_client.Unauthorized, match="who are you"):
        run(url, source, later=later)
    assert source.count == 1


@either
def test_what_knows_of_no_leave_gets_the_documents_all_the_same(later: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_duplex, "LEAVE_SECONDS", 0.0)
    monkeypatch.setattr(_aio_duplex, "LEAVE_SECONDS", 0.0)

    def plain(peer: Peer) -> None:
        coming = peer.documents()
        first = next(coming)
        peer.begin(leave=False)
        for document in itertools.chain([first], coming):
            peer.answer(document)
        peer.end()

    with listening(plain) as url:
        assert len(run(url, Taken(documents(20)), later=later)) == 20


def breaks_after(answered: int, *, reset: bool) -> Handler:
    def handler(peer: Peer) -> None:
        peer.begin()
        for document in itertools.islice(peer.documents(), answered):
            peer.answer(document)
        (peer.reset if reset else peer.close)()

    return handler


@either
@pytest.mark.parametrize("reset", [False, True])
def test_it_goes_on_after_the_connection_broke(reset: bool, later: bool, pauses: list[float]) -> None:
    source = Taken(documents(40))
    with listening(breaks_after(0, reset=reset), breaks_after(7, reset=reset), answer_all) as url:
        results = run(url, source, later=later)
    assert [result.id for result in results] == list(range(40))
    assert source.count == 40
    assert len(pauses) >= 1


@either
def test_where_nobody_listens_it_says_so(later: bool, pauses: list[float]) -> None:
    with listening() as url:
        pass
    with pytest.raises(dateline_client.ConnectionFailed, match=r"127\.0\.0\.1:\d+"):
        run(url, Taken(documents(1)), later=later, retry=Retry(attempts=2))
    assert len(pauses) == 1


@pytest.mark.parametrize("begun", [False, True])
def test_silence_is_a_timeout(begun: bool) -> None:
    def silent(peer: Peer) -> None:
        if begun:
            peer.begin()
        with contextlib.suppress(ConnectionResetError):
            while peer.connection.recv(1 << 16):
                pass

    retry = Retry(attempts=1)
    with listening(silent) as url, pytest.raises(dateline_client.TimedOut):
        list(Dateline(url, timeout=0.05, retry=retry).stream(["KYIV"]))

    async def ask(url: str) -> list[Result]:
        async with AsyncDateline(url, timeout=0.05, retry=retry) as asking:
            return [result async for result in asking.stream(["KYIV"])]

    with listening(silent) as url, pytest.raises(dateline_client.TimedOut):
        asyncio.run(ask(url))


def leaves(peer: Peer) -> None:
    """A service whose client leaves."""
    peer.begin()
    with contextlib.suppress(ConnectionError):
        for document in peer.documents():
            peer.answer(document)


def test_who_leaves_early_leaves_nothing_open() -> None:
    with listening(leaves) as url, Dateline(url) as asking:
        stream = asking.stream(Document("KYIV", number) for number in itertools.count())
        assert next(stream).id == 0
        stream.close()  # type: ignore[attr-defined]

    async def ask(url: str) -> None:
        async with AsyncDateline(url) as asking, contextlib.aclosing(asking.stream(endless())) as stream:  # type: ignore[type-var]
            async for result in stream:
                assert result.id == 0
                break

    async def endless() -> AsyncIterator[Document]:
        for number in itertools.count():
            yield Document("KYIV", number)

    with listening(leaves) as url:
        asyncio.run(ask(url))


def test_for_asyncio_an_answer_does_not_wait_for_the_next_document() -> None:
    async def ask(url: str) -> list[Result]:
        answered = asyncio.Event()

        async def feed() -> AsyncIterator[Document]:
            for document in documents(5):
                yield document
                await answered.wait()
                answered.clear()

        results = []
        async with AsyncDateline(url) as asking:
            async for result in asking.stream(feed()):
                results.append(result)
                answered.set()
        return results

    with listening(answer_all) as url:
        assert [result.id for result in asyncio.run(ask(url))] == list(range(5))


def test_for_asyncio_a_document_that_comes_while_the_connection_breaks_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask(url: str) -> list[Result]:
        results: list[Result] = []
        broken = asyncio.Event()

        async def pause(_: float) -> None:
            broken.set()

        monkeypatch.setattr(aio, "sleep", pause)

        async def feed() -> AsyncIterator[Document]:
            yield Document("KYIV", 0)
            # The connection breaks while this waits, and the next document comes long after it.
            await broken.wait()
            yield Document("LVIV", 1)
            yield Document("ODESA", 2)

        async with AsyncDateline(url) as asking:
            async for result in asking.stream(feed()):
                results.append(result)
        return results

    with listening(breaks_after(1, reset=True), answer_all) as url:
        assert [result.id for result in asyncio.run(ask(url))] == [0, 1, 2]
