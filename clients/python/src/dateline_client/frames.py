"""Annotates a column of a DataFrame, of pandas or of Polars: into a long frame of mentions, or into a column of lists.

Neither library is imported before you pass one of its frames. Texts go through `Dateline.stream`, so a frame may be of
any length. A text that is missing (`None`, `NaN`, `NA`, null) is not sent and has no mentions.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, overload

from dateline_client.client import Dateline
from dateline_client.models import Document, Failure, OffsetUnit, Result

if TYPE_CHECKING:
    import pandas
    import polars

__all__ = ["annotate_column", "annotate_frame"]


@overload
def annotate_frame(
    client: Dateline,
    frame: pandas.DataFrame,
    text: str = ...,
    *,
    document: str | None = ...,
    errors: Literal["keep", "raise"] = ...,
    offsets: OffsetUnit = ...,
    min_score: float | None = ...,
    labels: Collection[str] | None = ...,
    model: str | None = ...,
) -> pandas.DataFrame: ...


@overload
def annotate_frame(
    client: Dateline,
    frame: polars.DataFrame,
    text: str = ...,
    *,
    document: str | None = ...,
    errors: Literal["keep", "raise"] = ...,
    offsets: OffsetUnit = ...,
    min_score: float | None = ...,
    labels: Collection[str] | None = ...,
    model: str | None = ...,
) -> polars.DataFrame: ...


def annotate_frame(
    client: Dateline,
    frame: pandas.DataFrame | polars.DataFrame,
    text: str = "text",
    *,
    document: str | None = None,
    errors: Literal["keep", "raise"] = "keep",
    offsets: OffsetUnit = "codepoint",
    min_score: float | None = None,
    labels: Collection[str] | None = None,
    model: str | None = None,
) -> pandas.DataFrame | polars.DataFrame:
    """Makes a row of every mention in a column of texts.

    Args:
        client: the service.
        frame: a DataFrame of pandas or Polars.
        text: the column of texts.
        document: the column whose values say in the result which document a mention is from; without it the index
            (pandas) or the number of the row, from 0 (Polars). Not to be confused with the index of the result.
        errors: `keep` makes a row of a document that could not be annotated: `error` says why, and the mention is
            missing. `raise` raises on the first of them.
        offsets: as in `Dateline.annotate`, like the other options.
        min_score: see there.
        labels: see there.
        model: see there.

    Returns:
        A DataFrame of the same library: `document`, `start`, `end`, `label`, `text`, `score`, `error`. A document that
        names nothing has no row.

    Raises:
        DatelineError: if the service cannot be asked, or refuses.
        DocumentFailed: if a document could not be annotated and `errors` is `raise`.
    """
    library = _library(frame)
    _check_errors(errors, "keep")
    any_frame: Any = frame
    rows = _Rows()
    for position, result in _results(
        client, any_frame[text], offsets=offsets, min_score=min_score, labels=labels, model=model
    ):
        rows.add(position, result.unwrap() if errors == "raise" else result)
    return _long_pandas(any_frame, rows, document) if library == "pandas" else _long_polars(any_frame, rows, document)


@overload
def annotate_column(
    client: Dateline,
    column: pandas.Series[Any],
    *,
    errors: Literal["null", "raise"] = ...,
    offsets: OffsetUnit = ...,
    min_score: float | None = ...,
    labels: Collection[str] | None = ...,
    model: str | None = ...,
) -> pandas.Series[Any]: ...


@overload
def annotate_column(
    client: Dateline,
    column: polars.Series,
    *,
    errors: Literal["null", "raise"] = ...,
    offsets: OffsetUnit = ...,
    min_score: float | None = ...,
    labels: Collection[str] | None = ...,
    model: str | None = ...,
) -> polars.Series: ...


def annotate_column(
    client: Dateline,
    column: pandas.Series[Any] | polars.Series,
    *,
    errors: Literal["null", "raise"] = "raise",
    offsets: OffsetUnit = "codepoint",
    min_score: float | None = None,
    labels: Collection[str] | None = None,
    model: str | None = None,
) -> pandas.Series[Any] | polars.Series:
    """Makes a list of mentions of every text, to stand beside the texts as a column named `mentions`.

    Args:
        client: the service.
        column: a Series of texts of pandas or Polars.
        errors: `raise` raises on the first document that could not be annotated; `null` puts a null in its place, and
            says nothing of why. To keep the reasons use `annotate_frame`.
        offsets: as in `Dateline.annotate`, like the other options.
        min_score: see there.
        labels: see there.
        model: see there.

    Returns:
        A Series of the same library and length, and with the same index: lists of `start`, `end`, `label`, `text` and
        `score`, as dictionaries (pandas) or structs (Polars). A text that is missing is null; one that names nothing
        is an empty list.

    Raises:
        DatelineError: if the service cannot be asked, or refuses.
        DocumentFailed: if a document could not be annotated and `errors` is `raise`.
    """
    library = _library(column)
    _check_errors(errors, "null")
    any_column: Any = column
    lists: list[list[dict[str, object]] | None] = [None] * len(any_column)
    for position, result in _results(
        client, any_column, offsets=offsets, min_score=min_score, labels=labels, model=model
    ):
        if errors == "raise":
            result = result.unwrap()
        if result.ok:
            lists[position] = [
                {name: getattr(mention, name) for name in ("start", "end", "label", "text", "score")}
                for mention in result.mentions
            ]
    return _column_pandas(any_column, lists) if library == "pandas" else _column_polars(lists)


@dataclass
class _Rows:
    """The columns of the long frame, and which row of the input each of its rows is from."""

    positions: list[int] = field(default_factory=list)
    start: list[int | None] = field(default_factory=list)
    end: list[int | None] = field(default_factory=list)
    label: list[str | None] = field(default_factory=list)
    text: list[str | None] = field(default_factory=list)
    score: list[float | None] = field(default_factory=list)
    error: list[str | None] = field(default_factory=list)

    def add(self, position: int, result: Result) -> None:
        if isinstance(result, Failure):
            self._row(position, None, None, None, None, None, f"{result.code}: {result.detail}")
            return
        for mention in result.mentions:
            self._row(position, mention.start, mention.end, mention.label, mention.text, mention.score, None)

    def _row(self, position: int, *values: object) -> None:
        self.positions.append(position)
        for name, value in zip(("start", "end", "label", "text", "score", "error"), values, strict=True):
            getattr(self, name).append(value)


def _results(
    client: Dateline,
    texts: Iterable[object],
    *,
    offsets: OffsetUnit,
    min_score: float | None,
    labels: Collection[str] | None,
    model: str | None,
) -> Iterator[tuple[int, Result]]:
    """The result of each text that is there, with its place in the column."""
    positions: list[int] = []

    def documents() -> Iterator[Document]:
        for position, text in enumerate(texts):
            if isinstance(text, str):
                positions.append(position)
                yield Document(text)
            elif not _is_missing(text):
                raise TypeError(f"row {position} of the column of texts is {text!r:.80}, not a text")

    for result in client.stream(documents(), offsets=offsets, min_score=min_score, labels=labels, model=model):
        yield positions[result.index], result


def _is_missing(value: object) -> bool:
    # NA of pandas, which must not be imported here, equals nothing and has no truth.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def _library(frame: object) -> Literal["pandas", "polars"]:
    for kind in type(frame).__mro__:
        name = kind.__module__.partition(".")[0]
        if name == "pandas":
            return "pandas"
        if name == "polars" and kind.__name__ in ("DataFrame", "Series"):
            return "polars"
    raise TypeError(
        f"{type(frame).__name__} is nothing of pandas or Polars: give a DataFrame to annotate_frame, a Series to "
        "annotate_column, and collect a LazyFrame first "
        "(pip install 'dateline-client[pandas]' or 'dateline-client[polars]')"
    )


def _check_errors(errors: str, other: str) -> None:
    if errors not in ("raise", other):
        raise ValueError(f"errors is {errors!r}; there is 'raise' and {other!r}")


def _long_pandas(frame: pandas.DataFrame, rows: _Rows, document: str | None) -> pandas.DataFrame:
    import pandas

    owners: Any = frame.index.to_flat_index() if document is None else frame[document]
    long: pandas.DataFrame = pandas.DataFrame(
        {
            "document": pandas.Series(owners.take(rows.positions)).reset_index(drop=True),
            "start": pandas.array(rows.start, dtype="Int64"),
            "end": pandas.array(rows.end, dtype="Int64"),
            "label": pandas.array(rows.label, dtype="string"),
            "text": pandas.array(rows.text, dtype="string"),
            "score": pandas.array(rows.score, dtype="Float64"),
            "error": pandas.array(rows.error, dtype="string"),
        }
    )
    return long


def _long_polars(frame: polars.DataFrame, rows: _Rows, document: str | None) -> polars.DataFrame:
    import polars

    owners = polars.Series(rows.positions, dtype=polars.Int64)
    return polars.DataFrame(
        {
            "document": owners if document is None else frame[document].gather(rows.positions),
            "start": polars.Series(rows.start, dtype=polars.Int64),
            "end": polars.Series(rows.end, dtype=polars.Int64),
            "label": polars.Series(rows.label, dtype=polars.String),
            "text": polars.Series(rows.text, dtype=polars.String),
            "score": polars.Series(rows.score, dtype=polars.Float64),
            "error": polars.Series(rows.error, dtype=polars.String),
        }
    )


def _column_pandas(column: pandas.Series[Any], lists: list[list[dict[str, object]] | None]) -> pandas.Series[Any]:
    import pandas

    return pandas.Series(lists, index=column.index, name="mentions", dtype=object)


def _column_polars(lists: list[list[dict[str, object]] | None]) -> polars.Series:
    import polars

    mention = polars.Struct(
        {
            "start": polars.Int64,
            "end": polars.Int64,
            "label": polars.String,
            "text": polars.String,
            "score": polars.Float64,
        }
    )
    return polars.Series("mentions", lists, dtype=polars.List(mention))
