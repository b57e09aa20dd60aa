"""What we write, in the readers of the tools that it is for.

The golden files are held to what `jsonl.jsonl` among them says of the same documents. doccano and brat are not on PyPI as
libraries: their offsets are checked as they count them, and brat's rules by hand.
"""

import csv
import json
import sys
import tempfile
from pathlib import Path

import html5lib
import spacy
import srsly
from label_studio_sdk.converter import Converter
from label_studio_sdk.label_interface import LabelInterface
from spacy.tokens import Doc, DocBin
from spacy.training import biluo_tags_to_offsets
from spacy.training.converters import conll_ner_to_docs

golden = Path(sys.argv[1])


def objects(name):
    """The objects in a file of JSON lines. Not `splitlines`, which also breaks at characters that JSON has in strings."""
    return list(srsly.read_jsonl(golden / name))


documents = objects("jsonl.jsonl")


def marked(document):
    """The mentions of a document as (start, end, label), in code points."""
    return [(mention["start"], mention["end"], mention["label"]) for mention in document["mentions"]]


def jsonl():
    for document in documents:
        for mention in document["mentions"]:
            assert document["text"][mention["start"] : mention["end"]] == mention["text"], mention


def spacy_jsonl():
    """A `Doc` of our tokens, as Prodigy makes one; what training reads, stored as a DocBin, is the same."""
    nlp = spacy.blank("en")
    store = DocBin(attrs=["ENT_IOB", "ENT_TYPE"])
    tasks = objects("spacy.jsonl")
    assert len(tasks) == len(documents)
    for task, document in zip(tasks, documents):
        tokens = task["tokens"]
        doc = Doc(nlp.vocab, words=[token["text"] for token in tokens], spaces=[token["ws"] for token in tokens])
        assert doc.text == document["text"]
        assert [(token.idx, token.idx + len(token)) for token in doc] == [(t["start"], t["end"]) for t in tokens]
        spans = [doc.char_span(span["start"], span["end"], label=span["label"]) for span in task["spans"]]
        assert None not in spans, "a mention is whole tokens"
        for span, given in zip(spans, task["spans"]):
            assert (span.start, span.end - 1) == (given["token_start"], given["token_end"])
        doc.ents = spans
        assert [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] == marked(document)
        store.add(doc)
    again = list(DocBin().from_bytes(store.to_bytes()).get_docs(nlp.vocab))
    assert [[(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] for doc in again] == [
        marked(document) for document in documents
    ]


def mentions_of_columns(tags, words):
    """Words and labels of BILUO tags."""
    doc = Doc(spacy.blank("en").vocab, words=words)
    return [(doc.text[start:end], label) for start, end, label in biluo_tags_to_offsets(doc, tags)]


def conll():
    """spaCy's own reader of CoNLL-2003 for one, a reader of the columns for the other, which spaCy knows as BILUO."""
    expected = []
    for document in objects("conll.read.jsonl"):
        expected += [(mention["text"].replace("\n", " "), mention["label"]) for mention in document["mentions"]]
    text = (golden / "conll.conll").read_text("utf-8")
    docs = list(conll_ner_to_docs(text, n_sents=1, no_print=True))
    assert [(ent.text, ent.label_) for doc in docs for ent in doc.ents] == expected
    found = []
    for sentence in (golden / "conll-bioes.conll").read_text("utf-8").split("\n\n"):
        rows = [line.split(" ") for line in sentence.split("\n") if line and not line.startswith("-DOCSTART-")]
        assert all(len(row) == 4 and row[1:3] == ["-X-", "-X-"] for row in rows), rows
        biluo = [{"E": "L", "S": "U"}.get(row[3][0], row[3][0]) + row[3][1:] for row in rows]
        found += mentions_of_columns(biluo, [row[0] for row in rows]) if rows else []
    assert found == expected


def brat():
    """brat's rules: lines as `splitlines` has them, words that are those at the offsets, pieces that do not touch."""
    folder = golden / "brat"
    assert len(list(folder.glob("*.ann"))) == len(documents)
    found = []
    for path in sorted(folder.glob("*.ann")):
        text = path.with_suffix(".txt").read_bytes().decode("utf-8")
        document = next(document for document in documents if document["text"] == text)
        lines = path.read_bytes().decode("utf-8").splitlines(keepends=True)
        assert len(lines) == len(document["mentions"]), path
        for number, (line, mention) in enumerate(zip(lines, document["mentions"]), 1):
            name, data, words = line.rstrip("\n").split("\t", 2)
            label, offsets = data.split(" ", 1)
            pieces = [tuple(int(offset) for offset in pair.split(" ")) for pair in offsets.split(";")]
            assert name == f"T{number}" and label == mention["label"] and not any(c.isspace() for c in label)
            assert words == " ".join(text[start:end] for start, end in pieces)
            assert all(first[1] < second[0] for first, second in zip(pieces, pieces[1:]))
            assert (pieces[0][0], pieces[-1][1]) == (mention["start"], mention["end"])
            found.append(name)
    assert len(found) == sum(len(document["mentions"]) for document in documents)


def doccano():
    """As its page slices a text: in UTF-16 units."""
    for example, document in zip(objects("doccano.jsonl"), documents, strict=True):
        units = example["text"].encode("utf-16-le")
        words = [(units[2 * start : 2 * end].decode("utf-16-le"), label) for start, end, label in example["label"]]
        assert words == [(mention["text"], mention["label"]) for mention in document["mentions"]]


LABELS = """<View><Labels name="label" toName="text">{}</Labels><Text name="text" value="$text"/></View>"""


def label_studio():
    """The SDK's own validation of tasks and predictions, and its converter's reading of them."""
    labels = sorted({mention["label"] for document in documents for mention in document["mentions"]})
    config = LABELS.format("".join(f'<Label value="{label}"/>' for label in labels))
    interface = LabelInterface(config)
    tasks = json.loads((golden / "label-studio.json").read_text("utf-8"))
    assert len(tasks) == len(documents)
    for task, document in zip(tasks, documents):
        # Not with its predictions: `validate_task` of 2.1.2 calls their check without an argument.
        assert interface.validate_task({"data": task["data"]}), task
        [prediction] = task["predictions"]
        errors = interface.validate_prediction(prediction, return_errors=True)
        assert not errors, errors
        wrong = json.loads(json.dumps(prediction))
        for result in wrong["result"]:
            result["value"]["labels"] = ["NOBODY"]
        assert not wrong["result"] or interface.validate_prediction(wrong, return_errors=True), "it does check labels"
        for result, mention in zip(prediction["result"], document["mentions"], strict=True):
            value = result["value"]
            # How Label Studio's exporters in Python slice the text.
            assert task["data"]["text"][value["start"] : value["end"]] == mention["text"]
    # Tasks as a project exports them once somebody has taken the predictions over, through its converter.
    exported = [
        {
            "id": number,
            "data": task["data"],
            "annotations": [{"id": number, "completed_by": 1, "result": task["predictions"][0]["result"]}],
        }
        for number, task in enumerate(tasks, 1)
    ]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "exported.json"
        source.write_text(json.dumps(exported), "utf-8")
        Converter(config, project_dir=folder, download_resources=False).convert(
            str(source), f"{folder}/min", "JSON_MIN", is_dir=False
        )
        [made] = Path(folder, "min").glob("*.json")
        converted = json.loads(made.read_text("utf-8"))
    assert [
        [(region["start"], region["end"], region["labels"][0]) for region in task.get("label", [])] for task in converted
    ] == [marked(document) for document in documents]


def table():
    with (golden / "csv.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, strict=True))
    expected = [["id", "start", "end", "label", "text", "score"]]
    for document in documents:
        for one in document["mentions"]:
            row = [document.get("id", ""), one["start"], one["end"], one["label"], one["text"], f"{one['score']:g}"]
            expected.append([str(cell) for cell in row])
        if not document["mentions"]:
            expected.append([document.get("id", "")] + [""] * 5)
    assert rows == expected


def page():
    """A strict parser takes the page, and its text is the documents'."""
    source = (golden / "html.html").read_text("utf-8")
    assert not any(ord(c) < 32 and c not in "\t\n" for c in source)
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(source)
    shown = ["".join(element.itertext()) for element in tree.iter("p")]
    pictures = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"} | {0x7F: "\u2421", 0x85: "\ufffd"}
    assert shown == [document["text"].replace("\r\n", "\n").translate(pictures) for document in documents]
    marks = [(mark.get("data-label"), float(mark.get("data-score"))) for mark in tree.iter("mark")]
    assert marks == [(one["label"], one["score"]) for document in documents for one in document["mentions"]]
    assert not list(tree.iter("script")) and "http" not in source


for check in [jsonl, spacy_jsonl, conll, brat, doccano, label_studio, table, page]:
    check()
    print(f"{check.__name__}: ok")
