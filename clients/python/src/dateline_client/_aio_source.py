"""The caller's documents, which may come from an asynchronous iterator, and are never lost between two connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

from dateline_client._flight import Flight, SourceFailed
from dateline_client.models import Document


class Source:
    """Documents from an iterator of either kind.

    The task that sends is cancelled when its connection breaks. A cancelled asynchronous generator is at its end, and
    what it would still have given would be missing without a word; so it runs in a task of its own, for which the next
    connection waits again.
    """

    def __init__(self, documents: Iterable[str | Document] | AsyncIterable[str | Document]) -> None:
        self._later: AsyncIterator[str | Document] | None = None
        self._now: Iterator[str | Document] = iter(())
        if isinstance(documents, AsyncIterable):
            self._later = documents.__aiter__()
        else:
            self._now = iter(documents)
        self._coming: asyncio.Task[str | Document | None] | None = None

    async def take(self, flight: Flight) -> bool:
        """Puts the next document on its way; whether there was one.

        Raises:
            SourceFailed: if the iterator raised.
        """
        try:
            document = next(self._now, None) if self._later is None else await self._next(self._later)
            if document is not None:
                flight.take(document)
        except Exception as error:
            raise SourceFailed(error) from error
        return document is not None

    async def close(self) -> None:
        """Nothing more is wanted."""
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.wait([self._coming])

    async def _next(self, documents: AsyncIterator[str | Document]) -> str | Document | None:
        if self._coming is None:
            self._coming = asyncio.ensure_future(_one(documents))
        await asyncio.wait([self._coming])
        coming, self._coming = self._coming, None
        return coming.result()


async def _one(documents: AsyncIterator[str | Document]) -> str | Document | None:
    # A task can not end with StopAsyncIteration.
    try:
        return await documents.__anext__()
    except StopAsyncIteration:
        return None
