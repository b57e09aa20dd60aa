"""What a client is told once (address, key, timeouts) and what it is told with a request (the options)."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection
from dataclasses import dataclass
from urllib.request import getproxies, proxy_bypass

import httpx

from dateline_client._version import __version__
from dateline_client.models import OffsetUnit

DEFAULT_URL = "http://127.0.0.1:8080"
"""Where `dateline serve` listens unless it is told otherwise."""

DEFAULT_TIMEOUT = httpx.Timeout(300.0, connect=5.0)
"""The service itself gives up on an answer after 300 seconds."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a request asks for. `None` leaves a choice to the service."""

    offsets: OffsetUnit = "codepoint"
    min_score: float | None = None
    labels: tuple[str, ...] | None = None
    model: str | None = None

    @classmethod
    def of(
        cls, offsets: OffsetUnit, min_score: float | None, labels: Collection[str] | None, model: str | None
    ) -> Options:
        """The options as a caller gives them."""
        if isinstance(labels, str):
            raise TypeError(f"labels is the text {labels!r}; give a list, as in [{labels!r}]")
        if offsets not in ("codepoint", "utf16", "byte"):
            raise ValueError(f"offsets is {offsets!r}; there is codepoint (as Python counts), utf16 and byte")
        return cls(offsets, min_score, None if labels is None else tuple(labels), model)

    def fields(self) -> dict[str, object]:
        """As fields of a JSON body."""
        every = {"offsets": self.offsets, "min_score": self.min_score, "labels": self.labels, "model": self.model}
        return {name: value for name, value in every.items() if value is not None}

    def query(self) -> dict[str, str]:
        """As parameters of a query."""
        fields = {name: value for name, value in self.fields().items() if name != "labels"}
        query = {name: str(value) for name, value in fields.items()}
        if self.labels is not None:
            if separated := [label for label in self.labels if "," in label or label != label.strip()]:
                raise ValueError(f"the label {separated[0]!r} has a comma or outer space: a stream cannot name it")
            query["labels"] = ",".join(self.labels)
        return query


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the service is and how it is spoken to."""

    base_url: httpx.URL
    headers: dict[str, str]
    has_key: bool

    @classmethod
    def of(cls, base_url: str | None, api_key: str | None) -> Settings:
        """The settings given, or else those of the environment: `DATELINE_URL` and `DATELINE_API_KEY`."""
        given = base_url or os.environ.get("DATELINE_URL") or DEFAULT_URL
        try:
            url = httpx.URL(given.rstrip("/"))
        except httpx.InvalidURL as error:
            raise ValueError(f"{given!r} is no address: {error}") from error
        if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
            raise ValueError(f"{given!r} is not the address of a service, such as {DEFAULT_URL}")
        key = os.environ.get("DATELINE_API_KEY") if api_key is None else api_key
        headers = {
            "User-Agent": f"dateline-client/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"
        }
        if key:
            # The key itself stays out of messages, which end up in logs.
            if not key.isascii() or not key.isprintable() or " " in key:
                raise ValueError("the API key has spaces, line breaks or other characters that no key has")
            headers["Authorization"] = f"Bearer {key}"
        return cls(url, headers, bool(key))

    def url(self, path: str) -> str:
        """The address of `path`, which begins with a slash."""
        return f"{self.base_url}{path}"

    def behind_proxy(self) -> bool:
        """Whether the environment names a proxy for this service."""
        proxies = getproxies()
        named = self.base_url.scheme in proxies or "all" in proxies
        return named and not proxy_bypass(self.base_url.host)
