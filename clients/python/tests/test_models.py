"""Values: exact slices in every unit, entities, failures that raise, and answers that are not as promised."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dateline_client import (
    Annotation,
    Document,
    DocumentFailed,
    Entity,
    Failure,
    InvalidRequest,
    Mention,
    OffsetMismatch,
    OffsetUnit,
    Problem,
    UnexpectedAnswer,
    _wire,
)

TEXTS = st.text() | st.sampled_from(["🚀🇺🇦👩‍🚒", "Jose\u0301 \u202bעברית\u202c", "a\r\nb\0c", "\U0010ffff\u2028\x85"])


def encoded_length(text: str, unit: OffsetUnit) -> int:
    if unit == "codepoint":
        return len(text)
    return len(text.encode("utf-8")) if unit == "byte" else len(text.encode("utf-16-le")) // 2


def annotation(text: str, mention: Mention, unit: OffsetUnit = "codepoint") -> Annotation:
    return Annotation(model="m", offsets=unit, mentions=(mention,), text=text)


@given(before=TEXTS, name=TEXTS, after=TEXTS, unit=st.sampled_from(["codepoint", "utf16", "byte"]))
def test_a_slice_is_checked_in_every_unit(before: str, name: str, after: str, unit: OffsetUnit) -> None:
    text = before + name + after
    start = encoded_length(before, unit)
    end = start + encoded_length(name, unit)
    right = annotation(text, Mention(start, end, "PLACE", name, 0.5), unit)
    assert right.check() is right
    if unit == "codepoint":
        assert right.text[start:end] == name
    for wrong in (Mention(start, end, "PLACE", name + "x", 0.5), Mention(start, 10**6, "PLACE", name, 0.5)):
        with pytest.raises(OffsetMismatch):
            annotation(text, wrong, unit).check()


def test_half_a_character_is_no_slice() -> None:
    for unit in ("utf16", "byte"):
        with pytest.raises(OffsetMismatch, match="'🚀'"):
            annotation("🚀", Mention(0, 1, "WEAPON", "🚀", 0.5), unit).check()
    with pytest.raises(OffsetMismatch):
        annotation("ab", Mention(-1, 2, "WEAPON", "b", 0.5)).check()


def test_values_are_frozen_and_slotted() -> None:
    mention = Mention(0, 4, "PLACE", "Kyiv", 0.9)
    with pytest.raises(AttributeError):
        mention.start = 1  # type: ignore[misc]
    assert not hasattr(mention, "__dict__")
    assert mention == Mention(0, 4, "PLACE", "Kyiv", 0.9)


def test_a_failure_raises_when_it_is_taken_for_an_annotation() -> None:
    failure = Failure(index=3, code="model_failed", detail="it failed", text="Kyiv", id="a")
    assert not failure.ok
    with pytest.raises(DocumentFailed, match=r"document 3 \('a'\): model_failed: it failed") as raised:
        failure.unwrap()
    assert raised.value.failure is failure


def test_errors_survive_a_process() -> None:
    problem = Problem(type="urn:x", title="t", status=422, code="invalid_field", detail="d", line=1, column=2)
    error = InvalidRequest(problem, 3.0)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(again), again.problem, again.retry_after) == (InvalidRequest, problem, 3.0)
    assert str(again) == "422 invalid_field: d, line 1, column 2"
    failure = Failure(index=0, code="c", detail="d", text="t")
    assert pickle.loads(pickle.dumps(DocumentFailed(failure))).failure == failure  # noqa: S301 - our own bytes


ENTITY = {"label": "PLACE", "name": "Kyiv", "mentions": [0], "count": 1, "score": 0.9, "relevance": 1, "new": True}
MENTION = {"start": 0, "end": 4, "label": "PLACE", "text": "Kyiv", "score": 1, "new": {"deep": []}}


def read(**fields: object) -> Annotation:
    return _wire.annotation(fields, Document("Kyiv"), 0, "m", "codepoint")


def test_entities_come_if_they_are_there_and_unknown_fields_do_no_harm() -> None:
    assert read(mentions=[MENTION], another=1).entities == ()
    assert read(mentions=[MENTION], entities=[]).entities == ()
    annotation = read(mentions=[MENTION], entities=[ENTITY])
    assert annotation.mentions == (Mention(0, 4, "PLACE", "Kyiv", 1.0),)
    assert annotation.entities == (Entity("PLACE", "Kyiv", (0,), 1, 0.9, 1.0),)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "`mentions` in the service's answer is missing, not a list"),
        ({"mentions": {}}, "not a list"),
        ({"mentions": ["Kyiv"]}, "not an object"),
        ({"mentions": [{**MENTION, "start": "0"}]}, "`start` .* not a whole number"),
        ({"mentions": [{**MENTION, "start": True}]}, "not a whole number"),
        ({"mentions": [{**MENTION, "score": "high"}]}, "not a number"),
        ({"mentions": [{**MENTION, "label": None}]}, "not a string"),
        ({"mentions": [MENTION], "entities": [{**ENTITY, "mentions": [1]}]}, "not among the 1"),
        ({"mentions": [MENTION], "entities": [{**ENTITY, "mentions": [True]}]}, "a list of whole numbers"),
        ({"mentions": [MENTION], "id": "other"}, "the answer is for 'other'"),
    ],
)
def test_an_answer_that_is_not_as_promised_is_an_error(fields: dict[str, object], says: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=says):
        read(**fields)
