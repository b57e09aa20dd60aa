"""The spaCy component: entities and spans, tokens that do not fit, batches, errors, and pipelines on disk."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin

import dateline_client.spacy as component_module
from dateline_client import DatelineError, DocumentFailed, Retry
from dateline_client.spacy import DatelineComponent
from support import EMOJI, Service

Pipeline = Callable[..., Language]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    """What the component asks instead of the network."""
    service = Service()
    monkeypatch.setattr(component_module, "Dateline", lambda *_, **__: service.client(retry=Retry(attempts=1)))
    return service


def pipeline(**config: object) -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("dateline", config=config)
    return nlp


def ents(doc: Doc) -> list[tuple[str, str]]:
    return [(span.text, span.label_) for span in doc.ents]


def test_it_is_found_by_its_name_alone() -> None:
    code = "import spacy; print(spacy.blank('en').add_pipe('dateline'))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    assert "DatelineComponent" in done.stdout


@pytest.mark.usefixtures("service")
def test_entities_spans_and_scores() -> None:
    doc = pipeline(label_map={"PLACE": "GPE"})("🚀🇺🇦 From KYIV to LVIV.")
    assert ents(doc) == [("KYIV", "GPE"), ("LVIV", "GPE")]
    group = doc.spans["dateline"]
    assert [(span.text, span.label_) for span in group] == ents(doc)
    assert group.attrs["scores"] == [0.9, 0.9]
    assert [span._.dateline_score for span in doc.ents] == [0.9, 0.9]
    assert doc._.dateline["model"] == "m"
    for mention in doc._.dateline["mentions"]:
        assert doc.text[mention["start"] : mention["end"]] == mention["text"]
        assert mention["label"] == "PLACE"


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("mode", "expected"), [("expand", [("KYIVans", "PLACE")]), ("contract", []), ("strict", [])])
def test_where_tokens_and_mention_differ(mode: str, expected: list[tuple[str, str]]) -> None:
    doc = pipeline(alignment_mode=mode)("The KYIVans.")
    assert ents(doc) == expected
    assert doc._.dateline["mentions"][0]["text"] == "KYIV"


@pytest.mark.usefixtures("service")
def test_two_mentions_in_one_token_keep_their_spans() -> None:
    doc = pipeline()("KYIVxLVIV")
    assert ents(doc) == [("KYIVxLVIV", "PLACE")]
    assert len(doc.spans["dateline"]) == 2


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("overwrite", "label"), [(False, "CITY"), (True, "PLACE")])
def test_entities_of_others_stay_unless_told(overwrite: bool, label: str) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "CITY", "pattern": "KYIV"}])  # type: ignore[attr-defined]
    nlp.add_pipe("dateline", config={"overwrite_ents": overwrite})
    assert ents(nlp("From KYIV to LVIV")) == [("KYIV", label), ("LVIV", "PLACE")]


def test_batches_are_requests(service: Service) -> None:
    texts = [f"KYIV {number}" for number in range(25)]
    docs = list(pipeline().pipe(texts, batch_size=10))
    assert [doc.text for doc in docs] == texts
    assert all(ents(doc) == [("KYIV", "PLACE")] for doc in docs)
    assert [len(json.loads(request.content)["documents"]) for request in service.requests] == [10, 10, 5]


def test_a_request_holds_so_much_text(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component_module, "MOST_CHARACTERS", 12)
    assert len(list(pipeline().pipe(["KYIV 1", "KYIV 2", "KYIV " * 9, "LVIV"]))) == 4
    assert [len(json.loads(request.content)["documents"]) for request in service.requests] == [2, 1, 1]


@pytest.mark.usefixtures("service")
def test_a_document_that_fails_raises_or_goes_to_the_error_handler() -> None:
    nlp = pipeline()
    with pytest.raises(DocumentFailed, match="document 0"):
        nlp("bad")
    with pytest.raises(DocumentFailed, match="document 1"):
        list(nlp.pipe(["KYIV", "bad", "LVIV"]))
    failed: list[tuple[str, list[str], str]] = []

    def keep(name: str, _: object, docs: list[Doc], error: Exception) -> None:
        failed.append((name, [doc.text for doc in docs], type(error).__name__))

    nlp.set_error_handler(keep)  # type: ignore[arg-type]
    assert [doc.text for doc in nlp.pipe(["KYIV", "bad", "LVIV"])] == ["KYIV", "LVIV"]
    assert failed == [("dateline", ["bad"], "DocumentFailed")]


def test_a_service_that_is_gone_concerns_the_batch(service: Service) -> None:
    service.answers = [httpx.ConnectError("refused")]
    nlp = pipeline()
    with pytest.raises(DatelineError):
        list(nlp.pipe(["KYIV"]))
    failed: list[int] = []
    nlp.set_error_handler(lambda _, __, docs, ___: failed.append(len(docs)))  # type: ignore[arg-type, return-value]
    assert list(nlp.pipe(["KYIV", "LVIV"])) == []
    assert failed == [2]


@pytest.mark.usefixtures("service")
def test_a_pipeline_on_disk_keeps_its_settings_and_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATELINE_API_KEY", "dl_secret")
    nlp = pipeline(url="http://one.example", label_map={"PLACE": "GPE"}, min_score=0.25, labels=["PLACE"])
    assert ents(nlp("KYIV")) == [("KYIV", "GPE")]
    nlp.to_disk(tmp_path)
    assert all(b"secret" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    again = spacy.load(tmp_path).get_pipe("dateline")
    assert isinstance(again, DatelineComponent)
    assert (again.url, again.label_map, again.min_score) == ("http://one.example", {"PLACE": "GPE"}, 0.25)
    other = spacy.load(tmp_path, config={"components": {"dateline": {"url": "http://two.example"}}})
    assert other.get_pipe("dateline").url == "http://two.example"  # type: ignore[attr-defined]
    copied = spacy.blank("en")
    copied.add_pipe("dateline", source=nlp)
    assert ents(copied("KYIV")) == [("KYIV", "GPE")]


@pytest.mark.usefixtures("service")
def test_documents_keep_what_was_found() -> None:
    doc = pipeline()("From KYIV")
    again = Doc(doc.vocab).from_bytes(doc.to_bytes())
    (packed,) = DocBin(docs=[doc], store_user_data=True).get_docs(doc.vocab)
    for other in (again, packed):
        assert ents(other) == [("KYIV", "PLACE")]
        assert other.ents[0]._.dateline_score == 0.9
        assert other._.dateline["mentions"][0]["text"] == "KYIV"
    assert again.spans["dateline"].attrs["scores"] == [0.9]


@pytest.mark.usefixtures("service")
def test_a_component_goes_to_another_process_without_its_connections() -> None:
    component = DatelineComponent(url="http://one.example")
    component(spacy.blank("en")("KYIV"))
    again = pickle.loads(pickle.dumps(component))  # noqa: S301 - our own bytes
    assert (again.url, again._client) == ("http://one.example", None)


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="alignment_mode"):
        pipeline(alignment_mode="nearest")
    with pytest.raises(ValueError, match="address"):
        pipeline(url="nowhere")("KYIV")


def test_spacy_on_the_real_service(url: str) -> None:
    nlp = pipeline(url=url, label_map={"PLACE": "GPE"})
    texts = [f"{EMOJI} Report {number}." for number in range(60)]
    for text, doc in zip(texts, nlp.pipe(texts, batch_size=25), strict=True):
        assert {("93rd Mechanized Brigade", "UNIT"), ("HIMARS", "WEAPON"), ("Donetsk", "GPE")} <= set(ents(doc))
        assert len(doc.spans["dateline"]) == len(doc._.dateline["mentions"])
        for span, mention in zip(doc.spans["dateline"], doc._.dateline["mentions"], strict=True):
            assert text[mention["start"] : mention["end"]] == mention["text"]
            assert mention["text"] in span.text
            assert span._.dateline_score == mention["score"]


def test_spacy_in_several_processes_on_the_real_service(url: str) -> None:
    nlp = pipeline(url=url)
    assert ents(nlp("In Kyiv."))
    docs = list(nlp.pipe(["In Kyiv.", "In Lviv.", "In Odesa."], n_process=2, batch_size=1))
    assert [ents(doc) for doc in docs] == [[("Kyiv", "PLACE")], [("Lviv", "PLACE")], [("Odesa", "PLACE")]]
