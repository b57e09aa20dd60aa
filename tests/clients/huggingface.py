"""Hugging Face's own Python client against a running `dateline serve`: huggingface.py BASE_URL KEY.

The client is used as its documentation says and not bent in any way. Every entity has to be an exact slice of its text
as Python counts, and what is wrong with a request has to reach the caller.
"""

import sys

from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

TEXTS = {
    "plain": "Gen. Oleksandr Syrskyi said the 93rd Mechanized Brigade held Bakhmut with HIMARS.",
    "emoji before, between and after": "🚀🇺🇦 In Bakhmut 👩‍🚒 the 93rd Mechanized Brigade fired HIMARS at Donetsk. 🔥",
    "accents, some of them combining": "President Emmanuel Macron and Jose\u0301 Ángel Gurría met in Kyiv — “at last”.",
    "two lines, tabs and CRLF": "KYIV —\tVolodymyr Zelensky spoke.\r\n\r\nLeopard 2 tanks arrived in Lviv.",
    "one that is read in windows": "🛰 The 3rd Assault Brigade left Kyiv for Avdiivka. " * 400,
}
PLAIN = TEXTS["plain"]


def entities_are_slices(client):
    for name, text in TEXTS.items():
        entities = client.token_classification(text, aggregation_strategy="simple")
        assert entities, f"{name}: nothing was found"
        for entity in entities:
            assert entity.word == text[entity.start : entity.end], f"{name}: {entity}"
            assert entity.entity_group and entity.entity is None and 0 < entity.score <= 1, f"{name}: {entity}"
        assert [e.start for e in entities] == sorted(e.start for e in entities), f"{name}: not in order"
        assert client.token_classification(text) == entities, f"{name}: the default is another strategy than simple"
    assert [(e.entity_group, e.word) for e in client.token_classification(PLAIN)] == [
        ("PERSON", "Oleksandr Syrskyi"),
        ("UNIT", "93rd Mechanized Brigade"),
        ("PLACE", "Bakhmut"),
        ("WEAPON", "HIMARS"),
    ]


def pieces_make_up_the_entities(client):
    for name, text in TEXTS.items():
        pieces = client.token_classification(text, aggregation_strategy="none")
        assert all(piece.entity_group is None and piece.index > 0 for piece in pieces), name
        spans, starts = [], []
        for piece in pieces:
            prefix, label = piece.entity.split("-")
            if prefix == "B":
                spans.append([label, piece.start, piece.end])
                starts.append(piece.start)
            else:
                assert prefix == "I" and label == spans[-1][0], f"{name}: {piece}"
                spans[-1][2] = piece.end
            # The model's vocabulary has no capitals; of accents see below.
            if text.isascii():
                assert piece.word.removeprefix("##") == text[piece.start : piece.end].lower(), f"{name}: {piece}"
        whole = client.token_classification(text, aggregation_strategy="simple")
        assert [(label, text[start:end]) for label, start, end in spans] == [
            (entity.entity_group, entity.word) for entity in whole
        ], f"{name}: the pieces are not the entities"


def parameters_count(client):
    kept = client.token_classification(PLAIN, ignore_labels=["UNIT", "WEAPON"], stride=16)
    assert [entity.entity_group for entity in kept] == ["PERSON", "PLACE"], kept
    for strategy in ["first", "average", "max"]:
        assert client.token_classification(PLAIN, aggregation_strategy=strategy)[0].word == "Oleksandr Syrskyi"
    assert client.token_classification("") == []


def errors_reach_the_caller(url, key):
    def refused(client, status, says, **parameters):
        try:
            client.token_classification(PLAIN, **parameters)
        except HfHubHTTPError as error:
            assert error.response.status_code == status, error
            assert says in str(error), error
            return
        raise AssertionError(f"not refused with {status}")

    refused(InferenceClient(model=url, token=key), 422, "aggregation_strategy", aggregation_strategy="best")
    refused(InferenceClient(model=url, token="dl_wrong"), 401, "401")
    refused(InferenceClient(model=url), 401, "401")
    refused(InferenceClient(model=f"{url}-not", token=key), 404, "404")


def main():
    base, key = sys.argv[1:]
    url = f"{base}/v1/hf/dateline-en-small"
    client = InferenceClient(model=url, token=key)
    entities_are_slices(client)
    pieces_make_up_the_entities(client)
    parameters_count(client)
    errors_reach_the_caller(url, key)


main()
