"""pandas and Polars: long frames and columns of lists, missing texts, documents that fail."""

from __future__ import annotations

import math

import pandas as pd
import polars as pl
import pytest

from dateline_client import Dateline, DocumentFailed
from dateline_client.frames import annotate_column, annotate_frame
from support import EMOJI, Service

TEXTS = ["🚀 KYIV and LVIV", None, "nothing", "bad", "ODESA"]
IDS = ["a", "b", "c", "d", "e"]
COLUMNS = ["document", "start", "end", "label", "text", "score", "error"]
LONG = [
    ("a", 2, 6, "PLACE", "KYIV", 0.9, None),
    ("a", 11, 15, "PLACE", "LVIV", 0.9, None),
    ("d", None, None, None, None, None, "model_failed: it failed"),
    ("e", 0, 5, "PLACE", "ODESA", 0.9, None),
]
MENTION = {"start": 0, "end": 5, "label": "PLACE", "text": "ODESA", "score": 0.9}


@pytest.fixture
def client() -> Dateline:
    return Service().client()


def test_a_long_frame_of_pandas(client: Dateline) -> None:
    frame = pd.DataFrame({"text": TEXTS, "id": IDS}, index=[10, 20, 30, 40, 50])
    long = annotate_frame(client, frame, document="id")
    assert list(long.columns) == COLUMNS
    rows = [tuple(None if pd.isna(value) else value for value in row) for row in long.itertuples(index=False)]
    assert rows == LONG
    assert list(annotate_frame(client, frame)["document"]) == [10, 10, 40, 50]
    assert [str(long[name].dtype) for name in ("start", "end", "score")] == ["Int64", "Int64", "Float64"]
    assert list(long.index) == [0, 1, 2, 3]


def test_a_long_frame_of_polars(client: Dateline) -> None:
    frame = pl.DataFrame({"text": TEXTS, "id": IDS})
    long = annotate_frame(client, frame, document="id")
    assert long.columns == COLUMNS
    assert long.rows() == LONG
    assert annotate_frame(client, frame)["document"].to_list() == [0, 0, 3, 4]
    joined = frame.with_row_index("document").join(
        annotate_frame(client, frame), on="document", how="inner", suffix="_mention"
    )
    assert joined["text_mention"].to_list() == ["KYIV", "LVIV", None, "ODESA"]


def test_an_index_of_several_levels(client: Dateline) -> None:
    index = pd.MultiIndex.from_tuples([("wire", 1), ("wire", 2)])
    frame = pd.DataFrame({"body": ["KYIV", "LVIV"]}, index=index)
    assert list(annotate_frame(client, frame, "body")["document"]) == [("wire", 1), ("wire", 2)]


def test_columns_of_lists(client: Dateline) -> None:
    series = pd.Series(["ODESA", None, math.nan, "nothing"], index=list("wxyz"), dtype=object)
    column = annotate_column(client, series)
    assert (column.name, list(column.index)) == ("mentions", list("wxyz"))
    assert column["w"] == [MENTION]
    assert [column["x"], column["y"], column["z"]] == [None, None, []]
    polars = annotate_column(client, pl.Series(["ODESA", None, "nothing"]))
    assert polars.name == "mentions"
    assert polars.to_list() == [[MENTION], None, []]
    assert annotate_column(client, pl.Series([], dtype=pl.String)).dtype == polars.dtype


def test_the_missing_values_of_pandas_are_missing(client: Dateline) -> None:
    for series in (
        pd.Series(["KYIV", None, pd.NA, pd.NaT, math.nan], dtype=object),
        pd.Series(["KYIV", None, None, None, None], dtype="string"),
        pd.Series(["KYIV", None, None, None, None]),
    ):
        assert [value is None for value in annotate_column(client, series)] == [False, True, True, True, True]


def test_a_document_that_fails_is_kept_or_raised(client: Dateline) -> None:
    frame = pl.DataFrame({"text": TEXTS})
    with pytest.raises(DocumentFailed, match="document 2: model_failed"):
        annotate_frame(client, frame, errors="raise")
    with pytest.raises(DocumentFailed):
        annotate_column(client, frame["text"])
    assert annotate_column(client, frame["text"], errors="null").to_list()[3] is None
    with pytest.raises(ValueError, match="there is 'raise' and 'keep'"):
        annotate_frame(client, frame, errors="ignore")  # type: ignore[call-overload]


def test_what_is_no_frame_or_no_text_is_told(client: Dateline) -> None:
    with pytest.raises(TypeError, match=r"list is nothing of pandas or Polars.*dateline-client\[polars\]"):
        annotate_column(client, ["KYIV"])  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="LazyFrame"):
        annotate_frame(client, pl.LazyFrame({"text": ["KYIV"]}))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="row 1 of the column of texts is 7"):
        annotate_column(client, pd.Series(["KYIV", 7], dtype=object))


def test_frames_on_the_real_service(url: str) -> None:
    texts = [f"{EMOJI} Report {number}." for number in range(100)]
    with Dateline(url) as client:
        pandas = annotate_frame(client, pd.DataFrame({"text": texts}), labels=["UNIT", "WEAPON"])
        polars = annotate_frame(client, pl.DataFrame({"text": texts}), labels=["UNIT", "WEAPON"])
        assert polars.rows() == [
            tuple(None if pd.isna(value) else value for value in row) for row in pandas.itertuples(index=False)
        ]
        assert polars["document"].n_unique() == 100
        for document, start, end, _, mention, _, error in polars.rows():
            assert texts[document][start:end] == mention
            assert error is None
        lists = annotate_column(client, pl.Series(texts))
        assert all(any(mention["text"] == "HIMARS" for mention in mentions) for mentions in lists.to_list())
