"""The values that go in and come out: documents, annotations, failures, models. All of them are frozen.

An answer for many documents is a list of results, one for each document and in their order. A result is either an
`Annotation` or a `Failure`, so no error can get lost and none keeps the other documents back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

from dateline_client import _read
from dateline_client.errors import DocumentFailed, OffsetMismatch

__all__ = [
    "Annotation",
    "Device",
    "Document",
    "DocumentId",
    "Entity",
    "Failure",
    "Health",
    "Mention",
    "Model",
    "OffsetUnit",
    "Result",
]

OffsetUnit: TypeAlias = Literal["codepoint", "utf16", "byte"]
"""How `start` and `end` are counted. `codepoint` is how Python counts."""

DocumentId: TypeAlias = str | int | float | None
"""Whatever you call a document; it comes back as it went."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text to annotate, and what you call it."""

    text: str
    id: DocumentId = None


@dataclass(frozen=True, slots=True)
class Mention:
    """A stretch of the text that names something."""

    start: int
    """Where it begins, in the unit of the annotation's `offsets`."""
    end: int
    """One past its last unit."""
    label: str
    """What it names, such as `PLACE`."""
    text: str
    """Its own words: with code points, `text[start:end]`."""
    score: float
    """The probability that this span with this label is right."""

    @classmethod
    def read(cls, fields: Mapping[str, object]) -> Mention:
        """Reads a mention of an answer; fields that are not known are left alone."""
        return cls(
            start=_read.integer(fields, "start"),
            end=_read.integer(fields, "end"),
            label=_read.string(fields, "label"),
            text=_read.string(fields, "text"),
            score=_read.number(fields, "score"),
        )


@dataclass(frozen=True, slots=True)
class Entity:
    """One person, place, unit or weapon of a document, and where it is mentioned."""

    label: str
    """What it is."""
    name: str
    """The words of the mention that names it best."""
    mentions: tuple[int, ...]
    """Its mentions, as ascending indices into the annotation's `mentions`."""
    count: int
    """How many they are."""
    score: float
    """The best score of its mentions."""
    relevance: float
    """How much the document is about it, from 0 to 1."""

    @classmethod
    def read(cls, fields: Mapping[str, object]) -> Entity:
        """Reads an entity of an answer; fields that are not known are left alone."""
        return cls(
            label=_read.string(fields, "label"),
            name=_read.string(fields, "name"),
            mentions=_read.integers(fields, "mentions"),
            count=_read.integer(fields, "count"),
            score=_read.number(fields, "score"),
            relevance=_read.number(fields, "relevance"),
        )


@dataclass(frozen=True, slots=True)
class Annotation:
    """A document and what it names."""

    model: str
    """The model that read it. A stream through a proxy that drops the service's headers does not tell: empty."""
    offsets: OffsetUnit
    """How the mentions' offsets are counted."""
    mentions: tuple[Mention, ...]
    """What the text names, in its order; mentions never overlap."""
    text: str = dataclasses.field(repr=False)
    """The text as it was sent."""
    id: DocumentId = None
    """What you call the document."""
    entities: tuple[Entity, ...] = ()
    """Its mentions grouped by whom they name; empty if the service does not say."""
    index: int = 0
    """Which of the documents it is, from 0."""

    @property
    def ok(self) -> Literal[True]:
        """That this is no failure."""
        return True

    def unwrap(self) -> Annotation:
        """This annotation. On a `Failure` it raises."""
        return self

    def check(self) -> Annotation:
        """Makes sure that every mention is exactly the slice of the text that its offsets say.

        Raises:
            OffsetMismatch: if one is not.
        """
        units = _Units(self.text, self.offsets)
        for mention in self.mentions:
            if (found := units.slice(mention.start, mention.end)) != mention.text:
                raise OffsetMismatch(
                    f"document {self.index}: the {self.offsets} offsets {mention.start} to {mention.end} are "
                    f"{found!r}, but the mention is {mention.text!r}; does something on the way change texts?"
                )
        return self


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that could not be annotated, and why. It stands where the annotation would."""

    index: int
    """Which of the documents it is, from 0."""
    code: str
    """The kind of problem, for programs: the table is in docs/http.md."""
    detail: str
    """What was wrong, and what to do."""
    text: str = dataclasses.field(repr=False)
    """The text as it was sent."""
    id: DocumentId = None
    """What you call the document."""
    field: str | None = None
    """The field at fault."""
    line: int | None = None
    """The line of the request's body at fault, from 1."""
    column: int | None = None
    """The column of that line, from 1, in characters."""

    @property
    def ok(self) -> Literal[False]:
        """That this is a failure."""
        return False

    def unwrap(self) -> NoReturn:
        """Raises what is wrong with this document.

        Raises:
            DocumentFailed: always.
        """
        raise DocumentFailed(self)


Result: TypeAlias = Annotation | Failure
"""What became of one of many documents. `result.unwrap()` is the annotation, or raises."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the service has."""

    name: str
    """What the option `model` calls it."""
    default: bool
    """Whether it reads texts for which no model is named."""
    architecture: str
    """The kind of network."""
    window_tokens: int
    """How many tokens it sees at once; longer texts are read in overlapping windows."""
    precision: str
    """How exactly it computes: `int8`, `bf16` or `f32`."""
    labels: tuple[str, ...]
    """What it finds."""

    @classmethod
    def read(cls, fields: Mapping[str, object]) -> Model:
        """Reads a model of an answer; fields that are not known are left alone."""
        return cls(
            name=_read.string(fields, "name"),
            default=_read.boolean(fields, "default"),
            architecture=_read.string(fields, "architecture"),
            window_tokens=_read.integer(fields, "window_tokens"),
            precision=_read.string(fields, "precision"),
            labels=_read.strings(fields, "labels"),
        )


@dataclass(frozen=True, slots=True)
class Device:
    """A device that the models run on."""

    device: str
    """Its name."""
    state: str
    """Whether texts run on it: `ready`, `starting`, `restarting` or `failing`."""

    @classmethod
    def read(cls, fields: Mapping[str, object]) -> Device:
        """Reads a device of an answer; fields that are not known are left alone."""
        return cls(device=_read.string(fields, "device"), state=_read.string(fields, "state"))


@dataclass(frozen=True, slots=True)
class Health:
    """A service that can annotate. One that cannot is a `ServiceUnavailable`."""

    status: str
    """`ready`."""
    devices: tuple[Device, ...]
    """What the models run on."""
    models: tuple[str, ...]
    """The models' names, the default one first."""

    @classmethod
    def read(cls, fields: Mapping[str, object]) -> Health:
        """Reads the answer of `/health/ready`; fields that are not known are left alone."""
        return cls(
            status=_read.string(fields, "status"),
            devices=_read.objects(fields, "devices", Device.read),
            models=_read.strings(fields, "models"),
        )


class _Units:
    """A text that can be cut in any unit."""

    def __init__(self, text: str, unit: OffsetUnit) -> None:
        self._text = text
        self._encoding, self._width = {"codepoint": ("", 1), "utf16": ("utf-16-le", 2), "byte": ("utf-8", 1)}[unit]
        self._encoded = text.encode(self._encoding, "surrogatepass") if self._encoding else b""

    def slice(self, start: int, end: int) -> str | None:
        """What is from `start` to `end`; `None` if they are no places of the text or cut a character."""
        length = len(self._encoded) // self._width if self._encoding else len(self._text)
        if not 0 <= start <= end <= length:
            return None
        if not self._encoding:
            return self._text[start:end]
        try:
            return self._encoded[start * self._width : end * self._width].decode(self._encoding)
        except UnicodeDecodeError:
            return None
